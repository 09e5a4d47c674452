"""gen_event: handlers come and go, fail alone, and hear the events of the library's own bus."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest

import actors
from actors import events, gen_event
from actors.behaviours.gen_event import REMOVE_HANDLER, HandlerGone, SwapHandler
from tests.actors.helpers import SECONDS, hear, raise_, start_probe

Heard = queue.SimpleQueue[Any]


class Handler(gen_event.EventHandler):
    """Puts what it hears into a queue; runs functions."""

    def init(self, heard: Heard, *more: Any) -> None:
        self.heard = heard
        if more:
            heard.put(("init", *more))

    def handle_event(self, event: Any) -> Any:
        self.heard.put(("event", event))
        return event(self) if callable(event) else None

    def handle_call(self, request: Any) -> Any:
        return request(self) if callable(request) else ("answer", request)

    def handle_info(self, message: Any) -> Any:
        self.heard.put(("info", message))

    def terminate(self, reason: Any) -> Any:
        self.heard.put(("terminate", reason))
        return "last words"


class Other(Handler):
    pass


@pytest.fixture
def heard() -> Heard:
    return queue.SimpleQueue()


@pytest.fixture
def manager() -> Iterator[actors.GeventRef[Any]]:
    ref = gen_event.GenEvent.start()
    yield ref
    ref.stop()


def test_all_handlers_hear_an_event_in_order(manager: Any, heard: Heard) -> None:
    gen_event.add_handler(manager, Handler, heard)
    gen_event.add_handler(manager, (Handler, 2), heard)
    assert gen_event.which_handlers(manager) == [Handler, (Handler, 2)]
    gen_event.notify(manager, 1)
    gen_event.sync_notify(manager, 2)
    assert [heard.get_nowait() for _ in range(4)] == [("event", 1)] * 2 + [("event", 2)] * 2
    actors.send(manager, "hello")
    assert hear(heard) == ("info", "hello")


def test_one_handler_is_asked(manager: Any, heard: Heard) -> None:
    gen_event.add_handler(manager, Handler, heard)
    assert gen_event.call(manager, Handler, 1) == ("answer", 1)
    assert gen_event.call(manager, Handler, lambda _: ("bye", REMOVE_HANDLER)) == "bye"
    with pytest.raises(KeyError, match="no handler Handler"):
        gen_event.call(manager, Handler, 1)


def test_a_handler_is_removed(manager: Any, heard: Heard) -> None:
    gen_event.add_handler(manager, Handler, heard)
    with pytest.raises(ValueError, match="the handler Handler is there already"):
        gen_event.add_handler(manager, Handler, heard)
    assert gen_event.delete_handler(manager, Handler, "why") == "last words"
    assert hear(heard) == ("terminate", "why")
    with pytest.raises(KeyError):
        gen_event.delete_handler(manager, Handler)
    gen_event.add_handler(manager, Handler, heard)
    gen_event.sync_notify(manager, lambda _: REMOVE_HANDLER)
    assert [hear(heard)[0], hear(heard)] == ["event", ("terminate", "remove_handler")]
    assert gen_event.which_handlers(manager) == []


def test_one_takes_anothers_place(manager: Any, heard: Heard) -> None:
    gen_event.add_handler(manager, Handler, heard)
    gen_event.swap_handler(manager, Handler, "swap", Other, heard)
    assert [hear(heard), hear(heard)] == [("terminate", "swap"), ("init", "last words")]
    gen_event.sync_notify(manager, lambda _: SwapHandler("back", Handler, (heard,)))
    assert [hear(heard)[0], hear(heard), hear(heard)] == [
        "event",
        ("terminate", "back"),
        ("init", "last words"),
    ]
    gen_event.swap_handler(manager, (Other, "absent"), "swap", Other, heard)
    assert hear(heard) == ("init", "error")


def test_a_handler_that_raises_is_removed_alone(manager: Any, heard: Heard) -> None:
    def fail(handler: Handler) -> Any:
        if type(handler) is Handler:
            raise ValueError("no")

    gen_event.add_handler(manager, Handler, heard)
    gen_event.add_handler(manager, Other, heard)
    failures: Heard = queue.SimpleQueue()
    unsubscribe = events.subscribe(events.HookFailed, failures.put)
    try:
        gen_event.sync_notify(manager, fail)
        assert "the handler Handler" in str(failures.get(timeout=SECONDS))
    finally:
        unsubscribe()
    assert gen_event.which_handlers(manager) == [Other]
    with pytest.raises(ZeroDivisionError):
        gen_event.call(manager, Other, lambda _: 1 / 0)
    assert gen_event.which_handlers(manager) == []


def test_a_handler_goes_with_the_actor_that_added_it(manager: Any, heard: Heard) -> None:
    boss, of_boss = start_probe()
    boss.ask(lambda _: gen_event.add_sup_handler(manager, Handler, heard), timeout=SECONDS)
    gen_event.delete_handler(manager, Handler)
    assert hear(of_boss) == HandlerGone(Handler, "normal")
    boss.ask(lambda _: gen_event.add_sup_handler(manager, Handler, heard), timeout=SECONDS)
    hear(heard)
    actors.send_exit(boss, "boom")
    assert hear(heard) == ("terminate", ("stop", "boom"))
    assert gen_event.which_handlers(manager) == []
    with pytest.raises(RuntimeError, match="only an actor"):
        gen_event.add_sup_handler(manager, Handler, heard)


def test_who_added_a_handler_hears_why_it_is_gone(heard: Heard) -> None:
    """The reasons are those of OTP's `gen_event_EXIT`."""
    manager = gen_event.GenEvent.start()
    boss, of_boss = start_probe()

    def add() -> None:
        boss.ask(lambda _: gen_event.add_sup_handler(manager, Handler, heard), timeout=SECONDS)

    add()
    gen_event.sync_notify(manager, lambda _: REMOVE_HANDLER)
    assert hear(of_boss) == HandlerGone(Handler, "normal")
    add()
    error = ValueError("no")
    gen_event.sync_notify(manager, lambda _: raise_(error))
    assert hear(of_boss) == HandlerGone(Handler, error)
    add()
    gen_event.swap_handler(manager, Handler, "swap", Other, heard)
    assert hear(of_boss) == HandlerGone(Handler, ("swapped", Other, boss))
    manager.stop()
    assert hear(of_boss) == HandlerGone(Other, "shutdown")
    boss.stop()


def test_they_end_with_the_manager(heard: Heard) -> None:
    manager = gen_event.GenEvent.start()
    gen_event.add_handler(manager, Handler, heard)
    manager.stop(reason="shutdown")
    assert hear(heard) == ("terminate", "stop")
    gen_event.notify(manager, "lost")


def test_the_librarys_events_come_to_a_manager(manager: Any, heard: Heard) -> None:
    gen_event.add_handler(manager, Handler, heard)
    end = gen_event.listen(manager, events.HookFailed)
    event = events.HookFailed("an actor", "a hook", ValueError("no"))
    events.emit(event)
    assert hear(heard) == ("event", event)
    end()
    events.emit(event)
    gen_event.sync_notify(manager, "last")
    assert hear(heard) == ("event", "last")
