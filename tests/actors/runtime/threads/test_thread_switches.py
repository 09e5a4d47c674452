"""What threads do at the same time to the runtime, wherever Python lets another of them run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest

import actors
from actors import events
from actors.runtime import refs
from actors.runtime.hub import Hub
from actors.runtime.mailbox import Envelope, Mailbox
from tests.actors.helpers import SECONDS, on_hub, turns_under_way

THREADS = 8


@pytest.fixture(autouse=True)
def _switches_everywhere() -> Generator[None]:
    """Python looks for another thread to run as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(before)


def at_the_same_time(function: Callable[[int], Any]) -> list[Any]:
    """What a function returns for each number in a thread of its own."""
    together = threading.Barrier(THREADS)
    results: list[Any] = [None] * THREADS

    def run(number: int) -> None:
        together.wait(SECONDS)
        results[number] = function(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    return results


class Collector(actors.GeventActor):
    """Keeps what it gets, and counts its turns."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []
        self.turns = 0

    def on_receive(self, message: Any) -> Any:
        if message is None:
            return self.got
        self.got.append(message)
        return None

    def on_turn(self) -> bool:
        self.turns += 1
        return False


def test_all_get_the_same_name_of_an_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """Lets others run in the middle of making a name."""

        def __init__(self) -> None:
            self.last = 0

        def __next__(self) -> int:
            self.last += 1
            number = self.last
            time.sleep(0)
            return number

    monkeypatch.setattr(refs, "_numbers", Slow())
    for _ in range(50):
        actor = Collector()
        assert len(set(at_the_same_time(lambda _, ref=actor.actor_ref: ref.actor_urn))) == 1
        actors.launch(actor).stop()


def test_all_get_the_same_bonds_of_an_actor() -> None:
    for _ in range(50):
        actor = Collector()
        assert len({id(bonds) for bonds in at_the_same_time(lambda _, ref=actor.actor_ref: ref.bonds)}) == 1
        actors.launch(actor).stop()


def test_every_message_is_handled_once_and_in_its_senders_order() -> None:
    count = 300
    ref = Collector.start()

    def send(sender: int) -> None:
        for number in range(count):
            ref.tell((sender, number))

    at_the_same_time(send)
    got = ref.ask(None, timeout=SECONDS)
    assert len(got) == THREADS * count
    for sender in range(THREADS):
        assert [number for each, number in got if each == sender] == list(range(count))
    ref.stop()


def test_every_ask_of_an_actor_that_was_at_rest_is_answered() -> None:
    ref = Collector.start()

    def ask(_: int) -> int:
        return sum(ref.ask(None, timeout=SECONDS) == [] for _ in range(100))

    assert at_the_same_time(ask) == [100] * THREADS
    ref.stop()


def test_an_actor_gets_its_turn_wherever_it_is_asked_for() -> None:
    ref = Collector.start()
    hub = Hub.current()
    askers: list[Callable[[], object]] = [
        lambda: ref.tell("from a thread"),
        lambda: on_hub(ref.tell, "from a greenlet of the hub"),
        lambda: hub.run_soon(ref.tell, "by run_soon"),
        lambda: on_hub(hub.run_soon, ref.tell, "by run_soon on the hub"),
    ]
    for number, ask in enumerate(askers, start=1):
        ask()
        done = actors.GeventFuture[None]()
        hub.run_soon(done.set)  # behind what was asked for
        done.get(timeout=SECONDS)
        assert len(ref.ask(None, timeout=SECONDS)) == number
    ref.stop()


def test_an_actor_that_is_in_line_twice_finds_nothing_to_do_the_second_time() -> None:
    actor = Collector()
    ref = actors.launch(actor)

    def put_in_twice() -> int:
        hub, turns = Hub.current(), actor.turns
        ref.tell("once")
        assert actor.mailbox.due
        actor.mailbox.due = False  # as another thread saw it, before this one put it in
        hub.schedule(actor.mailbox)
        return turns

    turns = on_hub(put_in_twice)
    assert ref.ask(None, timeout=SECONDS) == ["once"]
    assert on_hub(lambda: actor.turns - turns) >= 2
    assert on_hub(turns_under_way) == 0
    assert on_hub(lambda: actor.mailbox.scheduled) is False
    ref.stop()


def test_messages_may_be_discarded_while_the_owner_takes_one() -> None:
    mailbox = Mailbox()

    def work(number: int) -> list[Any]:
        if number == 0:
            return [mailbox.take() for _ in range(2000)]
        for each in range(500):
            if number % 2:
                mailbox.put(Envelope(each))
            else:
                mailbox.discard(lambda _: True)
        return [None]

    taken = at_the_same_time(work)
    assert taken[1:] == [[None]] * (THREADS - 1)
    assert {type(each) for each in taken[0]} <= {Envelope, type(None)}


@dataclass(frozen=True, slots=True)
class Happened(events.Event):
    """Something happened."""


def test_no_subscription_is_lost_and_none_is_left() -> None:
    heard: list[int] = []

    def subscribe(number: int) -> list[Callable[[], None]]:
        return [events.subscribe(Happened, lambda _: heard.append(number)) for _ in range(100)]

    ends = at_the_same_time(subscribe)
    events.emit(Happened())
    assert sorted(heard) == sorted(list(range(THREADS)) * 100)
    at_the_same_time(lambda number: [end() for end in ends[number]])
    heard.clear()
    events.emit(Happened())
    assert heard == []
