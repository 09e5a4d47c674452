"""Postfix's load generator smtp-source: many sessions at once, in SMTP and LMTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real_clients.conftest import Serve, Served
from tests.real_clients.tools.collector import Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

Source = Callable[..., str]


@pytest.fixture
def smtp_source(run_client: Callable[..., str]) -> Source:
    """`smtp_source(served, *arguments)`: run it to its end, which it reaches when all messages are taken."""

    def run(target: Served, *arguments: str) -> str:
        if isinstance(target.address, str):
            server = f"unix:{target.address}"
        else:
            server = f"inet:[{target.host}]:{target.port}"
        envelope = ["-f", SENDER, "-t", RECIPIENT, "-M", "source.example"]
        return run_client("smtp-source", *envelope, *arguments, server)

    return run


def body_of(data: bytes) -> bytes:
    """A message without its header."""
    _, _, body = data.partition(b"\r\n\r\n")
    return body


@pytest.mark.parametrize("reuse", [(), ("-d",)])
def test_many_sessions_at_once(
    smtp_source: Source, serve: Serve, collector: Collector, reuse: tuple[str, ...]
) -> None:
    smtp_source(serve(), "-s", "50", "-m", "400", "-N", "-l", "2000", *reuse)
    mails = [collector.mail() for _ in range(400)]
    assert {mail.recipients[0] for mail in mails} == {f"{number}{RECIPIENT}" for number in range(1, 401)}
    assert len({body_of(mail.data) for mail in mails}) == 1
    assert body_of(mails[0].data).count(b"X") > 1900
    assert {mail.sender for mail in mails} == {SENDER}
    assert collector.mails.empty()


def test_large_messages_at_once(smtp_source: Source, serve: Serve, collector: Collector) -> None:
    size = 3_000_000
    smtp_source(serve(), "-s", "4", "-m", "8", "-d", "-l", str(size))
    bodies = [body_of(collector.mail().data) for _ in range(8)]
    assert len(set(bodies)) == 1
    assert size * 0.95 < bodies[0].count(b"X") <= size


def test_several_recipients(smtp_source: Source, serve: Serve, collector: Collector) -> None:
    smtp_source(serve(), "-r", "100")
    recipients = collector.mail().recipients
    assert len(set(recipients)) == len(recipients) == 100
    assert all(each.endswith(RECIPIENT) for each in recipients)


@pytest.mark.parametrize("name", ["attachments", "8-bit", "dots", "long lines", "5 MiB"])
def test_a_message_of_its_own(
    smtp_source: Source, serve: Serve, collector: Collector, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "message"
    file.write_bytes(MESSAGES[name].replace(b"\r\n", b"\n"))
    smtp_source(serve(), "-F", str(file), "-m", "2", "-d")
    # It puts an empty line of its own before the end of every message.
    assert collector.mail().data == collector.mail().data == MESSAGES[name] + b"\r\n"


def test_lmtp_answers_for_every_recipient(smtp_source: Source, serve: Serve, collector: Collector) -> None:
    served = serve({"protocol": "lmtp"})
    smtp_source(served, "-L", "-s", "10", "-m", "50", "-r", "3", "-d", "-N")
    mails = [collector.mail() for _ in range(50)]
    assert sum(len(mail.recipients) for mail in mails) == 150
    assert {mail.helo for mail in mails} == {"source.example"}


def test_lmtp_over_a_unix_socket(
    smtp_source: Source, serve: Serve, collector: Collector, short_path: Path
) -> None:
    served = serve({"protocol": "lmtp"}, family="unix", address=str(short_path / "lmtp"))
    smtp_source(served, "-L", "-s", "5", "-m", "20")
    assert {mail.peername for mail in (collector.mail() for _ in range(20))} == {None}


def test_over_ipv6(smtp_source: Source, serve: Serve, collector: Collector, ipv6_loopback: str) -> None:
    smtp_source(serve(family="inet6", address=ipv6_loopback), "-6", "-m", "3")
    assert {str(collector.mail().peername) for _ in range(3)} == {"::1"}
