"""The fast path of `hear` comes to the same as its general form; `respond` knows whether anything is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import CLOSED, NEED_DATA, PAUSED, SEND, Mail, Step
from gen_smtp.protocol.verdicts import Accept
from tests.gen_smtp.protocol.client import EHLO, MAIL, RCPT, accept_all

CONFIG = ProtocolConfig("mx.example", max_errors=3)
SAID = st.sampled_from(
    [
        EHLO,
        MAIL,
        RCPT,
        b"DATA\r\n",
        b"one\r\n.\r\n",
        b".\r\n",
        b"bare\nnewline\r\n.\r\n",
        b"NOOP\r\n",
        b"RSET\r\n",
        b"VRFY a@b\r\n",
        b"NONSENSE\r\n",
        b"MAIL FROM:<a@b> SIZE=10\r\n",
        b"MAIL FROM:<a@b",
        b">\r\n",
        b"x" * 3000,
        b"\r\n",
        b"QUIT\r\n",
    ]
)
SEGMENTS = st.lists(st.lists(SAID, min_size=1, max_size=4).map(b"".join), min_size=1, max_size=12)

Take = Callable[[Protocol, bytes], Step]


def by_two(protocol: Protocol, data: bytes) -> Step:
    protocol.feed(data)
    return protocol.next_step()


def conversation(segments: list[bytes], take: Take) -> tuple[list[Step], bytes]:
    """All steps and all replies; each question is answered at once."""
    protocol = Protocol(CONFIG)
    protocol.greet("ready")
    seen: list[Step] = []
    heard = protocol.data_to_send()
    for segment in segments:
        step = take(protocol, segment)
        while step not in (NEED_DATA, PAUSED, CLOSED):
            if step is not SEND:
                seen.append(step)
            if protocol.pending is step:
                is_done = protocol.respond(accept_all(step))
                assert is_done is _has_nothing_left(protocol)
            heard += protocol.data_to_send()
            step = protocol.next_step()
        heard += protocol.data_to_send()
    return seen, heard


def _has_nothing_left(protocol: Protocol) -> bool:
    """What `respond` says without asking for the next step, which would take it."""
    return not (protocol.received or protocol.queued) and protocol.halted is None


@settings(max_examples=300, deadline=None)
@given(SEGMENTS)
def test_both_come_to_the_same(segments: list[bytes]) -> None:
    assert conversation(segments, Protocol.hear) == conversation(segments, by_two)


@pytest.mark.parametrize(
    ("behind", "expected"),
    [(b"", True), (b"RCPT", False), (b"NOOP\r\n", False), (b"QUIT\r\n", False)],
)
def test_respond_says_whether_all_is_dealt_with(behind: bytes, expected: bool) -> None:
    protocol = Protocol(CONFIG)
    protocol.greet("ready")
    question: Any = protocol.hear(EHLO)
    assert protocol.respond(accept_all(question)) is True
    question = protocol.hear(MAIL + behind)
    assert protocol.respond(accept_all(question)) is expected
    assert not expected or protocol.next_step() is NEED_DATA


def test_a_client_that_has_hung_up_leaves_its_end_to_be_told() -> None:
    protocol = Protocol(CONFIG)
    protocol.greet("ready")
    question: Any = protocol.hear(EHLO)
    protocol.receive_eof()
    assert protocol.respond(accept_all(question))  # nothing that it sent waits


def test_a_plain_command_that_ends_an_overlong_line_is_not_run() -> None:
    protocol = Protocol(CONFIG)
    protocol.greet("ready")
    protocol.respond(accept_all(protocol.hear(EHLO)))
    protocol.data_to_send()
    assert protocol.hear(b"x" * 3000) is NEED_DATA
    protocol.hear(MAIL)
    assert protocol.data_to_send() == b"500 Error: line too long\r\n"
    assert protocol.hear(MAIL) == Mail("a@b")


def test_a_plain_command_in_an_exchange_of_auth_is_a_response() -> None:
    protocol = Protocol(ProtocolConfig("mx.example", allow_insecure_auth=True))
    protocol.greet("ready")
    question: Any = protocol.hear(EHLO)
    protocol.respond(Accept(extensions=[*question.extensions, ("AUTH", "LOGIN")]))
    assert protocol.hear(b"AUTH LOGIN\r\n") is NEED_DATA
    protocol.data_to_send()
    assert not isinstance(protocol.hear(MAIL), Mail)
    assert protocol.data_to_send()[:3] == b"501"
