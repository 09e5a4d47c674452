"""A clock that is set while the server runs: nobody is cut for it, and nobody is spared."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from gen_smtp import events
from gen_smtp.gen_smtp_server_session import info
from tests.faults.dialogues import STATES, callbacks
from tests.faults.recovery import Mails, assert_recovered, deliver
from tests.gen_smtp.clock import exceeded, only
from tests.gen_smtp.live import PATIENCE, Queue, collected, serving

YEAR = 365 * 86400.0
JUMPS = [0.0, YEAR, -YEAR, 40 * YEAR, -1e9, 3600.0, -3600.0]
"""How far the clock is off, one after the other."""


@pytest.fixture
def _jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock of the day finds that it was set."""
    real, jumps = time.time, itertools.cycle(JUMPS)
    monkeypatch.setattr("time.time", lambda: real() + next(jumps))
    monkeypatch.setattr("time.time_ns", lambda: int((real() + next(jumps)) * 1e9))


@pytest.fixture
def struck() -> Generator[Queue]:
    with collected(events.DeadlineExceeded) as told:
        yield told


@pytest.mark.usefixtures("_jumping")
def test_sessions_in_every_state_go_on_when_the_clock_jumps(struck: Queue) -> None:
    mails = Mails()
    options = {"allow_insecure_auth": True}
    module = mails.behaviour(**callbacks())
    with serving(module, sessionoptions=options, serveroptions={"connections_per_minute": 1000}) as server:
        with ExitStack() as stack:
            states = [state for state in STATES.values() if "QUIT" not in state.left]
            for state in states:
                state.reach(stack.enter_context(server.client()))
            for _ in JUMPS:
                deliver(server.client())
            assert len(server.sessions) == len(states)
            assert all(0 <= info(session).idle < PATIENCE for session in server.sessions)
        assert_recovered(server)
    assert struck.empty()


@pytest.mark.usefixtures("_jumping")
def test_a_silent_client_is_cut_in_time_when_the_clock_jumps() -> None:
    with serving(Mails().behaviour(), sessionoptions=only(timeout=0.2)) as server:
        with server.greeted() as client:
            assert client.rest() == exceeded("timeout")
        assert_recovered(server)
