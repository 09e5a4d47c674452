"""gen_statem: both callback modes, postponed events, timeouts, state enter, replies and stops."""

from __future__ import annotations

import queue
from typing import Any, ClassVar

import pytest

import actors
from actors import gen_statem
from actors.behaviours.gen_statem import (
    CAST,
    ENTER,
    INFO,
    INTERNAL,
    POSTPONE,
    STATE_TIMEOUT,
    TIMEOUT,
    Begin,
    Call,
    EventTimeout,
    KeepState,
    NamedTimeout,
    NextEvent,
    NextState,
    RepeatState,
    ReplyTo,
    StateTimeout,
    Stop,
    Timeout,
)
from tests.actors.helpers import SECONDS, hear

Heard = queue.SimpleQueue[Any]


class Door(gen_statem.GenStatem):
    """Opens to a code, and locks itself: a method for each state."""

    callback_mode = "state_functions"

    def init(self, code: str, lock_after: float) -> Any:
        self.code, self.lock_after = code, lock_after
        return Begin("locked")

    def locked(self, kind: Any, content: Any) -> Any:
        match kind, content:
            case Call(caller), given if given != self.code:
                return KeepState(ReplyTo(caller, "wrong"))
            case Call(caller), _:
                return NextState("open", ReplyTo(caller, "open"), StateTimeout(self.lock_after, "lock"))
        return KeepState(POSTPONE)

    def open(self, kind: Any, content: Any) -> Any:
        match kind, content:
            case "state_timeout", "lock":
                return NextState("locked")
            case Call(caller), _:
                return KeepState(ReplyTo(caller, "is open"))
            case "cast", "slam":
                return NextState("locked")


def test_a_method_for_each_state() -> None:
    door = Door.start("1234", 60.0)
    assert gen_statem.call(door, "0000") == "wrong"
    assert gen_statem.call(door, "1234") == "open"
    assert gen_statem.call(door, "1234") == "is open"
    gen_statem.cast(door, "slam")
    assert gen_statem.call(door, "1234") == "open"
    door.stop()


def test_an_event_that_was_postponed_comes_when_the_state_has_changed() -> None:
    door = Door.start("1234", 60.0)
    gen_statem.cast(door, "slam")  # it is locked already
    assert gen_statem.call(door, "1234") == "open"
    assert door.proxy().state.get(timeout=SECONDS) == "locked"
    door.stop()


def test_a_state_ends_by_its_timeout() -> None:
    door = Door.start("1234", 0.001)
    assert gen_statem.call(door, "1234") == "open"
    while door.proxy().state.get(timeout=SECONDS) != "locked":
        pass
    door.stop()


class Machine(gen_statem.GenStatem):
    """One callback for all events: runs functions, and tells of all else."""

    state_enter = True
    heard: Heard

    def init(self, first: Any = None) -> Any:
        self.heard = queue.SimpleQueue()
        return first or Begin("one")

    def handle_event(self, kind: Any, content: Any, state: Any) -> Any:
        if callable(content):
            return content(kind, state)
        self.heard.put((kind, content, state))
        return None

    def terminate(self, reason: Any, state: Any) -> Any:
        self.heard.put(("terminate", reason, state))


def start(first: Any = None) -> tuple[actors.GeventRef[Any], Heard]:
    ref = Machine.start(first)
    heard = ref.proxy().heard.get(timeout=SECONDS)
    assert hear(heard)[0] == ENTER
    return ref, heard


def after(heard: Heard, ref: Any, *actions: Any) -> Any:
    """Have actions done, and hear what comes of them."""
    gen_statem.cast(ref, lambda *_: KeepState(*actions))
    return hear(heard)


def test_the_kinds_of_events() -> None:
    ref, heard = start()
    gen_statem.cast(ref, 1)
    actors.send(ref, 2)
    assert [hear(heard), hear(heard)] == [(CAST, 1, "one"), (INFO, 2, "one")]
    assert after(heard, ref, NextEvent(INTERNAL, 3)) == (INTERNAL, 3, "one")
    assert after(heard, ref, EventTimeout(0.001, 4)) == (TIMEOUT, 4, "one")
    assert after(heard, ref, StateTimeout(0.001, 5)) == (STATE_TIMEOUT, 5, "one")
    assert after(heard, ref, Timeout("name", 0.001, 6)) == (NamedTimeout("name"), 6, "one")
    ref.stop()
    assert hear(heard) == ("terminate", "normal", "one")


def test_states_hear_that_they_are_entered() -> None:
    ref, heard = start()
    gen_statem.cast(ref, lambda *_: NextState("two"))
    assert hear(heard) == (ENTER, "one", "two")
    gen_statem.cast(ref, lambda *_: NextState("two"))  # as to keep it
    gen_statem.cast(ref, lambda *_: RepeatState())
    assert hear(heard) == (ENTER, "two", "two")
    ref.stop()


def test_events_of_its_own_come_before_those_that_wait() -> None:
    ref, heard = start()

    def make(*_: Any) -> Any:
        ref.tell("outside")
        return NextState("two", NextEvent(INTERNAL, 1), NextEvent(INTERNAL, 2))

    gen_statem.cast(ref, make)
    assert [hear(heard)[:2] for _ in range(4)] == [
        (ENTER, "one"),
        (INTERNAL, 1),
        (INTERNAL, 2),
        (INFO, "outside"),
    ]
    ref.stop()


def test_the_starter_waits_for_init_alone() -> None:
    """As in OTP: what init wants to happen next happens to a machine that has started."""

    class EndsItself(gen_statem.GenStatem):
        ended: ClassVar[list[Any]] = []

        def init(self) -> Any:
            return Begin("red", NextEvent(INTERNAL, "end"))

        def handle_event(self, kind: Any, content: Any, state: Any) -> Any:
            return Stop("done")

        def terminate(self, reason: Any, state: Any) -> None:
            self.ended.append((reason, state))

    ref = EndsItself.start()
    assert actors.wait_down(ref, SECONDS) in ("done", "noproc")
    assert ref.exit_reason == "done"
    assert EndsItself.ended == [("done", "red")]


def test_postponed_events_come_in_their_order_before_newer_ones() -> None:
    ref, heard = start()

    def postpone(name: str) -> Any:
        def event(kind: Any, state: Any) -> Any:
            if state == "one":
                return KeepState(POSTPONE)
            heard.put(name)
            return None

        return event

    for name in "ab":
        gen_statem.cast(ref, postpone(name))
    gen_statem.cast(ref, lambda *_: NextState("two"))
    gen_statem.cast(ref, "newer")
    assert [hear(heard) for _ in range(4)] == [(ENTER, "one", "two"), "a", "b", (CAST, "newer", "two")]
    ref.stop()


def test_timeouts_are_taken_back() -> None:
    ref, heard = start()
    gen_statem.cast(ref, lambda *_: KeepState(EventTimeout(60), StateTimeout(60), Timeout("name", 60)))
    gen_statem.cast(ref, "any event")
    hear(heard)

    def kinds() -> list[Any]:
        found: Heard = queue.SimpleQueue()
        gen_statem.cast(ref, lambda *_: found.put(sorted(map(str, actors_timers(ref)))))
        return list(found.get(timeout=SECONDS))

    def actors_timers(machine: Any) -> Any:
        return machine._actor_weakref()._timers

    assert kinds() == ["NamedTimeout(name='name')", "state_timeout"]
    gen_statem.cast(ref, lambda *_: NextState("two"))
    assert kinds() == ["NamedTimeout(name='name')"]
    gen_statem.cast(ref, lambda *_: KeepState(Timeout("name", None)))
    assert kinds() == []
    ref.stop()


def test_stops_with_replies_and_without() -> None:
    ref, _ = start()
    callers: list[Any] = []

    def keep(kind: Any, state: Any) -> Any:
        callers.append(kind.caller)

    answer = ref.ask(keep, block=False)
    gen_statem.cast(ref, lambda *_: Stop("done", (ReplyTo(callers[0], "bye"),)))
    assert answer.get(timeout=SECONDS) == "bye"
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == "done"
    ref, _ = start()
    unanswered = ref.ask(keep, block=False)
    ref.stop(reason="enough")
    with pytest.raises(actors.ActorDeadError):
        unanswered.get(timeout=SECONDS)


def test_an_exception_goes_to_the_caller_or_ends_the_machine() -> None:
    ref, _ = start()

    def fail(kind: Any, state: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        gen_statem.call(ref, fail)
    assert ref.is_alive()
    gen_statem.cast(ref, fail)
    actors.wait_down(ref, SECONDS)
    assert isinstance(ref.exit_reason, ValueError)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (17, ("bad_return_from_state_function", 17)),
        (KeepState(17), ("bad_action_from_state_function", 17)),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_result_ends_it(result: Any, reason: Any) -> None:
    ref, _ = start()
    gen_statem.cast(ref, lambda *_: result)
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == reason


def test_init_may_ignore_stop_or_go_wrong() -> None:
    assert Machine.start(actors.IGNORE) is None
    for first, reason in ((Stop("no disk"), "no disk"), (17, ("bad_return_from_init", 17))):
        with pytest.raises(actors.StartError) as caught:
            Machine.start(first)
        assert caught.value.reason == reason


def test_a_state_without_a_method_is_named() -> None:
    class Lost(gen_statem.GenStatem):
        callback_mode = "state_functions"

        def init(self) -> Any:
            return Begin("nowhere")

    ref = Lost.start()
    with pytest.raises(AttributeError, match="Lost has no method for its state 'nowhere'"):
        gen_statem.call(ref, 1)
    ref.stop()
