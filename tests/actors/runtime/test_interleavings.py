"""Threads that start, kill, link, monitor, ask and restart at the same time leave nothing behind.

Each round has a seed, which its failure names; the threads meet at a barrier, so that they run together.
"""

from __future__ import annotations

import gc
import queue
import random
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

import actors
from actors import ChildSpec, Supervisor
from actors.runtime.hub import IDLE_GREENLETS, Hub, TurnGreenlet
from tests.actors.helpers import (
    SECONDS,
    Probe,
    hear,
    live_actors,
    on_hub,
    open_sockets,
    start_probe,
    turns_under_way,
)
from tests.actors.workers import Worker

Action = Callable[[random.Random], None]
MAY_FAIL = (actors.ActorDeadError, actors.StartError, actors.ChildStateError, KeyError)


def together(seed: int, actions: list[Action], times: int) -> None:
    """Run each action in a thread of its own, so many times, all at once; raise what one raised."""
    barrier = threading.Barrier(len(actions))
    failed: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def run(number: int, action: Action) -> None:
        chance = random.Random(f"{seed}/{number}")
        try:
            barrier.wait(SECONDS)
            for _ in range(times):
                try:
                    action(chance)
                except MAY_FAIL:
                    continue  # what was meant is gone already: that is what races are like
        except BaseException as error:
            failed.put(error)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), f"a thread hangs (seed {seed})"
    if not failed.empty():
        raise AssertionError(f"seed {seed}") from failed.get()


def pending_timers() -> int:
    """The timers that are still to ring, counted in the hub."""
    pending: int = on_hub(lambda: sum(entry[2].pending for entry in Hub.current().timers._heap))
    return pending


def living_greenlets() -> int:
    """The greenlets that hold a turn."""
    gc.collect()
    found = [each for each in gc.get_objects() if type(each) is TurnGreenlet]
    return sum(bool(each) and not each.dead for each in found)


def assert_nothing_is_left(sockets: set[str], timers: int) -> None:
    """No actor, name, registration, turn, timer, socket or greenlet beyond the pool's is left."""
    assert live_actors() == []
    assert actors.registered() == []
    assert pykka.ActorRegistry.get_all() == []
    assert on_hub(turns_under_way) == 0
    assert pending_timers() <= timers
    assert open_sockets() <= sockets
    assert living_greenlets() <= IDLE_GREENLETS


def busy_worker(chance: random.Random) -> ChildSpec:
    """A child of some kind."""
    return ChildSpec(
        chance.randrange(4),
        (Worker.start_link, ["worker", []]),
        restart=chance.choice(["permanent", "transient", "temporary"]),
        shutdown=chance.choice([5.0, "brutal_kill", "infinity"]),
    )


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("seed", range(35))
def test_a_supervisor_that_many_use_and_many_hurt_takes_all_along(seed: int, strategy: Any) -> None:
    sockets, timers = open_sockets(), pending_timers()
    supervisor = Supervisor.start(
        [
            ChildSpec(
                n,
                (
                    Worker.start_link,
                    [str(n), []],
                ),
            )
            for n in range(3)
        ],
        strategy=strategy,
        intensity=random.Random(seed).choice([3, 1000]),
        period=60,
    )

    def some_child(chance: random.Random) -> Any:
        running = [each["ref"] for each in actors.which_children(supervisor)]
        return chance.choice([ref for ref in running if isinstance(ref, actors.GeventRef)] or [supervisor])

    def start(chance: random.Random) -> None:
        actors.start_child(supervisor, busy_worker(chance))

    def hurt(chance: random.Random) -> None:
        ref = some_child(chance)
        if ref is not supervisor:
            chance.choice([ref.kill, ref.stop, lambda: actors.send_exit(ref, "boom")])()

    def manage(chance: random.Random) -> None:
        child_id = chance.randrange(4)
        requests = [actors.terminate_child, actors.restart_child, actors.delete_child]
        chance.choice(requests)(supervisor, child_id)

    def ask(chance: random.Random) -> None:
        counted = actors.count_children(supervisor)
        assert 0 <= counted["active"] <= counted["specs"] <= 4

    together(seed, [start, hurt, hurt, manage, ask], times=6)
    supervisor.stop(timeout=SECONDS)
    assert_nothing_is_left(sockets, timers)


@pytest.mark.parametrize("seed", range(30))
def test_every_end_is_heard_once_by_every_bond_however_it_comes_about(seed: int) -> None:
    sockets, timers = open_sockets(), pending_timers()
    watcher, heard = start_probe(trap_exits=True)
    bonds: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()

    def bind(chance: random.Random) -> None:
        ref, _ = start_probe(trap_exits=chance.random() < 0.5)
        actors.link(watcher, ref)
        bonds.put((ref, actors.monitor(ref, watcher)))
        ends: list[Any] = [ref.kill, lambda: ref.stop(block=False), lambda: actors.send_exit(ref, "kill")]
        chance.choice(ends)()
        if chance.random() < 0.5:
            ref.stop(timeout=SECONDS)

    together(seed, [bind] * 4, times=6)
    made = [bonds.get_nowait() for _ in range(bonds.qsize())]
    assert len(made) == 24
    for ref, _ in made:
        actors.wait_down(ref, SECONDS)
    watcher.tell("that was all")
    messages = list(iter(lambda: hear(heard), "that was all"))
    exits = [message.ref for message in messages if isinstance(message, actors.Exit)]
    downs = [message.monitor for message in messages if isinstance(message, actors.Down)]
    assert sorted(map(id, exits)) == sorted(id(ref) for ref, _ in made)
    assert sorted(map(id, downs)) == sorted(id(watching) for _, watching in made)
    watcher.stop()
    assert_nothing_is_left(sockets, timers)


@pytest.mark.parametrize("seed", range(30))
def test_starts_kills_and_questions_by_one_name_leave_the_name_free(seed: int) -> None:
    sockets, timers = open_sockets(), pending_timers()

    def start(chance: random.Random) -> None:
        actors.launch(Probe(), name="contested", linked=chance.random() < 0.5)

    def end(chance: random.Random) -> None:
        ref: Any = actors.whereis("contested")
        if ref is not None:
            chance.choice([ref.kill, ref.stop, lambda: ref.stop(block=False)])()

    def ask(chance: random.Random) -> None:
        assert actors.call("contested", lambda _: "answer", timeout=SECONDS) == "answer"

    def suspend(chance: random.Random) -> None:
        actors.sys.suspend("contested", timeout=SECONDS)
        actors.sys.resume("contested", timeout=SECONDS)

    def remind(chance: random.Random) -> None:
        timer = actors.start_timer(chance.choice([0, 30]), "contested", "reminder")
        actors.cancel_timer(timer)

    together(seed, [start, start, end, ask, suspend, remind], times=8)
    last: Any = actors.whereis("contested")
    if last is not None:
        last.stop(timeout=SECONDS)
    for actor in live_actors():
        actors.wait_down(actor.actor_ref, SECONDS)
    assert_nothing_is_left(sockets, timers)


@pytest.mark.parametrize("seed", range(30))
def test_a_tree_that_is_killed_anywhere_at_any_time_is_gone_when_its_root_is_stopped(seed: int) -> None:
    sockets, timers = open_sockets(), pending_timers()

    def inner() -> Any:
        return Supervisor.start_link(
            [ChildSpec(n, (Worker.start_link, [str(n), []])) for n in range(2)], intensity=2, period=60
        )

    root = Supervisor.start(
        [ChildSpec(n, inner, type="supervisor") for n in range(3)], intensity=1000, period=60
    )

    def hurt(chance: random.Random) -> None:
        victims = [actor.actor_ref for actor in live_actors() if actor.actor_ref is not root]
        if victims:
            chance.choice(victims).kill()

    def look(chance: random.Random) -> None:
        for each in actors.which_children(root):
            if isinstance(each["ref"], actors.GeventRef):
                actors.count_children(each["ref"])

    together(seed, [hurt, hurt, look], times=10)
    root.stop(timeout=SECONDS)
    for actor in live_actors():
        actors.wait_down(actor.actor_ref, SECONDS)
    assert_nothing_is_left(sockets, timers)
