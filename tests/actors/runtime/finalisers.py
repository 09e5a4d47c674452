"""A script: finalisers that use the library, run by the collector in the middle of the library.

Garbage with a `__del__` is always at hand, and the collector runs as often as it can. So the finaliser comes
wherever an object is made (up to CPython 3.11) or at any call (from 3.12 on), in each of the actions.

    python -m tests.actors.runtime.finalisers thread|hub
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import itertools
import sys
from collections.abc import Callable
from typing import Any

import pykka

import actors
from actors.net.pipe import Pipe
from actors.runtime.future import Signal
from actors.runtime.hub import Hub
from gen_smtp.session.spool_file import SpoolFile

TIMES = 30
MOST = 150
"""So many finalisers run during an action: each sends messages, and each message takes some."""
SECONDS = 60
"""A freeze ends the process after that, and shows where it is."""


class Quiet(actors.GeventActor):
    def on_receive(self, message: Any) -> Any:
        return message() if callable(message) else message


one: Any = None
other: Any = None
third: Any = None
signal = Signal()
pipe = Pipe(lambda: None, full=1000)
spooled = SpoolFile(None)
numbers = itertools.count()
finalised = 0


def use_names() -> None:
    with contextlib.suppress(ValueError):
        actors.register(f"name {next(numbers) % 3}", one)
    actors.registered()
    actors.whereis("name 0")
    for name in ("name 0", "name 1", "name 2"):
        with contextlib.suppress(ValueError):
            actors.unregister(name)


def use_bonds() -> None:
    actors.link(one, other)
    watching = [actors.monitor(each, one) for each in (other, third)]
    actors.unlink(one, other, flush=True)
    actors.demonitor(watching[0], flush=True)
    actors.demonitor(watching[1])


def use_timers() -> None:
    timers = [actors.send_after(1000, one, "never"), actors.start_timer(0, one, "at once")]
    for timer in timers:
        actors.cancel_timer(timer)


def use_futures() -> None:
    future = actors.GeventFuture[int]()
    future.on_done(use_signal)
    future.set(1)
    assert future.get() == 1
    with contextlib.suppress(Exception):
        future.set(2)


def use_signal() -> None:
    signal.on_set(print)
    signal.forget(print)


def use_pipe() -> None:
    pipe.put(b"x" * 600)
    if pipe._chunks:
        with contextlib.suppress(ValueError):
            pipe.take()


def use_spool_file() -> None:
    with contextlib.suppress(ValueError):
        spooled.append(b"x")


def use_events() -> None:
    unsubscribe = actors.events.subscribe(actors.events.HubStalled, print)
    actors.events.wanted(actors.events.HubStalled)
    unsubscribe()


def use_starts() -> None:
    actor = Quiet()
    actors.launch(actor, name=f"started {next(numbers)}", wait=False)
    actor.actor_ref.kill()


def tell_everything() -> None:
    """All that a finaliser may well do: it waits for nothing."""
    one.tell("from the collector")
    one.ask("from the collector", block=False)
    one.actor_urn  # noqa: B018 - it is made when it is asked for
    actors.cast("name 0", "from the collector")
    for use in (use_bonds, use_names, use_futures, use_signal, use_events, spooled.close):
        use()
    if finalised % 7 == 0:
        pipe.close()
    if Hub.current().is_here():  # elsewhere this waits for the hub
        use_timers()


class Garbage:
    """Makes some more when it is finalised, so that the next collection finds some."""

    def __init__(self) -> None:
        self.circle = self

    def __del__(self) -> None:
        global finalised
        finalised += 1
        if finalised < most:
            Garbage()
            tell_everything()


most = 0

ACTIONS: dict[str, Callable[[], object]] = {
    "tell": lambda: one.tell("told"),
    "ask": lambda: one.ask("asked", block=False),
    "names": use_names,
    "bonds": use_bonds,
    "timers": lambda: Hub.current().is_here() and use_timers(),
    "futures": use_futures,
    "signals": use_signal,
    "events": use_events,
    "pipe": use_pipe,
    "spool file": use_spool_file,
    "starts": use_starts,
    "urn": lambda: Quiet().actor_urn,
    "worker threads": lambda: actors.run_blocking(lambda: one.tell("from a worker")),
    "set_workers": lambda: actors.set_workers(10, long=100),
    "side tasks": lambda: Hub.current().is_here() and actors.runtime.threads.SideTask(use_signal),
    "spawn": lambda: actors.spawn(use_signal),
    "wait": lambda: one.ask("and waited for"),
    "stop": lambda: Quiet.start().stop(),
}


def try_each() -> None:
    """Run each action with the collector at its heels."""
    global most, pipe, spooled
    for name, action in ACTIONS.items():
        pipe, spooled = Pipe(lambda: None, full=1000), SpoolFile(None)
        begun, most = finalised, finalised + MOST
        Garbage()
        gc.set_threshold(1, 1, 1)
        try:
            for _ in range(TIMES):
                action()
        finally:
            gc.set_threshold(700, 10, 10)
            most = 0
        gc.collect()
        print(name, finalised - begun, flush=True)


def main(place: str) -> None:
    global one, other, third
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    one, other, third = Quiet.start(), Quiet.start(), Quiet.start()
    for ref in (one, other, third):
        ref.bonds.trap_exits = True
    if place == "hub":
        third.ask(try_each)
    else:
        try_each()
    assert one.ask("is it alive?") == "is it alive?"
    for ref in pykka.ActorRegistry.get_all():
        ref.stop()
    print("all ended")


if __name__ == "__main__":
    main(sys.argv[1])
