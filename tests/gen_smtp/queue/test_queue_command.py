"""`gen-smtp queue` and the flags of `gen-smtp deliver`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks.queue.broker import Broker, free_ports
from gen_smtp.cli import app
from gen_smtp.queue import Publisher
from gen_smtp.queue.envelope import QueuedMail, QueuedRecipient, mail_of
from gen_smtp.queue.queues import all_queues, dead_queue, retry_queue

pytestmark = pytest.mark.timeout(180)

DELAY = 500.0
Run = Callable[..., Result]


def run(*arguments: str) -> Result:
    """Run `gen-smtp` in this process."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.fixture
def of_queue(broker: Broker, queue: str) -> Run:
    """`of_queue("list", ...)`: run a command about the test's queue."""

    def run_of_queue(command: str, *arguments: str) -> Result:
        return run(
            "queue", command, "--url", broker.url, "--queue", queue, "--delays", f"{DELAY:g}", *arguments
        )

    return run_of_queue


@pytest.fixture
def put(broker: Broker, queue: str) -> Iterator[Callable[..., None]]:
    """`put(id, place=...)`: put a mail into a queue, into that of the retries if none is named."""
    publisher = Publisher(broker.url, queues=all_queues(queue, (DELAY,)))

    def put_mail(name: str, place: str | None = None, sender: str = "a@example.org", **more: Any) -> None:
        recipient = QueuedRecipient("b@example.com", last="450 4.2.0 Later")
        data = b"Subject: hello\r\n\r\nHello \x1b[31m\r\n"
        mail = QueuedMail(name, sender, (recipient,), data, arrival=int(time.time()), tries=3)
        target = place or retry_queue(queue, DELAY).name
        publisher.publish(target, mail.data, message_id=name, headers={**mail.headers(), **more})

    yield put_mail
    publisher.close()


def test_list_shows_queues_and_what_waits(of_queue: Run, put: Any, queue: str) -> None:
    put("one.1")
    put("two.1", dead_queue(queue).name, **{"smtp-dead": "it came back 20 times"})
    put("three.1", queue)
    shown = of_queue("list")
    assert shown.exit_code == 0
    for expected in (
        f"{queue}.retry.500",
        "one.1",
        "450 4.2.0 Later",
        "b@example.com",
        "it came back 20 times",
    ):
        assert expected in shown.output
    assert "three.1" not in shown.output
    assert "three.1" in of_queue("list", "--ready").output


def test_list_as_json(of_queue: Run, put: Any, queue: str) -> None:
    put("one.1")
    said = json.loads(of_queue("list", "--json").output)
    assert said["queues"][0] == {"name": queue, "messages": 0, "deliverers": 0}
    (message,) = said["messages"]
    assert message["id"] == "one.1"
    assert message["tries"] == 3
    assert message["recipients"][0]["last"] == "450 4.2.0 Later"
    again = json.loads(of_queue("list", "--json").output)
    assert again == said  # a look changes nothing


def test_show_has_the_text_and_no_colours_of_others(of_queue: Run, put: Any) -> None:
    put("one.1")
    shown = of_queue("show", "one.1").output
    assert "Subject: hello" in shown
    assert "\x1b" not in shown
    assert json.loads(of_queue("show", "one.1", "--json").output)["message"].startswith("Subject: hello")


def test_retry_puts_a_message_into_the_first_queue(
    of_queue: Run, put: Any, broker: Broker, queue: str
) -> None:
    put("one.1")
    put("two.1")
    put("dead.1", dead_queue(queue).name, **{"smtp-dead": "x"})
    done = of_queue("retry", "two.1", "dead.1")
    assert (done.exit_code, sorted(done.output.splitlines())) == (
        0,
        ["dead.1: to be delivered now", "two.1: to be delivered now"],
    )
    taken = broker.take_all(queue)
    assert {properties.message_id for properties, _ in taken} == {"two.1", "dead.1"}
    assert all("smtp-dead" not in properties.headers for properties, _ in taken)
    assert [mail_of(*each).tries for each in taken] == [3, 3]
    assert broker.count(retry_queue(queue, DELAY).name) == 1


def test_return_tells_the_sender(of_queue: Run, put: Any, broker: Broker, queue: str) -> None:
    put("one.1")
    put("report.1", sender="")
    assert of_queue("return", "--all", "--reason", "We moved", "--hostname", "mx.test").exit_code == 0
    ((properties, body),) = broker.take_all(queue)
    report = mail_of(properties, body)
    assert (report.sender, report.recipients[0].address) == ("", "a@example.org")
    assert b"mx.test" in body
    assert broker.count(retry_queue(queue, DELAY).name) == 0


def test_delete_takes_messages_away(of_queue: Run, put: Any, broker: Broker, queue: str) -> None:
    put("one.1")
    put("two.1")
    assert of_queue("delete", "one.1").output == "one.1: deleted\n"
    ((properties, _),) = broker.take_all(retry_queue(queue, DELAY).name)
    assert properties.message_id == "two.1"


def test_more_messages_are_seen_than_a_consumer_may_hold(of_queue: Run, broker: Broker, queue: str) -> None:
    """R8: a quorum queue hands a consumer no more than 2,000 messages that it has not acknowledged."""
    publisher = Publisher(broker.url, queues=all_queues(queue, (DELAY,)), max_messages=3000)
    place = dead_queue(queue).name
    pending = [publisher.submit(place, b"x", message_id=f"{number}") for number in range(2100)]
    for each in pending:
        publisher.wait(each, 60)
    publisher.close()
    assert of_queue("delete", "2099").output == "2099: deleted\n"


@pytest.mark.parametrize("command", ["show", "retry", "return", "delete"])
def test_a_message_that_is_not_there_is_1(of_queue: Run, put: Any, command: str) -> None:
    put("one.1")
    done = of_queue(command, "other.1")
    assert done.exit_code == 1
    assert "there is no message other.1" in done.output


def test_a_broker_that_is_not_there_is_3() -> None:
    (port,) = free_ports(1)
    done = run("queue", "list", "--url", f"amqp://user:secret@127.0.0.1:{port}/")
    assert done.exit_code == 3
    assert "no connection to the broker" in done.output
    assert "secret" not in done.output


DELIVER = ("deliver", "--url", "amqp://127.0.0.1/", "--via")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("queue", "list"), "--url, or GEN_SMTP_AMQP_URL"),
        (("queue", "list", "--url", "http://secret@x"), "--url, or GEN_SMTP_AMQP_URL"),
        (("queue", "list", "--url", "amqp://x", "--queue", "amq.x"), "--queue"),
        (("queue", "list", "--url", "amqp://x", "--delays", "1m,soon"), "--delays: 'soon'"),
        (("queue", "retry", "--url", "amqp://x"), "name messages by their ids, or say --all"),
        ((*DELIVER, "somewhere"), "--via: 'somewhere' is no place"),
        ((*DELIVER, "lmtp:host"), "--via"),
        ((*DELIVER, "smarthost:host:x"), "--via"),
        ((*DELIVER, "mx", "--expire", "0"), "--expire: '0'"),
        ((*DELIVER, "mx", "--late", "d"), "--late: 'd'"),
        ((*DELIVER, "mx", "--client-option", "tls"), "--client-option: 'tls' is not KEY=VALUE"),
        ((*DELIVER, "mx", "--client-option", "tsl=always"), "--client-option tsl"),
        ((*DELIVER, "mx", "--log-level", "loud"), "--log-level"),
        ((*DELIVER, "mx", "--concurrency", "2001"), "--concurrency"),
    ],
)
def test_a_wrong_flag_is_2_and_named(arguments: tuple[str, ...], named: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert named in done.output
    assert "secret" not in done.output
