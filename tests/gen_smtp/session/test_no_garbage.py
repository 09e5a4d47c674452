"""A session that ends is gone at once, with all it had: nothing is left to the garbage collector."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import ok
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, Client, behaviour, ended, serving


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
    assert client.rest() == "550 Bare newline detected\r\n221 Bye\r\n"


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
