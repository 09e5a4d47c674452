"""Delivery out of the queue: what becomes of each recipient, and that nothing is lost on the way."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pika
import pytest

from benchmarks.queue.broker import Broker, free_ports, wait_until
from gen_smtp.queue import queue_events
from gen_smtp.queue.delivery.deliverer import MOST_RETURNS, Deliverer, DeliverySettings
from gen_smtp.queue.delivery.returned import Fate, report_on, status_in
from gen_smtp.queue.envelope import QueuedMail, QueuedRecipient, mail_of
from gen_smtp.queue.queues import dead_queue, retry_queue
from gen_smtp.testing import SmtpCatcher
from tests.gen_smtp.live import collected
from tests.gen_smtp.queue.lines import DATA, DELAY, Line, mail_to

pytestmark = pytest.mark.timeout(180)


def smarthost(catcher: SmtpCatcher) -> str:
    """The catcher as a next hop by SMTP."""
    return f"smarthost:127.0.0.1:{catcher.port}"


def test_mail_goes_on_with_its_envelope(line: Line) -> None:
    catcher = line.catcher()
    mail = mail_to("b@example.com", "c@example.com", parameters={"SIZE": "9", "RET": "HDRS"})
    line.put(mail)
    with collected(queue_events.MessageDelivered) as delivered:
        line.deliver(smarthost(catcher))
        (caught,) = catcher.wait_for(count=1, timeout=20)
        assert delivered.get(timeout=10).recipients == ("b@example.com", "c@example.com")
    assert (caught.sender, caught.recipients, caught.data) == (
        "a@example.org",
        ("b@example.com", "c@example.com"),
        DATA,
    )
    wait_until(line.is_empty)


def test_those_who_were_refused_for_now_are_tried_again_and_no_others(line: Line) -> None:
    catcher = line.catcher()
    catcher.fail("RCPT", recipient="late@example.com", reply="450 4.2.0 Later", times=2)
    catcher.fail("RCPT", recipient="gone@example.com", reply="550 5.1.1 Gone")
    line.put(mail_to("good@example.com", "late@example.com", "gone@example.com"))
    with collected(queue_events.MessageDeferred) as deferred:
        line.deliver(smarthost(catcher))
        first, report, second = sorted(
            catcher.wait_for(count=3, timeout=20),
            key=lambda each: (each.recipients[0] != "good@example.com", each.sender),
        )
        assert [deferred.get(timeout=10).reason for _ in range(2)] == ["450 4.2.0 Later"] * 2
    assert first.recipients == ("good@example.com",)
    assert second.recipients == ("late@example.com",)
    assert (report.sender, report.recipients) == ("", ("a@example.org",))
    assert "gone@example.com" in report.data.decode()
    assert "550 5.1.1 Gone" in report.data.decode()
    assert "late@example.com" not in report.data.decode()
    wait_until(line.is_empty)


def test_lmtp_has_an_outcome_for_each_recipient(line: Line) -> None:
    catcher = line.catcher(protocol="lmtp")
    catcher.fail(".", recipient="full@example.com", reply="452 4.2.2 Full", times=1)
    line.put(mail_to("good@example.com", "full@example.com"))
    line.deliver(f"lmtp:127.0.0.1:{catcher.port}")
    caught = catcher.wait_for(count=2, timeout=20)
    wait_until(line.is_empty)
    assert sorted(each for message in caught for each in message.recipients).count("full@example.com") >= 1


def test_after_its_time_the_mail_goes_back(line: Line) -> None:
    catcher = line.catcher()
    catcher.fail("RCPT", recipient="b@example.com", reply="450 4.2.0 Later")
    line.put(mail_to("b@example.com", arrival=int(time.time()) - 100))
    line.deliver(smarthost(catcher), expires=100.0)
    (report,) = catcher.wait_for(count=1, timeout=20)
    assert (report.sender, report.recipients) == ("", ("a@example.org",))
    assert b"Status: 4.4.7" in report.data
    assert b"Action: failed" in report.data
    wait_until(line.is_empty)


@pytest.mark.parametrize(
    ("sender", "notify"), [("", None), ("a@example.org", "NEVER"), ("a@example.org", "SUCCESS")]
)
def test_nobody_is_told_who_does_not_want_it(line: Line, sender: str, notify: str | None) -> None:
    """Never to the null reverse-path: two servers would send reports to each other for ever."""
    catcher = line.catcher()
    catcher.fail("RCPT", recipient="gone@example.com")
    mail = mail_to("gone@example.com", sender=sender)
    if notify is not None:
        mail = replace(mail, recipients=(QueuedRecipient("gone@example.com", {"NOTIFY": notify}),))
    line.put(mail)
    with collected(queue_events.MessageBounced) as bounced:
        line.deliver(smarthost(catcher))
        assert bounced.get(timeout=10).reported is False
    wait_until(line.is_empty)
    assert not catcher.messages


def test_a_sender_that_wants_to_know_hears_of_a_delay_once(line: Line) -> None:
    catcher = line.catcher()
    catcher.fail("RCPT", recipient="b@example.com", reply="450 4.2.0 Later", times=2)
    mail = mail_to("b@example.com", arrival=int(time.time()) - 100)
    line.put(replace(mail, recipients=(QueuedRecipient("b@example.com", {"NOTIFY": "DELAY"}),)))
    line.deliver(smarthost(catcher), late=50.0)
    report, rest = sorted(catcher.wait_for(count=2, timeout=20), key=lambda each: each.sender)
    wait_until(line.is_empty)
    assert b"Action: delayed" in report.data
    assert b"Will-Retry-Until: " in report.data
    assert rest.recipients == ("b@example.com",)


def test_reports_may_go_to_another_queue(line: Line) -> None:
    catcher = line.catcher()
    catcher.fail("RCPT", recipient="gone@example.com")
    line.put(mail_to("gone@example.com"))
    line.deliver(smarthost(catcher), reports_to=f"{line.queue}.reports")
    ((properties, body),) = wait_until(lambda: _taken(line.broker, f"{line.queue}.reports"))
    report = mail_of(properties, body)
    assert (report.sender, report.recipients[0].address) == ("", "a@example.org")
    assert report.message_id == "id.1.failed1"


def _taken(broker: Broker, queue: str) -> list[Any]:
    return broker.take_all(queue) if broker.count(queue) else []


def test_what_is_no_mail_ends_in_the_queue_of_the_dead(line: Line) -> None:
    line.publisher.publish(line.queue, b"no mail", message_id="odd", headers={"x-mine": 1})
    line.publisher.publish(line.queue, b"no mail", headers={"smtp-sender": "a\nb", "smtp-recipients": []})
    with collected(queue_events.MessageBuried) as buried:
        line.deliver(f"smarthost:127.0.0.1:{free_ports(1)[0]}")
        assert "smtp-sender is missing" in buried.get(timeout=10).reason
        buried.get(timeout=10)
    taken = line.broker.take_all(dead_queue(line.queue).name)
    assert [body for _, body in taken] == [b"no mail"] * 2
    assert "smtp-dead" in taken[0][0].headers


def test_headers_of_others_do_not_keep_a_message_from_the_queue_of_the_dead(line: Line) -> None:
    """They may be orders to the broker, too large with the reason, or of a kind that pika can't write."""
    large = {"list": ["x" * 995] * 129}
    with line.broker.channel() as channel:
        for headers in (
            {"CC": []},
            large,
            {"smtp-sender": "", "smtp-recipients": ["b"], "smtp-parameters": {"x" * 255: "y"}},
        ):
            channel.queue_declare(line.queue, durable=True, arguments={"x-queue-type": "quorum"})
            channel.basic_publish(
                "", line.queue, b"odd", pika.BasicProperties(headers=headers, message_id="i" * 255)
            )
    with collected(queue_events.MessageBuried) as buried:
        line.deliver(f"smarthost:127.0.0.1:{free_ports(1)[0]}")
        reasons = [buried.get(timeout=20).reason for _ in range(2)]
    assert all("smtp-sender" in each for each in reasons)
    assert len(line.broker.take_all(dead_queue(line.queue).name)) == 2


def test_very_many_recipients_that_are_refused_for_now_are_tried_again_in_parts(line: Line) -> None:
    names = [f"{number}@example.com" for number in range(800)]
    catcher = line.catcher()
    catcher.fail("MAIL", "451 4.3.0 " + "Later " * 60, times=1)
    line.publisher.publish(
        line.queue, DATA, message_id="many", headers={"smtp-sender": "", "smtp-recipients": names}
    )
    line.deliver(smarthost(catcher))
    caught = catcher.wait_for(match=lambda each: names[-1] in each.recipients, timeout=30)
    assert caught
    wait_until(lambda: sorted(each for mail in catcher.messages for each in mail.recipients) == sorted(names))


def test_what_comes_back_too_often_ends_in_the_queue_of_the_dead(line: Line) -> None:
    """As a message does that has its process killed each time."""
    line.put(mail_to("b@example.com"))
    for _ in range(MOST_RETURNS):
        with line.broker.channel() as channel:
            wait_until(lambda channel=channel: channel.basic_get(line.queue)[0])  # type: ignore[misc]
    with collected(queue_events.MessageBuried) as buried:
        line.deliver(f"smarthost:127.0.0.1:{free_ports(1)[0]}")
        assert f"came back {MOST_RETURNS} times" in buried.get(timeout=20).reason


def test_a_fault_in_delivering_is_a_reason_to_try_again(line: Line) -> None:
    class Broken:
        is_final = False
        is_by_domain = False

        def deliver(self, mail: QueuedMail) -> Any:
            raise RuntimeError("a fault")

    line.put(mail_to("b@example.com"))
    settings = DeliverySettings(url=line.broker.url, queue=line.queue, hostname="mx.test", delays=(DELAY,))
    deliverer = Deliverer(settings, Broken())
    with collected(queue_events.MessageDeferred) as deferred:
        deliverer.start()
        first, second = deferred.get(timeout=10), deferred.get(timeout=10)
    deliverer.drain(5.0)
    assert first.recipients == second.recipients == ("b@example.com",)


def test_by_mx_each_domain_has_a_message_of_its_own(line: Line) -> None:
    seen: list[QueuedMail] = []

    class Split:
        is_final = False
        is_by_domain = True

        def deliver(self, mail: QueuedMail) -> Any:
            seen.append(mail)
            raise RuntimeError("not today")

    line.put(mail_to("b@one.test", "c@two.test", "d@ONE.test"))
    settings = DeliverySettings(url=line.broker.url, queue=line.queue, hostname="mx.test", delays=(60.0,))
    deliverer = Deliverer(settings, Split())
    with collected(queue_events.MessageDeferred) as deferred:
        deliverer.start()
        for _ in range(2):
            deferred.get(timeout=10)
    deliverer.drain(5.0)
    split = {mail.message_id: [each.address for each in mail.recipients] for mail in seen}
    assert split == {"id.1.d1": ["b@one.test", "d@ONE.test"], "id.1.d2": ["c@two.test"]}


def test_a_queue_that_is_deleted_is_made_again_and_taken_from(line: Line) -> None:
    catcher = line.catcher()
    line.put(mail_to("b@example.com"))
    line.deliver(smarthost(catcher))
    catcher.wait_for(count=1, timeout=20)
    with line.broker.channel() as channel:
        channel.queue_delete(line.queue)
    wait_until(lambda: line.broker.count(line.queue) is not None)
    line.put(mail_to("c@example.com"))
    assert {each.recipients[0] for each in catcher.wait_for(count=2, timeout=20)} == {
        "b@example.com",
        "c@example.com",
    }


def test_a_drain_ends_what_is_in_hand_and_takes_no_more(line: Line) -> None:
    catcher = line.catcher()
    catcher.fail("MAIL", delay=0.5, reply="451 4.3.0 Later", times=1)
    line.put(mail_to("b@example.com"))
    deliverer = line.deliver(smarthost(catcher), concurrency=1)
    wait_until(lambda: line.broker.count(line.queue) == 0)
    line.put(mail_to("c@example.com"))
    assert deliverer.drain(20.0)
    assert line.broker.count(line.queue) == 1 or line.broker.count(retry_queue(line.queue, DELAY).name) == 1


# -- next hops that misbehave -------------------------------------------------------------------------


class Hop:
    """A next hop that says what it is told, and no more.

    Args:
        lines: what it says at first, and after each line of the client's.
        drip: seconds between two octets of what it says.
    """

    def __init__(self, *lines: bytes, drip: float = 0.0) -> None:
        self._lines = lines
        self._drip = drip
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as file:
                try:
                    for line in self._lines:
                        self._say(client, line)
                        if not file.readline():
                            break
                except OSError:
                    pass

    def _say(self, client: socket.socket, line: bytes) -> None:
        if not self._drip:
            client.sendall(line)
            return
        for octet in line:
            client.sendall(bytes([octet]))
            time.sleep(self._drip)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)


EHLO = (b"220 hop\r\n", b"250 hop\r\n")
MISBEHAVIOUR: dict[str, tuple[tuple[bytes, ...], float]] = {
    "dead at once": ((), 0.0),
    "4yz at MAIL": ((*EHLO, b"451 4.3.0 No\r\n"), 0.0),
    "closes after MAIL": ((*EHLO, b"250 ok\r\n"), 0.0),
    "cuts in the middle of the message": ((*EHLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b""), 0.0),
    "421": ((b"421 4.3.2 No\r\n",), 0.0),
    "drips": ((b"220 " + b"x" * 400 + b"\r\n",), 0.05),
}


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_a_next_hop_that_misbehaves_has_the_mail_tried_again(line: Line, kind: str) -> None:
    lines, drip = MISBEHAVIOUR[kind]
    hop = Hop(*lines, drip=drip)
    line.put(mail_to("b@example.com"))
    timeouts = {"greeting": 1.0, "exchange": 1.0}
    try:
        with collected(queue_events.MessageDeferred) as deferred:
            line.deliver(f"smarthost:127.0.0.1:{hop.port}", {"timeouts": timeouts})
            assert deferred.get(timeout=20).recipients == ("b@example.com",)
    finally:
        hop.close()


def test_a_reply_too_much_does_not_answer_for_another_mail(line: Line) -> None:
    """The next mail on the same connection would take it for its own."""
    too_much = Hop(*EHLO, b"250 ok\r\n250 ok\r\n", b"550 5.1.1 No\r\n", b"354 go\r\n")
    line.put(mail_to("b@example.com"))
    try:
        with (
            collected(queue_events.MessageDelivered) as delivered,
            collected(queue_events.MessageDeferred) as deferred,
        ):
            line.deliver(f"smarthost:127.0.0.1:{too_much.port}", {"timeouts": {"exchange": 2.0}})
            assert deferred.get(timeout=20).recipients == ("b@example.com",)
            assert delivered.empty()
    finally:
        too_much.close()


def test_a_dead_next_hop_has_the_mail_tried_again(line: Line) -> None:
    (port,) = free_ports(1)
    line.put(mail_to("b@example.com"))
    with collected(queue_events.MessageDeferred) as deferred:
        line.deliver(f"smarthost:127.0.0.1:{port}")
        assert "refused" in deferred.get(timeout=20).reason


# -- reports ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "action", "status"),
    [
        ("550 5.1.1 No such user", "failed", "5.1.1"),
        ("550 No such user", "failed", "5.0.0"),
        ("connection refused", "delayed", "4.0.0"),
        ("250 ok", "relayed", "2.0.0"),
    ],
)
def test_the_status_is_the_replys_own_if_it_has_one(text: str, action: Any, status: str) -> None:
    assert status_in(text, action) == status


def test_a_large_message_comes_back_as_its_header_alone() -> None:
    mail = replace(mail_to("b@example.com"), data=DATA + b"secret\r\n" * 100_000)
    report = report_on(mail, [Fate(mail.recipients[0], "failed", "550 5.1.1 No")], "mx.test")
    assert report is not None
    assert b"Subject: hello" in report.data
    assert b"secret" not in report.data


def test_a_sender_beyond_ascii_is_told_in_utf8() -> None:
    mail = mail_to("b@example.com", sender="jürgen@example.org", parameters={"SMTPUTF8": True})
    report = report_on(mail, [Fate(mail.recipients[0], "failed", "550 5.1.1 No")], "mx.test")
    assert report is not None
    assert report.parameters == {"SMTPUTF8": True}
    assert report.recipients[0].address == "jürgen@example.org"


def test_who_wants_success_is_told_where_the_next_hop_sends_no_reports(line: Line) -> None:
    catcher = line.catcher()
    mail = mail_to("b@example.com")
    line.put(replace(mail, recipients=(QueuedRecipient("b@example.com", {"NOTIFY": "SUCCESS"}),)))
    line.deliver(smarthost(catcher))
    report, _ = sorted(catcher.wait_for(count=2, timeout=20), key=lambda each: each.sender)
    assert b"Action: relayed" in report.data
