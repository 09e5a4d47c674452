"""Wherever seconds are taken, what is none is a ValueError, and nothing has happened."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pykka
import pytest

import actors
from actors import sys
from actors.net.listener import Capacity
from actors.otp.messaging import invoke
from actors.runtime import watchdog
from actors.runtime.future import Signal
from actors.runtime.hub import Hub
from actors.seconds import FOREVER, delay_seconds, number_of_seconds, wait_seconds
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, info
from gen_smtp.process.poll import PollLoop
from gen_smtp.workers.roster import Roster, Workers
from tests.actors.helpers import SECONDS, Echo, Probe, address_of, connect, hear, on_hub, read_all, serving

Ref = actors.GeventRef[Any]
NO_SECONDS: tuple[Any, ...] = (math.nan, -math.nan, "5", b"5", [], True, Decimal(5), 5j, len)


def started_in(seconds: Any) -> Ref:
    probe = Probe()
    try:
        return actors.launch(probe, name="never", start_timeout=seconds)
    finally:
        assert actors.whereis("never") is None


class Slow(Probe):
    """Its class says how long a start may take."""


def start_slow(seconds: Any) -> Ref:
    Slow.start_timeout = seconds
    return Slow.start()


def future_with_hook() -> pykka.Future[Any]:
    return actors.GeventFuture[int]().map(str)


WAITS: dict[str, Callable[[Ref, Any], object]] = {
    "ask": lambda ref, seconds: ref.ask("?", timeout=seconds),
    "ask for a future": lambda ref, seconds: ref.ask("?", block=False, timeout=seconds),
    "stop": lambda ref, seconds: ref.stop(timeout=seconds),
    "stop for a future": lambda ref, seconds: ref.stop(block=False, timeout=seconds),
    "stop_all": lambda ref, seconds: pykka.ActorRegistry.stop_all(timeout=seconds),
    "call": lambda ref, seconds: actors.call(ref, "?", timeout=seconds),
    "invoke": lambda ref, seconds: invoke(ref, seconds, Probe.on_receive, "?"),
    "wait_down": lambda ref, seconds: actors.wait_down(ref, seconds),
    "future": lambda ref, seconds: actors.GeventFuture[None]().get(timeout=seconds),
    "future with a hook": lambda ref, seconds: future_with_hook().get(timeout=seconds),
    "proxy": lambda ref, seconds: ref.proxy().exit_reason.get(timeout=seconds),
    "signal": lambda ref, seconds: Signal().wait(seconds),
    "actor_stopped": lambda ref, seconds: ref.actor_stopped.wait(seconds),
    "launch": lambda ref, seconds: started_in(seconds),
    "start_timeout": lambda ref, seconds: start_slow(seconds),
    "sys.suspend": lambda ref, seconds: sys.suspend(ref, timeout=seconds),
    "sys.resume": lambda ref, seconds: sys.resume(ref, timeout=seconds),
    "sys.get_state": lambda ref, seconds: sys.get_state(ref, timeout=seconds),
    "sys.replace_state": lambda ref, seconds: sys.replace_state(ref, dict, timeout=seconds),
    "sys.change_code": lambda ref, seconds: sys.change_code(ref, Probe, timeout=seconds),
}
"""Where None waits for ever."""

DELAYS: dict[str, Callable[[Ref, Any], object]] = {
    "send_after": lambda ref, seconds: actors.send_after(seconds, ref, "later"),
    "start_timer": lambda ref, seconds: actors.start_timer(seconds, ref, "later"),
    "timers of the hub": lambda ref, seconds: on_hub(Hub.current().timers.call_later, seconds, print),
    "Shutdown": lambda ref, seconds: actors.Shutdown(seconds),
    "StopTimes, drain": lambda ref, seconds: actors.StopTimes(drain=seconds),
    "child, shutdown": lambda ref, seconds: actors.ChildSpec("x", Probe.start, shutdown=seconds),
    "supervisor, period": lambda ref, seconds: actors.Supervisor([], period=seconds),
    "simple_one_for_one, period": lambda ref, seconds: actors.SimpleOneForOne(
        actors.ChildSpec("x", Probe.start), period=seconds
    ),
    "poll loop": lambda ref, seconds: PollLoop().later(seconds, print),
    "workers": lambda ref, seconds: Workers([], Roster()).session_counts(seconds),
}
"""Where a number is needed."""

NUMBERS: dict[str, Callable[[Any], object]] = {
    "set_workers": actors.set_workers,
    "set_workers, long": lambda number: actors.set_workers(long=number),
    "max_sessions": lambda number: actors.ServerActor(max_sessions=number),
    "intensity": lambda number: actors.Supervisor([], intensity=number),
}
"""Where a whole number is needed."""


@pytest.fixture
def probe() -> Any:
    """A running probe; nothing that a test tried may have reached it, and timers ring still."""
    actor = Probe()
    ref = actors.launch(actor)
    yield ref
    actors.send_after(0, ref, "the end")
    assert hear(actor.heard) == "the end"
    ref.stop()
    Slow.start_timeout = None


@pytest.mark.parametrize("seconds", NO_SECONDS, ids=repr)
@pytest.mark.parametrize("place", {**WAITS, **DELAYS})
def test_what_is_no_number_of_seconds_is_a_value_error(probe: Ref, place: str, seconds: Any) -> None:
    with pytest.raises(ValueError):
        {**WAITS, **DELAYS}[place](probe, seconds)


@pytest.mark.parametrize("place", DELAYS)
def test_a_delay_needs_a_number(probe: Ref, place: str) -> None:
    if place != "child, shutdown":  # there None is the default
        with pytest.raises(ValueError):
            DELAYS[place](probe, None)


@pytest.mark.parametrize("number", [*NO_SECONDS, 1.5, -1, Fraction(3, 2)], ids=repr)
@pytest.mark.parametrize("place", NUMBERS)
def test_what_is_no_whole_number_is_a_value_error(place: str, number: Any) -> None:
    with pytest.raises(ValueError):
        NUMBERS[place](number)


def test_set_workers_changes_all_or_nothing() -> None:
    with pytest.raises(ValueError):
        actors.set_workers(3, long=2.0)  # type: ignore[arg-type]
    assert actors.run_blocking(lambda: "done") == "done"
    with pytest.raises(ValueError):
        actors.set_workers(0)
    assert actors.runtime.threads._workers.count == actors.runtime.threads.DEFAULT_WORKERS


@pytest.mark.parametrize("grace", [math.nan, "5", -1.0], ids=repr)
def test_stop_times_are_times(grace: Any) -> None:
    with pytest.raises(ValueError):
        actors.StopTimes(grace=grace)
    with gen_smtp_server.running(Behaviour, [{"address": "127.0.0.1", "port": 0}]) as server:
        for stop in (gen_smtp_server.stop, gen_smtp_server.serve_forever):
            with pytest.raises(ValueError):
                stop(server if stop is gen_smtp_server.stop else Behaviour, grace=grace)
        assert server.is_alive()


@pytest.mark.parametrize(
    "place",
    [
        gen_smtp_server.sessions,
        gen_smtp_server.addresses,
        gen_smtp_server.listeners,
        gen_smtp_server.suspend,
        gen_smtp_server.resume,
        gen_smtp_server.reload_tls,
        gen_smtp_server.stop,
    ],
)
def test_the_timeouts_of_the_server_are_times(place: Any) -> None:
    with (
        gen_smtp_server.running(Behaviour, [{"address": "127.0.0.1", "port": 0}]) as server,
        pytest.raises(ValueError),
    ):
        place(server, timeout=math.nan)


def test_the_timeout_of_info_is_a_time() -> None:
    with gen_smtp_server.running(Behaviour, [{"address": "127.0.0.1", "port": 0}]) as server:
        (address,) = gen_smtp_server.addresses(server)
        with connect(address) as client:
            client.recv(1)
            (session,) = gen_smtp_server.sessions(server)
            with pytest.raises(ValueError):
                info(session, timeout=math.nan)


def test_live_changes_with_a_timeout_that_is_none_change_nothing() -> None:
    options = {"address": "127.0.0.1", "port": 0}
    with gen_smtp_server.running(Behaviour, [options]) as server:
        (address,) = gen_smtp_server.addresses(server)
        for change, what in (
            (gen_smtp_server.add_listener, options),
            (gen_smtp_server.remove_listener, address),
            (gen_smtp_server.change_code, Behaviour),
        ):
            with pytest.raises(ValueError):
                change(server, what, timeout=math.nan)  # type: ignore[operator]
        assert gen_smtp_server.addresses(server) == [address]


# -- sessions ---------------------------------------------------------------------------------------

DEADLINES: dict[str, Callable[[Any], object]] = {
    "set_deadline": lambda session: session.set_deadline(math.nan),
    "set_final_due": lambda session: session.set_final_due(math.nan),
    "await_preface": lambda session: session.await_preface(math.nan),
    "ring_at": lambda session: session.ring_at(math.nan),
}


@pytest.mark.parametrize("place", DEADLINES)
def test_a_deadline_is_a_time(place: str) -> None:
    class Session(Echo):
        def on_connect(self) -> None:
            try:
                DEADLINES[place](self)
            except ValueError:
                self.send(b"refused")
            raise actors.ActorExit("normal")

    with serving(session=Session) as server, connect(address_of(server)) as client:
        assert read_all(client) == b"refused"


# -- what numbers there are -------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 0.25, 2, Fraction(1, 4)], ids=repr)
def test_numbers_are_taken(seconds: Any) -> None:
    assert wait_seconds(seconds) == delay_seconds(seconds) == number_of_seconds(seconds) == float(seconds)


@pytest.mark.parametrize("seconds", [None, math.inf, FOREVER, 10**400], ids=["None", "inf", "1e9", "10**400"])
def test_a_wait_without_end_is_no_error_of_the_system(probe: Ref, seconds: Any) -> None:
    """Locks take no more than some hundred years, and no infinity."""
    assert wait_seconds(seconds) is None
    assert probe.ask(lambda _: "answer", timeout=seconds) == "answer"
    assert (
        probe.ask(lambda _: actors.spawn(lambda: "answer").get(timeout=seconds), timeout=seconds) == "answer"
    )


def test_a_wait_that_is_over_does_not_wait(probe: Ref) -> None:
    begun = time.monotonic()
    for seconds in (0, -1, -math.inf, -(10**400)):
        with pytest.raises(pykka.Timeout):
            actors.GeventFuture[None]().get(timeout=seconds)
    assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("seconds", [math.inf, 1e300], ids=repr)
def test_a_timer_that_never_rings_delays_no_other(probe: Ref, seconds: float) -> None:
    timer = actors.send_after(seconds, probe, "never")
    rung = actors.GeventFuture[None]()
    actors.send_after(0.01, probe, lambda _: rung.set())
    rung.get(timeout=SECONDS)
    left = actors.cancel_timer(timer)
    assert left is not None
    assert left > FOREVER


def test_a_capacity_may_have_no_end() -> None:
    assert Capacity(math.inf).free == math.inf


@pytest.mark.parametrize("threshold", [math.nan, "soon", -1, None], ids=repr)
def test_a_watchdog_watches_on_with_a_threshold_that_is_none(
    monkeypatch: pytest.MonkeyPatch, threshold: Any
) -> None:
    monkeypatch.setattr(watchdog, "threshold", threshold)
    assert watchdog._checked_threshold() == 1.0
