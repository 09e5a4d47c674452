"""Handing mail on to hosts that behave in all sorts of ways."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gen_smtp.example.relay import OutgoingMail, RelayFailure, relay

SECONDS = 10.0
RECIPIENT = "x@[127.0.0.1]"
MAIL = OutgoingMail("a@b.example", [RECIPIENT], b"Subject: x\r\n\r\nHello\r\n")

TAKES_ALL: dict[str, str | None] = {
    "": "220 ready",
    "EHLO": "250-there\r\n250 SIZE",
    "HELO": "250 there",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
    "HANGUP": None,
}


class Script:
    """A host that answers by a script: a reply for each verb, "" for the banner; None closes."""

    def __init__(self, replies: dict[str, str | None]) -> None:
        self.replies = {**TAKES_ALL, **replies}
        self.heard: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        connection.settimeout(SECONDS)
        with (
            connection,
            connection.makefile("rwb", buffering=0) as file,
            contextlib.suppress(ConnectionError),
        ):
            in_message = False
            verb = ""
            while (reply := self.replies[verb]) is not None:
                file.write(f"{reply}\r\n".encode())
                in_message = reply.startswith("354")
                verb = self._next_verb(file, in_message)

    def _next_verb(self, file: Any, in_message: bool) -> str:
        """The next command's verb, "." at the end of a message; that of a client which hangs up is HANGUP."""
        for line in file:
            self.heard.append(line.decode().removesuffix("\r\n"))
            if not in_message or line == b".\r\n":
                return self.heard[-1].split(" ")[0].upper()
        return "HANGUP"

    def close(self) -> None:
        self.thread.join(SECONDS)
        self.socket.close()


@contextmanager
def host(**replies: str | None) -> Iterator[Script]:
    """A host with some replies of its own; `banner` and `end` are those before and after all commands."""
    names = {"banner": "", "end": "."}
    script = Script({names.get(verb, verb): reply for verb, reply in replies.items()})
    try:
        yield script
    finally:
        script.close()


def failures(script: Script, mail: OutgoingMail = MAIL) -> dict[str, RelayFailure]:
    return relay(mail, hostname="mx.example", port=script.port, timeout=SECONDS)


def test_host_is_greeted_with_the_servers_name() -> None:
    with host() as script:
        assert failures(script) == {}
    assert script.heard[0] == "ehlo mx.example"
    assert script.heard[-1] == "quit"


def test_host_without_ehlo_is_served_too() -> None:
    with host(EHLO="500 what?") as script:
        assert failures(script) == {}
    assert "helo mx.example" in script.heard
    assert "mail FROM:<a@b.example>" in script.heard


@pytest.mark.parametrize("reply", ["500 no", "421 no", None])
def test_message_is_handed_on_however_the_host_says_good_bye(reply: str | None) -> None:
    with host(QUIT=reply) as script:
        assert failures(script) == {}


@pytest.mark.parametrize(
    ("verb", "reply", "permanent"),
    [
        ("banner", "421 busy", False),
        ("banner", "554 no mail here", True),
        ("MAIL", "451 later", False),
        ("MAIL", "550 not you", True),
        ("RCPT", "450 later", False),
        ("RCPT", "550 nobody", True),
        ("DATA", "451 later", False),
        ("DATA", "554 no", True),
        ("end", "452 full", False),
        ("end", "550 no viruses", True),
    ],
)
def test_refusal_is_as_permanent_as_its_code_says(verb: str, reply: str, permanent: bool) -> None:
    with host(**{verb: reply}) as script:
        assert failures(script) == {RECIPIENT: RelayFailure(permanent, reply)}


@pytest.mark.parametrize("verb", ["banner", "EHLO", "MAIL", "RCPT", "DATA", "end"])
def test_host_that_hangs_up_may_take_it_later(verb: str) -> None:
    with host(**{verb: None}) as script:
        (failure,) = failures(script).values()
    assert not failure.permanent


def test_host_without_smtputf8_never_takes_internationalised_mail() -> None:
    with host() as script:
        mail = OutgoingMail("ä@b.example", [RECIPIENT], MAIL.data, smtputf8=True)
        assert failures(script, mail) == {RECIPIENT: RelayFailure(True, "SMTPUTF8 not supported by server")}
    assert not any(line.startswith("mail") for line in script.heard)


def test_declared_smtputf8_is_not_asked_of_the_host_when_nothing_needs_it() -> None:
    with host() as script:
        assert failures(script, OutgoingMail(MAIL.sender, MAIL.recipients, MAIL.data, smtputf8=True)) == {}


def test_silent_host_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (failure,) = relay(MAIL, hostname="mx.example", port=silent.getsockname()[1], timeout=0.05).values()
    assert not failure.permanent
    assert "timed out" in failure.reason


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"a\r.\rb\r\n", "a|..|b"),
        (b"a\r.\r\nMAIL FROM:<x@y>\r\n", "a|..|MAIL FROM:<x@y>"),
        (b"a\n.\nb\r\n", "a|..|b"),
        (b"a\r\n.\r\nb\r\n", "a|..|b"),
        (b"a\r\r\nb", "a||b"),
        (b" a\r\n.b\r\n", "| a|..b"),
        (b"\ta\r\n", "|\ta"),
    ],
)
def test_no_part_of_a_message_ends_it_or_goes_on_with_the_header(data: bytes, sent: str) -> None:
    with host() as script:
        assert failures(script, OutgoingMail(MAIL.sender, [RECIPIENT], data)) == {}
    start = script.heard.index("data") + 1
    assert "|".join(script.heard[start : script.heard.index(".", start)]) == sent
    assert script.heard[script.heard.index(".", start) + 1] == "quit"


class Dripping:
    """A host that sends a piece again and again, for as long as somebody is there."""

    def __init__(self, piece: bytes, pause: float) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.sent = 0
        self._piece, self._pause = piece, pause
        self._over = threading.Event()
        self.thread = threading.Thread(target=self._drip)
        self.thread.start()

    def _drip(self) -> None:
        connection, _ = self.socket.accept()
        connection.settimeout(SECONDS)
        with connection, contextlib.suppress(OSError):
            while not self._over.wait(self._pause):
                self.sent += connection.send(self._piece)

    def __enter__(self) -> Dripping:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.thread.join(SECONDS)
        self.socket.close()


def test_a_host_that_drips_its_reply_has_no_more_time_than_all() -> None:
    with Dripping(b"2", 0.01) as dripping:
        began = time.monotonic()
        (failure,) = relay(
            MAIL, hostname="mx.example", port=dripping.port, timeout=SECONDS, seconds=0.3
        ).values()
    assert time.monotonic() - began < SECONDS / 2
    assert not failure.permanent
    assert "took too long" in failure.reason


@pytest.mark.parametrize("piece", [b"x" * 4096, b"220-" + b"x" * 1000 + b"\r\n"], ids=["a line", "lines"])
def test_a_reply_without_end_is_not_read_to_its_end(piece: bytes) -> None:
    with Dripping(piece, 0) as dripping:
        (failure,) = relay(MAIL, hostname="mx.example", port=dripping.port, timeout=SECONDS).values()
    assert not failure.permanent
    assert "too long" in failure.reason


def test_the_time_is_for_all_hosts_together() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        recipients = [f"x@[127.0.0.{number}]" for number in range(1, 5)]
        mail = OutgoingMail("a@b.example", recipients, MAIL.data)
        began = time.monotonic()
        found = relay(mail, hostname="mx.example", port=silent.getsockname()[1], timeout=SECONDS, seconds=0.2)
    assert time.monotonic() - began < SECONDS / 2
    assert {failure.permanent for failure in found.values()} == {False}


def test_reply_of_several_lines_becomes_one() -> None:
    with host(RCPT="550-nobody\r\n550 here") as script:
        assert failures(script) == {RECIPIENT: RelayFailure(True, "550 nobody here")}


@pytest.mark.parametrize("recipient", ["postmaster", "x@" + "a" * 70 + ".example"])
def test_address_that_no_host_can_have_is_refused_for_ever(recipient: str) -> None:
    (failure,) = relay(
        OutgoingMail("", [recipient], MAIL.data), hostname="mx.example", timeout=SECONDS
    ).values()
    assert failure.permanent
