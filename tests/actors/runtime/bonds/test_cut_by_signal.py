"""An exit signal cuts a turn that waits for another actor, and lets one that works come to its end."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

import actors
from actors.otp.messaging import method_call
from actors.runtime.actor import SystemCall
from actors.runtime.future import CutByExit
from tests.actors.helpers import SECONDS, Gate, Probe, hear, hold, start_probe


class Waits:
    """What a turn may wait for, of an actor that does not answer."""

    def __init__(self) -> None:
        self.other, _ = start_probe()
        self.gate = hold(self.other)
        self.started: Any = None

    def ask(self) -> None:
        self.other.ask("?")

    def call(self) -> None:
        actors.call(self.other, "?", None)

    def stop(self) -> None:
        self.other.stop()

    def down(self) -> None:
        actors.wait_down(self.other)

    def suspend(self) -> None:
        actors.sys.suspend(self.other, timeout=None)

    def future(self) -> None:
        self.other.ask("?", block=False).get()

    def start(self) -> None:
        waits = self

        class Starting(Probe):
            def on_start(self) -> None:
                waits.started = self.actor_ref
                waits.gate.wait()

        Starting.start()

    def over(self) -> None:
        self.gate.open()
        self.other.stop()
        if self.started is not None:
            assert self.started.stop() is True  # it goes on, as in OTP


@pytest.mark.parametrize("wait", ["ask", "call", "stop", "down", "suspend", "future", "start"])
def test_a_turn_that_waits_for_another_actor_is_cut(wait: str) -> None:
    waits = Waits()
    ref, heard = start_probe()
    cleaned: list[type[BaseException]] = []

    def work(_: Any) -> None:
        heard.put("waits")
        try:
            getattr(waits, wait)()
        except BaseException as error:
            cleaned.append(type(error))
            raise

    answer = ref.ask(work, block=False)
    assert hear(heard) == "waits"
    actors.send_exit(ref, "boom")
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == "boom"
    assert hear(heard) == ("on_stop", "boom")
    assert cleaned == [CutByExit]
    waits.over()


def test_a_turn_that_works_in_a_thread_comes_to_its_end() -> None:
    ref, heard = start_probe()
    gate = Gate()
    answer = ref.ask(lambda _: actors.run_blocking(gate.wait), block=False)
    gate.reached.get(timeout=SECONDS)
    actors.send_exit(ref, "boom")
    assert actors.spawn(lambda: answer.done()).get(timeout=SECONDS) is False
    gate.open("done")
    assert answer.get(timeout=SECONDS) == "done"
    assert hear(heard) == ("on_stop", "boom")


def test_a_turn_that_awaits_a_coroutine_comes_to_its_end() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ref, heard = start_probe()
    begun, go_on = threading.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        await go_on.wait()
        return "done"

    answer = ref.ask(lambda _: actors.run_coroutine(work(), loop), block=False)
    begun.wait(SECONDS)
    actors.send_exit(ref, "boom")
    loop.call_soon_threadsafe(go_on.set)
    assert answer.get(timeout=SECONDS) == "done"
    assert hear(heard) == ("on_stop", "boom")
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    loop.close()


def test_a_turn_that_begins_to_wait_when_its_work_is_done_is_cut_then() -> None:
    waits = Waits()
    ref, heard = start_probe()
    gate = Gate()

    def work(_: Any) -> None:
        actors.run_blocking(gate.wait)
        waits.ask()

    ref.tell(work)
    gate.reached.get(timeout=SECONDS)
    actors.send_exit(ref, "boom")
    gate.open()
    assert hear(heard) == ("on_stop", "boom")
    waits.over()


def test_a_turn_that_catches_everything_is_cut_at_each_wait() -> None:
    waits = Waits()
    ref, heard = start_probe()

    def work(_: Any) -> None:
        for _ in range(3):
            heard.put("waits")
            with contextlib.suppress(BaseException):  # as programs do
                waits.ask()
            heard.put("was cut")

    ref.tell(work)
    hear(heard)
    actors.send_exit(ref, "boom")
    told = [hear(heard) for _ in range(6)]
    assert told == ["was cut", "waits", "was cut", "waits", "was cut", ("on_stop", "boom")]
    waits.over()


def test_a_signal_to_oneself_cuts_the_next_wait() -> None:
    waits = Waits()
    ref, heard = start_probe()

    def work(_: Any) -> None:
        actors.send_exit(ref, "boom")
        heard.put(actors.current())
        waits.ask()
        heard.put("went on")

    ref.tell(work)
    assert [hear(heard), hear(heard)] == [ref, ("on_stop", "boom")]
    waits.over()


def test_a_wait_in_an_end_that_began_for_something_else_is_cut_too() -> None:
    waits = Waits()
    ending = queue.SimpleQueue[Any]()

    class Ending(Probe):
        def on_stop(self) -> None:
            ending.put(self.exit_reason)
            waits.ask()

    ref = Ending.start()
    stopped = ref.stop(block=False)
    assert hear(ending) == "normal"
    actors.send_exit(ref, "boom")
    assert stopped.get(timeout=SECONDS) is True
    assert ref.exit_reason == "boom"
    waits.over()


def test_the_end_that_a_signal_brings_about_is_not_cut_by_it() -> None:
    gate = Gate()

    class Ending(Probe):
        def on_stop(self) -> None:
            self.heard.put(gate.wait())

    probe = Ending()
    ref = actors.launch(probe)
    actors.send_exit(ref, "boom")
    gate.reached.get(timeout=SECONDS)
    actors.send_exit(ref, "bang")
    actors.spawn(lambda: None).get(timeout=SECONDS)  # a round of the hub
    gate.open("waited")
    assert hear(probe.heard) == "waited"
    actors.wait_down(ref, SECONDS)
    assert ref.exit_reason == "boom"


def test_a_linked_actor_that_waits_is_cut_when_the_other_crashes() -> None:
    waits = Waits()
    one, heard = start_probe()
    other, _ = start_probe()
    actors.link(one, other)
    one.tell(lambda _: (heard.put("waits"), waits.ask()))
    hear(heard)
    actors.send_exit(other, "boom")
    assert hear(heard) == ("on_stop", "boom")
    waits.over()


def test_an_actor_that_traps_exits_waits_on_and_hears_it_then() -> None:
    waits = Waits()
    ref, heard = start_probe(trap_exits=True)
    ref.tell(lambda _: waits.gate.wait())
    actors.send_exit(ref, "boom")
    waits.over()
    assert hear(heard) == actors.Exit(ref, "boom")
    ref.stop()


def test_a_start_that_waits_is_cut_and_fails_with_the_reason() -> None:
    gate = Gate()
    made = queue.SimpleQueue[Any]()

    class Starting(Probe):
        def on_start(self) -> None:
            made.put(self.actor_ref)
            gate.wait()

    errors: list[Any] = []

    def start() -> None:
        try:
            Starting.start()
        except actors.StartError as error:
            errors.append(error.reason)

    starter = threading.Thread(target=start)
    starter.start()
    ref = made.get(timeout=SECONDS)
    gate.reached.get(timeout=SECONDS)
    actors.send_exit(ref, "boom")
    starter.join(SECONDS)
    assert errors == ["boom"]
    assert ref.actor() is None


def test_a_start_in_which_the_actor_sends_itself_a_signal_fails_with_the_reason() -> None:
    class Starting(Probe):
        def on_start(self) -> None:
            actors.send_exit(self.actor_ref, "boom")

    probe = Starting()
    with pytest.raises(actors.StartError) as caught:
        actors.launch(probe)
    assert caught.value.reason == "boom"
    assert hear(probe.heard) == ("on_stop", "boom")  # its on_start had come to its end


def child_that(asks: Callable[[Any], Any]) -> type[Probe]:
    """A class of actors that ask their supervisor when they are told to."""

    class Child(Probe):
        def on_receive(self, message: Any) -> Any:
            message.put("asks")
            return asks(self.parent)

    return Child


ASKS: dict[str, Callable[[Any], Any]] = {
    "count": actors.count_children,
    "terminate oneself": lambda supervisor: actors.terminate_child(supervisor, "child"),
    "start": lambda supervisor: actors.start_child(supervisor, actors.ChildSpec("x", Probe.start_link)),
    "stop": lambda supervisor: supervisor.stop(),
}


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("ending", ["stop", "terminate"])
def test_a_child_that_asks_its_supervisor_while_that_ends_it_is_no_deadlock(
    asks: Callable[[Any], Any], ending: str
) -> None:
    spec = actors.ChildSpec("child", child_that(asks).start_link, shutdown="infinity")
    supervisor = actors.Supervisor.start([spec])
    [info] = actors.which_children(supervisor)
    child = info["ref"]
    assert isinstance(child, actors.GeventRef)
    gate, asking = Gate(), queue.SimpleQueue[Any]()
    supervisor.tell(SystemCall(lambda _: gate.wait()))
    gate.reached.get(timeout=SECONDS)
    if ending == "stop":
        done = supervisor.stop(block=False)
    else:
        done = supervisor.ask(method_call(actors.Supervisor.terminate_child, "child"), block=False)
    child.tell(asking)
    hear(asking)
    gate.open()
    done.get(timeout=SECONDS)
    assert child.actor() is None
    assert child.exit_reason in ("shutdown", "normal")
    supervisor.stop()
