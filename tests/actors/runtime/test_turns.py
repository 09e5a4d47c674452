"""Turns on the hub: fairness, what an idle actor costs, and what a waiting one holds up."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

import gevent
import greenlet
import pytest
from gevent.local import local as gevent_local

import actors
from actors.runtime.actor import MESSAGES_PER_TURN
from actors.runtime.hub import IDLE_GREENLETS, Hub
from tests.actors.helpers import SECONDS, Gate, Probe, hear, hold, live_actors, on_hub, start_probe


def count_greenlets() -> int:
    """All greenlets that have begun and not ended."""
    gc.collect()
    return sum(isinstance(each, greenlet.greenlet) and bool(each) for each in gc.get_objects())


class Recorder(actors.GeventActor):
    """Writes down whose message was handled, in the order of handling."""

    def __init__(self, label: str, order: list[str]) -> None:
        super().__init__()
        self.label = label
        self.order = order

    def on_receive(self, message: Any) -> None:
        self.order.append(self.label)


def test_an_actor_that_is_flooded_queues_behind_the_others_after_its_budget() -> None:
    order: list[str] = []
    blocker, _ = start_probe()
    flooded = Recorder.start("flooded", order)
    other = Recorder.start("other", order)

    def flood(_: Probe) -> None:
        for _ in range(MESSAGES_PER_TURN * 5):
            flooded.tell("flood")
        other.tell("one")

    blocker.ask(flood)
    flooded.stop()
    other.stop()
    blocker.stop()
    assert order.index("other") == MESSAGES_PER_TURN
    assert order.count("flooded") == MESSAGES_PER_TURN * 5


def test_an_actor_that_writes_to_itself_for_ever_starves_nobody() -> None:
    go_on = True

    class Restless(actors.GeventActor):
        def on_receive(self, message: Any) -> None:
            if go_on:
                self.actor_ref.tell(message)

    restless = Restless.start()
    restless.tell("again")
    other, heard = start_probe()
    other.tell("served")
    assert hear(heard) == "served"
    assert on_hub(lambda: "so are greenlets") == "so are greenlets"
    go_on = False
    restless.stop()
    other.stop()


def test_an_actor_that_wants_more_turns_without_messages_starves_nobody() -> None:
    class Busy(Probe):
        more = True

        def on_turn(self) -> bool:
            return self.more

    busy = Busy.start()
    other, heard = start_probe()
    other.tell("served")
    assert hear(heard) == "served"
    busy.ask(lambda probe: setattr(probe, "more", False))
    busy.stop()
    other.stop()


def test_an_actor_that_waits_in_its_turn_takes_no_other_and_holds_up_nobody() -> None:
    waiting, waiting_heard = start_probe()
    gate = hold(waiting)
    waiting.tell("queued")
    other, heard = start_probe()
    other.tell("served")
    assert hear(heard) == "served"
    assert waiting_heard.empty()
    gate.open()
    assert hear(waiting_heard) == "queued"
    waiting.stop()
    other.stop()


def test_one_actor_never_runs_in_two_turns_at_once() -> None:
    inside = 0
    most = 0

    def enter(_: Probe) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        gevent.sleep(0)
        inside -= 1

    ref, _ = start_probe()
    threads = [threading.Thread(target=lambda: [ref.tell(enter) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    ref.stop()
    assert (most, inside) == (1, 0)


def test_all_actors_run_on_one_daemon_thread() -> None:
    refs = [start_probe()[0] for _ in range(3)]
    threads = {ref.ask(lambda _: threading.get_ident()) for ref in refs}
    assert threads == {Hub.current().thread_id}
    assert threading.get_ident() not in threads
    for ref in refs:
        ref.stop()


def test_idle_actors_hold_no_greenlet() -> None:
    start_probe()[0].stop()
    before = count_greenlets()
    refs = [start_probe()[0] for _ in range(200)]
    for ref in refs:
        ref.ask(lambda _: None)
    assert count_greenlets() <= before + 2
    for ref in refs:
        ref.stop()


def test_a_waiting_actor_holds_one_greenlet_and_the_pool_keeps_only_so_many() -> None:
    refs = [start_probe()[0] for _ in range(IDLE_GREENLETS * 2)]
    before = count_greenlets()
    gates = [hold(ref) for ref in refs]
    assert count_greenlets() >= before + IDLE_GREENLETS
    for gate in gates:
        gate.open()
    for ref in refs:
        ref.stop()
    assert on_hub(lambda: len(Hub.current().idle)) == IDLE_GREENLETS
    assert count_greenlets() <= before + IDLE_GREENLETS


def test_ten_thousand_idle_actors_are_cheap() -> None:
    """One object and a few small ones each; nothing that grows with what is alive already."""
    refs = [Quiet.start() for _ in range(10_000)]
    assert len(live_actors()) == 10_000
    actor = refs[0]._actor_weakref()
    own = [actor, actor.__dict__, refs[0], refs[0].__dict__, actor.mailbox]
    assert sum(map(sys.getsizeof, own)) < 2000
    assert refs[0].ask("ping") == refs[-1].ask("ping") == "ping"
    for ref in refs:
        ref.stop(block=False)
    for ref in refs:
        actors.wait_down(ref, SECONDS)


class Quiet(actors.GeventActor):
    """As a session: many of them, none in Pykka's list."""

    in_registry = False

    def on_receive(self, message: Any) -> Any:
        return message


def test_the_runtime_holds_an_actor_that_nobody_else_holds() -> None:
    class Holder(Probe):
        pass

    urn = Holder.start().actor_urn
    gc.collect()
    (actor,) = [actor for actor in live_actors() if actor.actor_urn == urn]
    actor.actor_ref.stop()


def test_an_actor_that_has_ended_is_collected() -> None:
    ref, _ = start_probe()
    ref.ask(lambda _: None)
    ref.stop()
    on_hub(lambda: None)  # its last turn is over
    gc.collect()
    assert ref._actor_weakref() is None


def test_gevents_local_belongs_to_the_pools_greenlet_not_to_the_actor() -> None:
    """As threading.local does to a thread pool's thread: contextvars are an actor's own instead."""
    local = gevent_local()
    first, _ = start_probe()
    second, _ = start_probe()
    first.ask(lambda _: setattr(local, "left_behind", True))
    assert second.ask(lambda _: getattr(local, "left_behind", False))
    first.stop()
    second.stop()


@pytest.mark.parametrize("count", [1, 64])
def test_spawned_greenlets_give_their_results(count: int) -> None:
    gate = Gate()
    futures = [actors.spawn(lambda number=number: (gate.wait(), number)) for number in range(count)]
    gate.reached.get(timeout=SECONDS)
    gate.open("opened")
    assert [future.get(timeout=SECONDS) for future in futures] == [("opened", n) for n in range(count)]
