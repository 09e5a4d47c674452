"""Starting, telling, asking and stopping an actor; what ends it and who hears of it."""

from __future__ import annotations

import concurrent.futures
import contextvars
import gc
import threading
from typing import Any

import gevent
import greenlet
import pykka
import pytest

import actors
from actors import events
from actors.runtime.hub import Hub
from tests.actors.helpers import (
    SECONDS,
    Gate,
    Probe,
    Scripted,
    exit_with,
    hear,
    hold,
    live_actors,
    on_hub,
    raise_,
    start_probe,
)


@pytest.fixture
def crashes() -> Any:
    """The events of actors that crashed."""
    seen: list[events.ActorCrashed] = []
    unsubscribe = events.subscribe(events.ActorCrashed, seen.append)
    yield seen
    unsubscribe()


# -- starting -----------------------------------------------------------------------------------------


def test_start_returns_when_on_start_has_run() -> None:
    steps: list[str] = []
    ref = Scripted.start(on_start=lambda: steps.append("started"))
    assert steps == ["started"]
    ref.stop()


def test_the_constructor_runs_in_the_calling_thread_and_on_start_in_the_hub() -> None:
    class Where(actors.GeventActor):
        def __init__(self) -> None:
            super().__init__()
            self.made_in = threading.get_ident()

        def on_start(self) -> None:
            self.started_in = threading.get_ident()

    actor = Where()
    actors.launch(actor)
    assert actor.made_in == threading.get_ident() != actor.started_in
    actor.actor_ref.stop()


@pytest.mark.parametrize("start", [Scripted.start, Scripted.start_link])
def test_an_on_start_that_raises_fails_the_start_with_its_exception(start: Any, crashes: list[Any]) -> None:
    steps: list[str] = []
    error = LookupError("bad")
    with pytest.raises(actors.StartError, match="Scripted could not be started") as caught:
        start(
            on_start=lambda: raise_(error),
            on_stop=lambda: steps.append("on_stop"),
            on_failure=lambda *_: steps.append("on_failure"),
        )
    assert caught.value.reason is error
    assert caught.value.__cause__ is error
    assert steps == []
    assert crashes == []  # who starts it is told; nothing else happened


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
def test_an_on_start_that_exits_fails_the_start_with_its_reason(reason: str) -> None:
    with pytest.raises(actors.StartError) as caught:
        Scripted.start(on_start=lambda: raise_(actors.ActorExit(reason)))
    assert caught.value.reason == reason


def test_a_failed_start_link_raises_and_sends_its_exit_to_a_parent_that_traps_exits() -> None:
    parent, heard = start_probe(trap_exits=True)

    def start_child(_: Probe) -> Any:
        with pytest.raises(actors.StartError) as caught:
            Scripted.start_link(on_start=lambda: raise_(actors.ActorExit("boom")))
        return caught.value.reason

    assert parent.ask(start_child) == "boom"
    assert hear(heard).reason == "boom"
    parent.stop()


def test_a_failed_start_of_one_nobody_waits_for_is_logged(crashes: list[Any]) -> None:
    actor = Scripted(on_start=lambda: raise_(LookupError("bad")))
    ref = actors.launch(actor, wait=False)
    actors.wait_down(ref, SECONDS)
    assert [type(event.error) for event in crashes] == [LookupError]


def test_messages_sent_before_on_start_has_run_wait_for_it() -> None:
    gate = Gate()
    seen: list[Any] = []
    actor = Scripted(on_start=gate.wait, on_receive=seen.append)
    ref = actors.launch(actor, wait=False)
    ref.tell("early")
    gate.reached.get(timeout=SECONDS)
    assert seen == []
    gate.open()
    ref.stop()
    assert seen == ["early"]


def test_a_start_cut_off_by_a_kill_fails_with_killed() -> None:
    gate = Gate()
    actor = Scripted(on_start=gate.wait)
    starting = actors.spawn(actors.launch, actor)
    gate.reached.get(timeout=SECONDS)
    actor.actor_ref.kill()
    with pytest.raises(actors.StartError) as caught:
        starting.get(timeout=SECONDS)
    assert caught.value.reason == "killed"


def test_an_actor_is_in_pykkas_registry_while_it_lives() -> None:
    ref, _ = start_probe()
    assert ref in pykka.ActorRegistry.get_all()
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is ref
    assert ref in pykka.ActorRegistry.get_by_class(Probe)
    ref.stop()
    assert ref not in pykka.ActorRegistry.get_all()


def test_one_that_says_so_stays_out_of_the_registry() -> None:
    class Unlisted(actors.GeventActor):
        in_registry = False

    ref = Unlisted.start()
    assert ref not in pykka.ActorRegistry.get_all()
    ref.stop()


def test_pykkas_stop_all_stops_them() -> None:
    refs = [start_probe()[0] for _ in range(3)]
    assert pykka.ActorRegistry.stop_all(timeout=SECONDS) == [True, True, True]
    assert [ref.is_alive() for ref in refs] == [False, False, False]


def test_urns_are_unlike() -> None:
    assert len({Probe().actor_urn for _ in range(100)}) == 100


# -- start_link ---------------------------------------------------------------------------------------


def start_family(*, trapping: bool) -> tuple[Any, Any, Any, Any]:
    """A parent and its child, both with what they hear; the child traps exits or not."""
    parent, heard = start_probe(trap_exits=True)
    child = parent.ask(lambda _: Probe.start_link(trap_exits=trapping))
    return parent, heard, child, child.ask(lambda probe: probe.heard)


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
def test_a_trapping_child_ends_with_its_parent_for_any_reason(reason: str) -> None:
    parent, _, child, child_heard = start_family(trapping=True)
    parent.tell(exit_with(reason))
    assert hear(child_heard) == ("on_stop", reason)
    actors.wait_down(child, SECONDS)


def test_a_plain_child_outlives_a_parent_that_ends_normally() -> None:
    parent, _, child, child_heard = start_family(trapping=False)
    parent.stop()
    child.tell("orphaned")
    assert hear(child_heard) == "orphaned"
    child.stop()


def test_a_plain_child_dies_with_a_parent_that_crashes_and_its_on_stop_runs() -> None:
    parent, _, child, child_heard = start_family(trapping=False)
    parent.tell(exit_with("boom"))
    assert hear(child_heard) == ("on_stop", "boom")
    actors.wait_down(child, SECONDS)


def test_the_parents_signal_ends_a_trapping_child_behind_its_messages() -> None:
    parent, _, child, child_heard = start_family(trapping=True)
    gate = hold(child)
    child.tell(1)
    child.tell(2)
    actors.send_exit(child, "shutdown", parent)
    gate.open()
    assert [hear(child_heard) for _ in range(3)] == [1, 2, ("on_stop", "shutdown")]
    parent.stop()


def test_the_exit_of_anyone_else_is_a_message_to_a_trapping_child() -> None:
    parent, _, child, child_heard = start_family(trapping=True)
    stranger, _ = start_probe()
    actors.send_exit(child, "shutdown", stranger)
    assert hear(child_heard) == actors.Exit(stranger, "shutdown")
    child.stop()
    parent.stop()
    stranger.stop()


def test_one_started_without_link_has_no_parent() -> None:
    parent, _ = start_probe()
    child = parent.ask(lambda _: Probe.start(trap_exits=True))
    child_heard = child.ask(lambda probe: probe.heard)
    actors.send_exit(child, "shutdown", parent)
    assert hear(child_heard) == actors.Exit(parent, "shutdown")
    parent.tell(exit_with("boom"))
    actors.wait_down(parent, SECONDS)
    child.tell("lives on")
    assert hear(child_heard) == "lives on"
    child.stop()


def test_the_parent_hears_of_its_child() -> None:
    parent, heard, child, _ = start_family(trapping=False)
    child.tell(exit_with("boom"))
    assert hear(heard) == actors.Exit(child, "boom")
    parent.stop()


def test_one_start_linked_in_a_thread_ends_with_the_thread() -> None:
    started: list[Any] = []
    thread = threading.Thread(target=lambda: started.append(Probe.start_link()))
    thread.start()
    thread.join(SECONDS)
    assert actors.wait_down(started[0], SECONDS) in ("normal", "noproc")


def test_one_start_linked_in_a_greenlet_ends_with_the_greenlet() -> None:
    gate = Gate()
    started: list[Any] = []

    def live() -> None:
        started.append(Probe.start_link())
        gate.wait()

    greenlet = actors.spawn(live)
    gate.reached.get(timeout=SECONDS)
    assert started[0].is_alive()
    gate.open()
    greenlet.get(timeout=SECONDS)
    assert actors.wait_down(started[0], SECONDS) in ("normal", "noproc")


def test_one_start_linked_in_a_bare_greenlet_ends_with_it() -> None:
    """A greenlet that is not gevent's tells nobody of its end; it is noticed when it is collected."""
    started: list[Any] = []

    def run_bare_greenlet() -> None:
        greenlet.greenlet(lambda: started.append(Probe.start_link())).switch()
        gc.collect()

    thread = threading.Thread(target=run_bare_greenlet)
    thread.start()
    thread.join(SECONDS)
    assert actors.wait_down(started[0], SECONDS) in ("normal", "noproc")


# -- telling and asking -------------------------------------------------------------------------------


def test_the_reply_to_an_ask_is_what_on_receive_returns() -> None:
    ref = Scripted.start(on_receive=lambda message: message * 2)
    assert ref.ask(21) == 42
    assert ref.ask(21, block=False).get(timeout=SECONDS) == 42
    ref.stop()


def test_an_actor_that_raises_for_an_ask_lives_on_and_the_asker_gets_it(crashes: list[Any]) -> None:
    ref, heard = start_probe()
    with pytest.raises(ZeroDivisionError):
        ref.ask(lambda _: 1 / 0)
    ref.tell("lives on")
    assert hear(heard) == "lives on"
    assert crashes == []
    ref.stop()


def test_an_actor_that_raises_for_a_tell_dies_of_it_and_says_so(crashes: list[Any]) -> None:
    ref, heard = start_probe()
    error = LookupError("boom")
    ref.tell(lambda _: raise_(error))
    assert hear(heard) == ("on_failure", error)
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason is error
    assert [(event.actor, event.error) for event in crashes] == [(f"Probe ({ref.actor_urn})", error)]


@pytest.mark.parametrize("reason", ["normal", "shutdown", ("shutdown", 1), "boom"])
def test_an_asker_whose_actor_exits_hears_the_reason(reason: Any, crashes: list[Any]) -> None:
    ref, heard = start_probe()
    with pytest.raises(actors.ActorDeadError) as caught:
        ref.ask(exit_with(reason))
    assert caught.value.reason == reason
    assert hear(heard) == ("on_stop", reason)
    assert crashes == []  # an exit is no crash


def test_those_behind_a_death_hear_its_reason() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    answer = ref.ask("unread", block=False)
    ref.tell("lost")
    actors.send_exit(ref, "boom")
    gate.open()
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == "boom"


def test_one_who_asks_behind_a_stop_hears_the_reason() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    ref.stop(block=False, reason="shutdown")
    answer = ref.ask("too late", block=False)
    gate.open()
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == "shutdown"


def test_telling_and_asking_the_dead_raises() -> None:
    ref, _ = start_probe()
    ref.stop(reason="shutdown")
    for send in (ref.tell, ref.ask):
        with pytest.raises(pykka.ActorDeadError) as caught:
            send("hello")
        assert isinstance(caught.value, actors.ActorDeadError)
        assert caught.value.reason == "noproc"


def test_a_cast_to_the_dead_or_to_nobody_is_lost_silently() -> None:
    ref, _ = start_probe()
    ref.stop()
    actors.cast(ref, "hello")
    actors.cast("nobody", "hello")
    assert not ref.is_alive()


def test_an_ask_that_times_out_leaves_the_late_answer_in_the_future() -> None:
    ref, _ = start_probe()
    gate = Gate()
    answer = ref.ask(lambda _: gate.wait(), block=False)
    with pytest.raises(pykka.Timeout):
        answer.get(timeout=0.01)
    with pytest.raises(pykka.Timeout):
        ref.ask("queued", timeout=0.01)
    gate.open("late")
    assert answer.get(timeout=SECONDS) == "late"
    assert ref.is_alive()
    ref.stop()


@pytest.mark.parametrize("ask", [lambda ref: ref.ask("me"), lambda ref: actors.call(ref, "me")])
def test_an_actor_that_asks_itself_is_told_at_once(ask: Any) -> None:
    ref, heard = start_probe()
    with pytest.raises(actors.CallingSelf) as caught:
        ref.ask(lambda _: ask(ref))
    assert caught.value.reason == "calling_self"
    assert heard.empty()
    ref.stop()


def test_a_worker_thread_that_a_turn_waits_for_may_not_ask_its_actor_either() -> None:
    ref, _ = start_probe()
    with pytest.raises(actors.CallingSelf):
        ref.ask(lambda _: actors.run_blocking(ref.ask, "me"))
    ref.stop()


def test_an_actor_may_ask_itself_for_a_future_and_in_a_greenlet_of_its_own() -> None:
    ref, _ = start_probe()
    answers: list[Any] = []

    def ask_later(_: Probe) -> None:
        answers.append(ref.ask(lambda _: "later", block=False))
        answers.append(actors.spawn(ref.ask, lambda _: "spawned"))

    ref.ask(ask_later)
    assert [answer.get(timeout=SECONDS) for answer in answers] == ["later", "spawned"]
    ref.stop()


def test_an_error_that_crosses_two_actors_is_raised_from_the_first() -> None:
    one, _ = start_probe()
    other, _ = start_probe()
    with pytest.raises(actors.ActorDeadError) as caught:
        one.ask(lambda _: other.ask(exit_with("boom")))
    assert caught.value.reason == "boom"
    assert one.is_alive()
    one.stop()


def test_an_actor_dies_of_a_call_whose_error_it_does_not_catch() -> None:
    one, _ = start_probe()
    other, _ = start_probe()
    one.tell(lambda _: other.ask(exit_with("boom")))
    actors.wait_down(one, SECONDS)
    assert isinstance(one.exit_reason, actors.ActorDeadError)
    assert one.exit_reason.reason == "boom"


def test_proxies_read_set_and_call() -> None:
    class Counter(actors.GeventActor):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def add(self, number: int) -> int:
            self.count += number
            return self.count

    ref = Counter.start()
    proxy = ref.proxy()
    assert proxy.add(2).get(timeout=SECONDS) == 2
    proxy.count = 5
    assert proxy.count.get(timeout=SECONDS) == 5
    proxy.add.defer(1)
    assert proxy.count.get(timeout=SECONDS) == 6
    ref.stop()


def test_messages_from_one_sender_come_in_order_from_many_all_come() -> None:
    ref, heard = start_probe()
    threads = [
        threading.Thread(target=lambda sender=sender: [ref.tell((sender, count)) for count in range(500)])
        for sender in range(4)
    ]
    for thread in threads:
        thread.start()
    got = [hear(heard) for _ in range(2000)]
    for thread in threads:
        thread.join(SECONDS)
    for sender in range(4):
        assert [count for who, count in got if who == sender] == list(range(500))
    ref.stop()


def test_a_message_not_handled_is_a_warning_as_in_pykka(caplog: pytest.LogCaptureFixture) -> None:
    ref = actors.GeventActor.start()
    assert ref.ask("what") is None
    assert "Unexpected message received" in caplog.text
    ref.stop()


def test_current_is_the_actor_in_whose_turn_one_runs() -> None:
    ref, _ = start_probe()
    assert actors.current() is None
    assert ref.ask(lambda _: actors.current()) is ref
    assert ref.ask(lambda _: actors.run_blocking(actors.current)) is ref
    assert on_hub(actors.current) is None
    ref.stop()


def test_current_is_nobody_in_a_greenlet_that_a_turn_starts_by_itself() -> None:
    ref, _ = start_probe()
    assert ref.ask(lambda _: gevent.spawn(actors.current).get()) is None
    ref.stop()


def test_current_is_the_new_actor_whoever_starts_it_and_from_where() -> None:
    ref, _ = start_probe()
    child = ref.ask(lambda _: actors.run_blocking(lambda: start_probe()[0]))
    assert child.ask(lambda _: actors.current()) is child
    assert child.ask(lambda _: actors.run_blocking(actors.current)) is child
    assert child.ask(lambda _: in_a_thread(actors.current)) is None
    child.stop()
    ref.stop()


def in_a_thread(function: Any) -> Any:
    """What a function returns in a thread that has the caller's contextvars."""
    context = contextvars.copy_context()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(context.run, function).result(SECONDS)


def test_a_greenlet_between_turns_holds_no_actor() -> None:
    ref, _ = start_probe()
    ref.stop()
    assert on_hub(lambda: [each.ref for each in Hub.current().idle if each.ref]) == []


def test_each_actor_has_contextvars_of_its_own_that_last_from_turn_to_turn() -> None:
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("of the test")
    one, _ = start_probe()
    other, _ = start_probe()
    variable.set("changed")
    one.ask(lambda _: variable.set("of one"))
    assert one.ask(lambda _: variable.get()) == "of one"
    assert other.ask(lambda _: variable.get()) == "of the test"
    assert variable.get() == "changed"
    one.stop()
    other.stop()


def test_an_actor_that_waits_keeps_its_context_while_others_have_their_turns() -> None:
    variable = contextvars.ContextVar("variable", default="default")
    one, _ = start_probe()
    gate = Gate()

    def set_and_wait(_: Probe) -> str:
        variable.set("of one")
        gate.wait()
        return variable.get()

    waiting = one.ask(set_and_wait, block=False)
    gate.reached.get(timeout=SECONDS)
    other, _ = start_probe()
    other.ask(lambda _: variable.set("of other"))
    gate.open()
    assert waiting.get(timeout=SECONDS) == "of one"
    one.stop()
    other.stop()


# -- stopping -----------------------------------------------------------------------------------------


def test_stop_comes_behind_the_messages_and_returns_when_the_actor_is_gone() -> None:
    ref, heard = start_probe()
    gate = hold(ref)
    for number in range(3):
        ref.tell(number)
    stopping = ref.stop(block=False)
    gate.open()
    assert stopping.get(timeout=SECONDS) is True
    assert [hear(heard) for _ in range(4)] == [0, 1, 2, ("on_stop", "normal")]
    assert (ref.is_alive(), ref.exit_reason) == (False, "normal")
    assert live_actors() == []


def test_stop_with_a_reason() -> None:
    ref, heard = start_probe()
    assert ref.stop(reason="boom") is True
    assert hear(heard) == ("on_stop", "boom")
    assert ref.exit_reason == "boom"


def test_stopping_the_dead_is_false() -> None:
    ref, _ = start_probe()
    assert ref.stop() is True
    assert ref.stop() is False
    assert ref.stop(block=False).get(timeout=SECONDS) is False


def test_many_who_stop_one_actor_all_hear_of_it() -> None:
    ref, heard = start_probe()
    gate = hold(ref)
    stops = [ref.stop(block=False) for _ in range(5)]
    gate.open()
    assert [stop.get(timeout=SECONDS) for stop in stops] == [True] * 5
    assert hear(heard) == ("on_stop", "normal")
    assert heard.empty()


def test_a_stop_that_times_out_takes_place_all_the_same() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    with pytest.raises(pykka.Timeout):
        ref.stop(timeout=0.01)
    gate.open()
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == "normal"


def test_an_actor_that_stops_itself_does_not_wait_for_itself() -> None:
    ref, heard = start_probe()
    assert ref.ask(lambda _: ref.stop()) is True
    actors.wait_down(ref, SECONDS)
    assert hear(heard) == ("on_stop", "normal")


def test_the_stop_method_is_the_pill_too() -> None:
    ref, heard = start_probe()
    ref.ask(lambda probe: probe.stop("shutdown"))
    assert hear(heard) == ("on_stop", "shutdown")
    actors.wait_down(ref, SECONDS)


def test_one_that_crashes_before_its_stop_comes_is_not_stopped_by_it() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    ref.tell(lambda _: 1 / 0)
    stopping = ref.stop(block=False)
    gate.open()
    assert stopping.get(timeout=SECONDS) is False
    assert isinstance(ref.exit_reason, ZeroDivisionError)


def test_two_that_stop_an_actor_have_both_stopped_it() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    both = [ref.stop(block=False) for _ in range(2)]
    gate.open()
    assert [each.get(timeout=SECONDS) for each in both] == [True, True]


def test_an_actor_may_wait_in_on_stop_and_is_alive_meanwhile() -> None:
    gate = Gate()
    ref = Scripted.start(on_stop=gate.wait)
    stopping = ref.stop(block=False)
    gate.reached.get(timeout=SECONDS)
    assert ref.is_alive()
    late = ref.ask("late", block=False)
    assert not stopping.done()
    gate.open()
    assert stopping.get(timeout=SECONDS) is True
    with pytest.raises(actors.ActorDeadError):
        late.get(timeout=SECONDS)


def test_who_stops_an_actor_hears_what_its_on_stop_raised() -> None:
    ref = Scripted.start(on_stop=lambda: raise_(LookupError("second")))
    with pytest.raises(LookupError) as caught:
        ref.stop(reason="first")
    assert ref.exit_reason is caught.value


@pytest.mark.parametrize("error", [SystemExit(), GeneratorExit()])
def test_what_on_stop_raises_is_the_reason(error: BaseException) -> None:
    failed: list[Any] = []
    unsubscribe = events.subscribe(events.HookFailed, failed.append)
    ref = Scripted.start(on_stop=lambda: raise_(error))
    assert ref.stop(reason="first") is True
    unsubscribe()
    assert ref.exit_reason is error
    assert [(event.hook, event.error) for event in failed] == [("on_exit", error)]


@pytest.mark.parametrize("second", [LookupError("second"), actors.ActorExit("second")])
def test_what_on_failure_raises_is_the_reason(second: Exception) -> None:
    ref = Scripted.start(
        on_receive=lambda _: raise_(LookupError("first")), on_failure=lambda *_: raise_(second)
    )
    ref.tell("crash")
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason is getattr(second, "reason", second)


def test_an_exit_in_its_end_for_the_reason_of_the_stop_is_no_failure_to_who_stops_it() -> None:
    """As OTP's gen_server:stop, which compares the two reasons."""
    ref = Scripted.start(on_stop=lambda: raise_(actors.ActorExit(("shutdown", "enough"))))
    assert ref.stop(reason=("shutdown", "enough"), timeout=SECONDS) is True
    ref = Scripted.start(on_stop=lambda: raise_(actors.ActorExit("other")))
    with pytest.raises(actors.ActorExit):
        ref.stop(reason="shutdown", timeout=SECONDS)


def test_a_transient_child_that_fails_in_its_end_is_restarted() -> None:
    starts = actors.GeventFuture[Any]()
    started: list[Any] = []

    def start() -> Any:
        started.append(Scripted.start(on_stop=lambda: raise_(LookupError("in the end"))))
        if len(started) == 2:
            starts.set(started[-1])
        return started[-1]

    tree = actors.Supervisor.start([actors.ChildSpec("child", start, restart="transient")])
    with pytest.raises(LookupError):
        started[0].stop(timeout=SECONDS)
    assert starts.get(timeout=SECONDS).is_alive()
    tree.stop(timeout=SECONDS)
    assert tree.exit_reason == "normal"


def test_an_actor_that_must_wind_up_first_goes_on_taking_messages() -> None:
    class WindingUp(Probe):
        def on_stop_request(self, reason: Any) -> None:
            self.heard.put(("asked to stop", reason))

    probe = WindingUp()
    ref = actors.launch(probe)
    stopping = ref.stop(block=False, reason="shutdown")
    assert hear(probe.heard) == ("asked to stop", "shutdown")
    assert ref.ask(lambda _: "still here") == "still here"
    assert not stopping.done()
    ref.tell(exit_with("done"))
    assert stopping.get(timeout=SECONDS) is True
    assert ref.exit_reason == "done"


def outcome_of(answer: actors.GeventFuture[str]) -> str:
    """What an asker hears."""
    try:
        value: str = answer.get(timeout=SECONDS)
    except actors.ActorDeadError as error:
        return f"dead: {error.reason}"
    return value


def test_no_message_that_was_accepted_is_left_unanswered_by_a_stop_in_a_race() -> None:
    """Every ask returns: with an answer, or with the actor's death."""
    for _ in range(30):
        ref, _ = start_probe()
        answers: list[list[Any]] = [[] for _ in range(3)]
        start = threading.Barrier(4)

        def ask_all(mine: list[Any], ref: Any = ref, start: threading.Barrier = start) -> None:
            start.wait(SECONDS)
            mine.extend(ref.ask(lambda _: "answer", block=False) for _ in range(30))

        threads = [threading.Thread(target=ask_all, args=(mine,)) for mine in answers]
        for thread in threads:
            thread.start()
        start.wait(SECONDS)
        ref.stop()
        for thread in threads:
            thread.join(SECONDS)
        outcomes = {outcome_of(answer) for mine in answers for answer in mine}
        assert outcomes <= {"answer", "dead: normal", "dead: noproc"}
