"""A server in front of the queue: what each client hears, and what the queue has."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.queue.broker import Broker, free_ports
from gen_smtp.options.checks import OptionsError
from gen_smtp.queue import QueueHandler
from gen_smtp.queue.envelope import mail_of
from gen_smtp.queue.queue_options import read_queue_options
from tests.gen_smtp.live import Client
from tests.test_examples import Example, send

pytestmark = pytest.mark.timeout(180)

Serve = Callable[..., Any]
MESSAGE = b"Subject: hello\r\n\r\nHello\r\n"


def say(client: Client, *lines: str) -> str:
    """Say lines and a whole message; the reply to its end."""
    client.say(*lines, "DATA")
    client.send(b"Subject: hello\r\n\r\nHello\r\n.\r\n")
    return client.reply()


def test_the_envelope_is_in_the_headers_and_the_message_is_the_body(
    broker: Broker, queue: str, serve: Serve
) -> None:
    with smtplib.SMTP(*serve(broker)) as client:
        client.ehlo("client.test")
        client.sendmail(
            "a@example.org",
            ["b@example.com", "c@example.com"],
            MESSAGE,
            mail_options=["RET=HDRS", "ENVID=one"],
            rcpt_options=["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;x@example.com"],
        )
    ((properties, body),) = broker.take_all(queue)
    mail = mail_of(properties, body)
    assert body.startswith(b"Received: from client.test ([127.0.0.1])\r\n\tby mx.test with ESMTP\r\n")
    assert body.endswith(MESSAGE)
    assert mail.message_id.encode() in body
    assert mail.sender == "a@example.org"
    assert [each.address for each in mail.recipients] == ["b@example.com", "c@example.com"]
    known = mail.recipient_parameters(mail.recipients[1])
    assert known.notify == {"FAILURE", "DELAY"}
    assert known.orcpt is not None
    assert known.orcpt.address == "x@example.com"
    assert (mail.sender_parameters.ret, mail.sender_parameters.envid) == ("HDRS", "one")
    assert {"helo": "client.test", "address": "127.0.0.1", "server": "mx.test"}.items() <= mail.client.items()
    assert (mail.tries, mail.delayed) == (0, False)
    assert properties.content_type == "message/rfc822"


def test_each_transaction_has_its_own_message_id_which_the_reply_names(
    broker: Broker, queue: str, serve: Serve
) -> None:
    """R9: by it a consumer tells that it gets a message twice."""
    client = Client(serve(broker))
    client.reply()
    client.say("EHLO client.test")
    replies = [say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>") for _ in range(2)]
    client.socket.close()
    names = [properties.message_id for properties, _ in broker.take_all(queue)]
    assert replies == [f"250 2.0.0 queued as {name}" for name in names]
    assert len(set(names)) == 2


def test_lmtp_has_one_message_and_one_reply_for_each_recipient(
    broker: Broker, queue: str, serve: Serve
) -> None:
    client = Client(serve(broker, {"protocol": "lmtp"}))
    client.reply()
    client.say("LHLO client.test", "MAIL FROM:<>")
    client.say("RCPT TO:<b@example.com>", "RCPT TO:<c@example.com>", "RCPT TO:<b@example.com>", "DATA")
    client.send(MESSAGE + b".\r\n")
    replies = [client.reply() for _ in range(3)]
    client.socket.close()
    assert [reply[:3] for reply in replies] == ["250"] * 3
    mails = [mail_of(*each) for each in broker.take_all(queue)]
    assert [mail.recipients[0].address for mail in mails] == [
        "b@example.com",
        "c@example.com",
        "b@example.com",
    ]
    assert len({mail.message_id for mail in mails}) == 3
    assert b"for <c@example.com>" in mails[1].data


def test_a_client_with_very_many_recipients_has_its_mail_in_several_messages(
    broker: Broker, queue: str, serve: Serve
) -> None:
    limits = {"limits": {"recipients": 1000}}
    recipients = [f"{'x' * 60}{number}@example.com" for number in range(300)]
    with smtplib.SMTP(*serve(broker, limits)) as client:
        client.ehlo()
        options = ["ORCPT=rfc822;" + "x" * 450 + "@example.com"]
        assert client.sendmail("a@example.org", recipients, MESSAGE, rcpt_options=options) == {}
    mails = [mail_of(*each) for each in broker.take_all(queue)]
    assert len(mails) > 1
    assert sorted(each.address for mail in mails for each in mail.recipients) == sorted(recipients)
    assert len({mail.message_id for mail in mails}) == len(mails)


def test_a_spooled_message_goes_into_the_queue(
    broker: Broker, queue: str, serve: Serve, tmp_path: Any
) -> None:
    spool = {"spool_threshold": 1000, "spool_directory": str(tmp_path)}
    body = MESSAGE + b"line\r\n" * 50_000
    with smtplib.SMTP(*serve(broker, spool)) as client:
        client.sendmail("a@example.org", ["b@example.com"], body)
    ((_, taken),) = broker.take_all(queue)
    assert taken.endswith(body)


class Streaming(QueueHandler):
    """Takes messages as they come."""

    handle_DATA_stream = QueueHandler.queue_stream


def test_a_message_that_streams_goes_into_the_queue_up_to_a_size(
    broker: Broker, queue: str, serve: Serve
) -> None:
    with smtplib.SMTP(*serve(broker, module=Streaming, max_message=200_000)) as client:
        client.sendmail("a@example.org", ["b@example.com"], MESSAGE + b"line\r\n" * 20_000)
        client.ehlo_or_helo_if_needed()
        client.esmtp_features.pop("size", None)
        with pytest.raises(smtplib.SMTPDataError, match="too large"):
            client.sendmail("a@example.org", ["b@example.com"], MESSAGE + b"line\r\n" * 200_000)
    ((_, taken),) = broker.take_all(queue)
    assert taken.endswith(MESSAGE + b"line\r\n" * 20_000)


def test_size_says_no_more_than_the_queue_takes(broker: Broker, serve: Serve) -> None:
    client = Client(serve(broker, max_message=5000))
    client.reply()
    assert "250-SIZE 5000\n" in client.say("EHLO client.test")
    reply = client.say("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>", "DATA")
    client.send(b"x" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * 80 + b".\r\n")
    reply = client.reply()
    client.socket.close()
    assert reply.startswith("552 5.3.4 ")


def test_a_full_queue_is_452(broker: Broker, queue: str, serve: Serve) -> None:
    client = Client(serve(broker, max_length=1))
    client.reply()
    client.say("EHLO client.test")
    replies = [say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>") for _ in range(20)]
    client.socket.close()
    assert replies[0].startswith("250 ")
    assert replies[-1] == "452 4.3.1 Error: the queue is full"


def test_the_example_puts_mail_into_the_queue(broker: Broker, queue: str) -> None:
    with Example("mail_queue", "--port", "0", "--url", broker.url, "--queue", queue) as example:
        port = int(example.read_until(r"Listening on 127\.0\.0\.1:(\d+)")[1])
        assert send(port) == {}
        example.read_until(r"Ctrl-C")
        example.finish()
    ((properties, _),) = broker.take_all(queue)
    assert properties.headers["smtp-sender"] == "me@example.com"


def test_no_broker_is_451(queue: str, serve: Serve) -> None:
    (port,) = free_ports(1)
    broker = type("NoBroker", (), {"url": f"amqp://127.0.0.1:{port}/"})
    client = Client(serve(broker, confirm_timeout=0.3))
    client.reply()
    client.say("EHLO client.test")
    reply = say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>")
    client.socket.close()
    assert reply == "451 4.3.0 Error: the message could not be queued"


def test_a_deleted_queue_is_451_once(broker: Broker, queue: str, serve: Serve) -> None:
    client = Client(serve(broker))
    client.reply()
    client.say("EHLO client.test")
    replies = [say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>")]
    with broker.channel() as channel:
        channel.queue_delete(queue)
    replies += [say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>") for _ in range(2)]
    client.socket.close()
    assert [reply[:3] for reply in replies][:2] == ["250", "451"]


def test_an_alarm_of_the_broker_is_452_or_451_and_ends(lone_broker: Broker, queue: str, serve: Serve) -> None:
    client = Client(serve(lone_broker, confirm_timeout=1.0))
    client.reply()
    client.say("EHLO client.test")
    first = say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>")
    lone_broker.set_memory_alarm(True)
    try:
        during = [say(client, "MAIL FROM:<>", "RCPT TO:<b@example.com>") for _ in range(2)]
    finally:
        lone_broker.set_memory_alarm(False)
    client.socket.close()
    assert first.startswith("250 ")
    assert during == ["452 4.3.1 Error: the queue takes no messages now"] * 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "callbackoptions.url"),
        ({"url": "http://secret@host"}, "callbackoptions.url"),
        ({"url": "amqp://host", "queue": "amq.x"}, "callbackoptions.queue"),
        ({"url": "amqp://host", "max_length": 0}, "callbackoptions.max_length"),
        ({"url": "amqp://host", "confirm_timeout": 30000}, "callbackoptions.confirm_timeout"),
        ({"url": "amqp://host", "quue": "x"}, "callbackoptions.quue"),
    ],
)
def test_wrong_options_are_found_before_the_start(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionsError) as caught:
        QueueHandler.check_options(options)
    assert caught.value.option == named
    assert "secret" not in str(caught.value)


def test_options_show_no_password() -> None:
    assert "secret" not in repr(read_queue_options({"url": "amqp://user:secret@host/"}))
