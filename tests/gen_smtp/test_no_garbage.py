"""A session that ends is gone at once, with all it had: nothing is left to the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from typing import Any

import pytest

import actors
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


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("end", [_quits, _hangs_up, _breaks])
def test_an_ended_session_is_no_garbage(end: Callable[[Client], Any]) -> None:
    with serving(behaviour()) as server:
        with server.greeted() as client:
            (session,) = server.sessions
            end(client)
        ended(session)
        actors.spawn(int).get(timeout=PATIENCE)  # whatever the hub was at when it ended is over
        assert session.actor() is None
