"""A session that ends is gone at once, with all it had: nothing is left to the garbage collector."""

from __future__ import annotations

import errno
import gc
import logging
import queue
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from actors.events import SessionClosed
from gen_smtp import gen_smtp_server
from gen_smtp.events import CallbackCrashed
from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.session.spool_file import SpoolFile
from tests.gen_smtp.live import (
    DATA,
    MESSAGE,
    PATIENCE,
    Client,
    Queue,
    behaviour,
    collected,
    ended,
    everything,
    serving,
    take,
)


@pytest.fixture
def _no_collector() -> Generator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _quits(client: Client) -> None:
    client.say(*DATA)
    client.send(MESSAGE)
    assert client.reply().startswith("250")
    assert client.say("QUIT") == "221 Bye"


def _hangs_up(client: Client) -> None:
    client.say(*DATA)
    client.close()


def _breaks(client: Client) -> None:
    client.say(*DATA)
    client.reset()


def _hangs_up_inside(client: Client) -> None:
    client.say(*DATA)
    client.send("half a message")
    client.close()


def _is_refused(client: Client) -> None:
    client.say(*DATA)
    client.send("one\r\ntwo\nthree\r\n.\r\nQUIT\r\n")
    assert client.rest() == "550 Bare newline detected: LF without CR in line 2\r\n221 Bye\r\n"


def _read(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
    stream.read()
    return ok


MODULES = {
    "whole": behaviour(),
    "streamed": behaviour(handle_DATA_stream=_read),
    "streamed in a thread": behaviour(handle_DATA_stream=_read, blocking={"handle_DATA_stream"}),
}


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
@pytest.mark.parametrize("end", [_quits, _hangs_up, _breaks, _hangs_up_inside, _is_refused])
def test_an_ended_session_is_no_garbage(end: Callable[[Client], Any], module: Any) -> None:
    gone = threading.Event()
    with serving(module) as server:
        with server.greeted() as client:
            (session,) = server.sessions
            weakref.finalize(session.actor(), gone.set)
            end(client)
        ended(session)
        assert gone.wait(PATIENCE)  # what the hub, or a worker thread, was at when it ended is soon over


@pytest.fixture
def _no_log(caplog: pytest.LogCaptureFixture) -> None:
    """pytest keeps every record, with its traceback as it was."""
    caplog.set_level(logging.CRITICAL + 1, "gen_smtp")


class Kept:
    """Stands for what a callback has in its variables."""


def _raises(self: Any, *args: Any) -> Any:
    kept = Kept()
    KEPT.put(weakref.ref(kept))
    try:
        raise LookupError("the first")
    except LookupError as error:
        raise ValueError("the second") from error


def _reads_and_raises(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
    data = stream.read()
    return _raises(self, data)


def _raises_in_the_middle(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
    return _raises(self, stream.readline())


def _raises_many(self: Any, *args: Any) -> Any:
    try:
        _raises(self)
    except ValueError as error:
        raise ExceptionGroup("several", [error]) from None


KEPT: Queue = queue.SimpleQueue()

RAISING = {
    "handle_DATA": {"handle_DATA": _raises},
    "handle_DATA with a group": {"handle_DATA": _raises_many},
    "handle_DATA in a thread": {"handle_DATA": _raises, "blocking": {"handle_DATA"}},
    "handle_DATA_stream": {"handle_DATA_stream": _reads_and_raises},
    "handle_DATA_stream in a thread": {
        "handle_DATA_stream": _reads_and_raises,
        "blocking": {"handle_DATA_stream"},
    },
    "handle_DATA_stream in the middle": {"handle_DATA_stream": _raises_in_the_middle},
    "handle_DATA_stream in the middle, in a thread": {
        "handle_DATA_stream": _raises_in_the_middle,
        "blocking": {"handle_DATA_stream"},
    },
    "init": {"init": _raises},
    "init in a thread": {"init": _raises, "blocking": {"init"}},
    "handle_RCPT": {"handle_RCPT": _raises},
    "handle_RSET": {"handle_RSET": _raises},
    "handle_error": {"handle_error": _raises},
    "terminate": {"terminate": _raises},
    "terminate in a thread": {"terminate": _raises, "blocking": {"terminate"}},
}


@pytest.mark.usefixtures("_no_collector", "_no_log")
@pytest.mark.parametrize("callbacks", RAISING.values(), ids=RAISING)
def test_what_a_callback_raises_keeps_neither_session_nor_message(callbacks: dict[str, Any]) -> None:
    gone = threading.Event()

    class Watched(behaviour(**callbacks)):  # type: ignore[misc]
        def __init__(self) -> None:
            weakref.finalize(self, gone.set)

    reasons: list[Any] = []  # who keeps the reason of an end keeps nothing else
    with (
        collected(SessionClosed) as closed,
        collected(CallbackCrashed) as crashed,
        serving(Watched) as server,
        server.client() as client,
    ):
        said = ("EHLO c", "RSET", "RCPT TO:<early@y.test>", *DATA)
        client.send("".join(f"{line}\r\n" for line in said) + MESSAGE + "QUIT\r\n")
        client.rest()
        reasons.append(take(crashed).error)
        gen_smtp_server.stop(server.ref)
        reasons += [event.reason for event in everything(closed)]
    assert gone.wait(PATIENCE)
    assert_gone(take(KEPT))
    assert {type(each) for each in reasons} <= {str, ValueError, ExceptionGroup}


@pytest.mark.usefixtures("_no_collector", "_no_log")
@pytest.mark.parametrize("blocking", [set(), {"handle_DATA"}], ids=["on the hub", "in a thread"])
def test_messages_whose_callback_raises_take_no_more_memory_than_the_others(blocking: set[str]) -> None:
    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        copy = data[1:]
        raise ValueError(len(copy))

    message = (b"x" * 98 + b"\r\n") * 10_000
    with serving(behaviour(handle_DATA=handle_DATA, blocking=blocking)) as server:
        tracemalloc.start()
        try:
            for _ in range(12):
                with server.greeted(*DATA) as client:
                    client.send(message + b".\r\n")
                    assert client.rest().startswith("451")
            gen_smtp_server.stop(server.ref)
            assert tracemalloc.get_traced_memory()[0] < 3 * len(message)
        finally:
            tracemalloc.stop()


@pytest.mark.usefixtures("_no_collector", "_no_log")
@pytest.mark.parametrize("blocking", [set(), {"handle_DATA_stream"}], ids=["on the hub", "in a thread"])
def test_a_killed_session_leaves_nothing_of_the_callback_that_it_was_in(blocking: set[str]) -> None:
    reading = threading.Event()

    def handle_DATA_stream(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
        kept = Kept()
        KEPT.put(weakref.ref(kept))
        reading.set()
        try:
            stream.read()
        except BaseException as error:
            raise ValueError("the second") from error

    module = behaviour(handle_DATA_stream=handle_DATA_stream, blocking=blocking)
    with serving(module) as server, server.greeted(*DATA) as client:
        client.send("half")
        assert reading.wait(PATIENCE)
        (session,) = server.sessions
        gone = threading.Event()
        weakref.finalize(session.actor(), gone.set)
        session.kill()
        assert ended(session) == "killed"
        assert gone.wait(PATIENCE)
    assert_gone(take(KEPT))


@pytest.mark.usefixtures("_no_collector", "_no_log")
def test_a_message_that_the_disk_has_failed_is_gone_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: SpoolFile, data: bytes) -> None:
        kept = Kept()
        KEPT.put(weakref.ref(kept))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpoolFile, "append", append)
    options = {"spool_threshold": 1000, "spool_directory": str(tmp_path)}
    with serving(sessionoptions=options) as server, server.greeted(*DATA) as client:
        client.send("x" * 5000 + "\r\n.\r\n")
        assert client.reply() == "452 Insufficient system storage"
        assert_gone(take(KEPT))


def assert_gone(kept: Any) -> None:
    """What a weak reference refers to is gone, or will be when a thread is done with it."""
    deadline = time.monotonic() + PATIENCE
    while kept() is not None:
        assert time.monotonic() < deadline
