"""A finaliser may use the library wherever the collector runs it, also in the middle of the library.

First real ones, run by the collector. Then the same thing done at each line, which says what must come of it.
"""

from __future__ import annotations

import contextlib
import queue
import sys
from collections.abc import Callable
from typing import Any

import pytest

import actors
from actors.net.pipe import Pipe
from actors.runtime import names
from actors.runtime.bonds import LINKS, Bonds
from actors.runtime.future import Signal
from actors.runtime.mailbox import OPEN, Envelope, Mailbox
from tests.actors.helpers import SECONDS, hear, run_python, run_script, start_probe
from tests.actors.runtime import finalisers


@pytest.mark.parametrize("place", ["thread", "hub"])
def test_finalisers_that_use_the_library_in_the_middle_of_it_freeze_nothing(place: str) -> None:
    ended = run_python("-m", "tests.actors.runtime.finalisers", place, timeout=100)
    said = ended.stdout.split("\n")
    assert (ended.returncode, said[-2:]) == (0, ["all ended", ""]), ended.stdout + ended.stderr
    assert [line.rpartition(" ")[0] for line in said[:-2]] == list(finalisers.ACTIONS)


def test_a_finaliser_that_starts_an_actor_while_the_hub_starts_freezes_nothing() -> None:
    """In the thread that waits for the hub, and in the hub's own."""
    script = """
import faulthandler, gc, actors
from actors.runtime.hub import Hub

faulthandler.dump_traceback_later(30, exit=True)
started = []

class Quiet(actors.GeventActor):
    def on_receive(self, message):
        return message

class Garbage:
    def __init__(self):
        self.circle = self

    def __del__(self):
        if len(started) < 20:
            Garbage()
            actor = Quiet()
            actors.launch(actor, wait=False)
            started.append(actor.actor_ref)

Garbage()
gc.set_threshold(1, 1, 1)
ref = Quiet.start()
gc.set_threshold(700, 10, 10)
for each in [ref, *started]:
    assert each.ask("alive") == "alive"
    each.stop()
assert started
print("ended")
"""
    assert run_script(script) == "ended\n"


def test_without_the_interpreters_lock_no_actor_is_started() -> None:
    script = """
import sys, actors
sys._is_gil_enabled = lambda: False
try:
    actors.GeventActor.start()
except RuntimeError as error:
    print(error)
"""
    assert "start Python with -X gil=1" in run_script(script)


# -- at each line -----------------------------------------------------------------------------------


def at_each_line(module: str, action: Callable[[], object], nested: Callable[[], object]) -> int:
    """Do something, and something else at each line of a module that it comes by; how many there were."""
    lines = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        if frame.f_globals.get("__name__") != module:
            return None
        if event == "line":
            lines += 1
            nested()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return lines


class Turns:
    """Gives no turns."""

    def schedule(self, mailbox: Mailbox) -> None:
        """Not now."""

    schedule_later = schedule


def taken(mailbox: Mailbox) -> list[Any]:
    """All that its owner gets."""
    return [envelope.message for envelope in iter(mailbox.take, None)]


def is_even(message: int) -> bool:
    return message % 2 == 0


MAILBOX = "actors.runtime.mailbox"
OF_A_MAILBOX: dict[str, Callable[[Mailbox], object]] = {
    "put": lambda mailbox: mailbox.put(Envelope(-2)),
    "wake": lambda mailbox: mailbox.wake(),
    "rest": lambda mailbox: mailbox.rest(again=False),
    "suspend": lambda mailbox: mailbox.suspend(lambda _: True),
    "select": lambda mailbox: mailbox.select(None),
    "resume": lambda mailbox: mailbox.resume(),
    "discard": lambda mailbox: mailbox.discard(lambda message: message == -1),
    "waiting": lambda mailbox: mailbox.waiting(),
}


@pytest.mark.parametrize("what", OF_A_MAILBOX)
def test_messages_put_at_any_moment_all_come_once_in_order(what: str) -> None:
    mailbox = Mailbox()
    mailbox.begin(Turns(), "the owner")
    put: list[int] = []

    def put_one() -> None:
        if len(put) < 100:  # or what goes through them all would never end
            put.append(len(put))
            mailbox.put(Envelope(put[-1]))

    mailbox.select(is_even)
    for message in (-1, -2):
        mailbox.put(Envelope(message))
    assert taken(mailbox) == [-2]  # the other one is kept back
    assert at_each_line(MAILBOX, lambda: OF_A_MAILBOX[what](mailbox), put_one) > 0
    mailbox.resume()
    mailbox.select(None)
    came = [message for message in taken(mailbox) if message >= 0]
    assert came == put


def test_messages_put_while_it_is_taken_from_all_come_once_in_order() -> None:
    mailbox = Mailbox()
    mailbox.begin(Turns(), "the owner")
    put: list[int] = []
    came: list[int] = []

    def put_one() -> None:
        if len(put) < 100:
            put.append(len(put))
            mailbox.put(Envelope(put[-1]))

    put_one()
    assert at_each_line(MAILBOX, lambda: came.extend(taken(mailbox)), put_one) >= 100
    assert came == put


def test_what_is_put_while_it_closes_is_handed_back_or_refused() -> None:
    mailbox = Mailbox()
    mailbox.begin(Turns(), "the owner")
    put: list[int] = []
    unread: list[int] = []
    refused = 0

    def put_one() -> None:
        nonlocal refused
        try:
            mailbox.put(Envelope(len(put)))
        except actors.ActorDeadError:
            refused += 1
        else:
            put.append(len(put))

    def close() -> None:
        unread.extend(envelope.message for envelope in mailbox.close("over"))

    at_each_line(MAILBOX, close, put_one)
    assert unread == put
    assert put
    assert refused > 0
    assert mailbox.closed != OPEN
    assert mailbox.close("over") == []
    assert mailbox.next is None


def test_a_message_that_is_put_into_a_closed_mailbox_at_any_moment_is_refused() -> None:
    mailbox = Mailbox()
    mailbox.close("over")
    other = Mailbox()
    other.close("over, too")
    futures: list[actors.GeventFuture[Any]] = []

    def ask(asked: Mailbox) -> None:
        futures.append(actors.GeventFuture())
        asked.put(Envelope("?", futures[-1]))

    at_each_line(MAILBOX, lambda: ask(mailbox), lambda: ask(other))
    reasons = []
    for each in futures:
        with pytest.raises(actors.ActorDeadError) as caught:
            each.get(timeout=0)
        reasons.append(str(caught.value))
    assert "'over'" in reasons[0]
    assert {"'over, too'" in each for each in reasons[1:]} == {True}
    assert mailbox.close("") == other.close("") == []


def test_callbacks_of_a_signal_are_called_once_whenever_they_come() -> None:
    signal, called = Signal(), []

    def add() -> None:
        number = len(added)
        added.append(number)
        signal.on_set(lambda: called.append(number))

    added: list[int] = []
    add()
    at_each_line("actors.runtime.future", signal.set, add)
    assert sorted(called) == added
    assert len(added) > 4


def test_a_callback_that_comes_while_another_one_is_added_is_called_once() -> None:
    signal, called = Signal(), []
    at_each_line(
        "actors.runtime.future",
        lambda: signal.on_set(lambda: called.append("outer")),
        lambda: signal.on_set(lambda: called.append("inner")),
    )
    count = len(signal._callbacks or ())
    signal.set()
    assert called.count("outer") == 1
    assert len(called) == count


def test_a_signal_that_is_set_while_a_callback_is_added_calls_it_once() -> None:
    for line in range(6):
        signal, called, seen = Signal(), [], iter(range(100))

        def set_here(signal: Signal = signal, seen: Any = seen, line: int = line) -> None:
            if next(seen) == line:
                signal.set()

        at_each_line(
            "actors.runtime.future",
            lambda signal=signal, called=called: signal.on_set(lambda: called.append("called")),
            set_here,
        )
        signal.set()
        assert called == ["called"]


def test_a_future_that_is_set_at_any_moment_of_being_set_has_one_result() -> None:
    future = actors.GeventFuture[str]()

    def set_inner() -> None:
        with contextlib.suppress(queue.Full):
            future.set("inner")

    with pytest.raises(queue.Full):
        at_each_line("actors.runtime.future", lambda: future.set("outer"), set_inner)
    assert future.get(timeout=SECONDS) == "inner"


@pytest.mark.parametrize("before", range(3))
def test_members_that_come_and_go_at_any_moment_are_there_or_not(before: int) -> None:
    bonds, member = Bonds(), object()
    others = [object() for _ in range(before)]
    for each in others:
        bonds.add(LINKS, each)
    added: list[object] = []

    def change() -> None:
        added.append(object())
        bonds.add(LINKS, added[-1])
        if others:
            bonds.remove(LINKS, others.pop())

    at_each_line("actors.runtime.bonds", lambda: bonds.add(LINKS, member), change)
    assert set(bonds.links) == {member, *added, *others}
    at_each_line("actors.runtime.bonds", lambda: bonds.remove(LINKS, member), change)
    assert set(bonds.links) == {*added, *others}


def test_a_link_that_is_made_and_undone_at_any_moment_of_the_same_leaves_both_in_agreement() -> None:
    one, _ = start_probe(trap_exits=True)
    other, _ = start_probe(trap_exits=True)

    def there_and_back() -> None:
        actors.link(one, other)
        actors.unlink(one, other)

    at_each_line("actors.runtime.links", lambda: actors.link(one, other), there_and_back)
    actors.unlink(one, other)
    assert one.bonds.links == other.bonds.links == ()
    for ref in (one, other):
        ref.stop()


def test_a_name_that_is_taken_at_any_moment_of_being_taken_has_one_holder() -> None:
    one, _ = start_probe()
    other, _ = start_probe()

    def take(ref: Any) -> None:
        with contextlib.suppress(ValueError):
            actors.register("contested", ref)

    at_each_line("actors.runtime.names", lambda: take(one), lambda: take(other))
    assert actors.whereis("contested") is other
    assert names._names == {other: "contested"}
    at_each_line("actors.runtime.names", lambda: names.free(other), lambda: take(one))
    take(one)
    assert names._names == {one: "contested"}
    at_each_line("actors.runtime.names", lambda: actors.unregister("contested"), actors.registered)
    assert actors.registered() == []
    for ref in (one, other):
        ref.stop()


@pytest.mark.parametrize("nested", ["close", "abort", "finish"])
def test_a_pipe_that_ends_at_any_moment_of_its_use_tells_once_of_the_room(nested: str) -> None:
    told: list[str] = []
    pipe = Pipe(lambda: told.append("room"), full=200)
    for _ in range(3):
        pipe.put(b"x" * 60)

    def end() -> None:
        if nested == "abort":
            pipe.abort(lambda: ValueError("aborted"))
        else:
            getattr(pipe, nested)()

    def use() -> None:
        pipe.put(b"x")
        with contextlib.suppress(ValueError):
            while pipe.take():
                pass

    at_each_line("actors.net.pipe", use, end)
    assert told == ["room"]
    assert not pipe._chunks


def test_an_actor_that_is_told_at_any_moment_of_being_told_hears_all() -> None:
    ref, heard = start_probe()
    count = at_each_line(MAILBOX, lambda: ref.tell("outer"), lambda: ref.tell("inner"))
    said = [hear(heard) for _ in range(count + 1)]
    assert said.count("outer") == 1
    ref.stop()
