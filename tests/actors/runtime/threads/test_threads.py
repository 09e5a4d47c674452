"""Work that blocks, waits for other runtimes, and the watchdog that finds what was forgotten."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Generator
from typing import Any

import pykka
import pytest
from gevent import threadpool

import actors
from actors import events
from actors.runtime import threads, watchdog
from actors.runtime.hub import Hub
from tests.actors.helpers import SECONDS, Gate, hear, hold, on_hub, raise_, start_probe

variable = contextvars.ContextVar("variable", default="default")


def where_i_run() -> int:
    return threading.get_ident()


def test_blocking_work_runs_in_a_thread_of_its_own_from_a_turn_and_from_a_thread() -> None:
    ref, _ = start_probe()
    threads = {where_i_run(), ref.ask(lambda _: where_i_run())}
    assert ref.ask(lambda _: actors.run_blocking(where_i_run)) not in threads
    assert actors.run_blocking(where_i_run) not in threads
    assert on_hub(actors.run_blocking, where_i_run) not in threads
    ref.stop()


def test_blocking_work_takes_arguments_and_gives_its_result() -> None:
    assert actors.run_blocking(lambda one, *, two: (one, two), 1, two=2) == (1, 2)


@pytest.mark.parametrize("error", [LookupError("boom"), SystemExit(3), KeyboardInterrupt()])
def test_blocking_work_that_raises_raises_in_its_caller(error: BaseException) -> None:
    ref, _ = start_probe()
    with pytest.raises(type(error)) as caught:
        actors.run_blocking(raise_, error)
    assert caught.value is error
    answer = ref.ask(lambda _: actors.run_blocking(raise_, error), block=False)
    with pytest.raises((type(error), actors.ActorDeadError)) as caught:
        answer.get(timeout=SECONDS)
    assert error in (caught.value, caught.value.__cause__)
    assert actors.run_blocking(lambda: "the workers live on") == "the workers live on"
    ref.stop()


def test_blocking_work_sees_its_callers_contextvars_and_cannot_change_them() -> None:
    ref, _ = start_probe()

    def work() -> str:
        seen = variable.get()
        variable.set("of the worker")
        return seen

    def in_turn(_: Any) -> tuple[str, str]:
        variable.set("of the actor")
        return actors.run_blocking(work), variable.get()

    assert ref.ask(in_turn) == ("of the actor", "of the actor")
    ref.stop()


def test_while_one_actor_waits_for_blocking_work_others_have_their_turns() -> None:
    ref, _ = start_probe()
    begun, end = threading.Event(), threading.Event()

    def block() -> str:
        begun.set()
        end.wait(SECONDS)
        return "done"

    answer = ref.ask(lambda _: actors.run_blocking(block), block=False)
    assert begun.wait(SECONDS)
    other, heard = start_probe()
    other.tell("served")
    assert hear(heard) == "served"
    assert not answer.done()
    end.set()
    assert answer.get(timeout=SECONDS) == "done"
    ref.stop()
    other.stop()


def test_work_that_waits_for_a_thread_never_begins_when_its_caller_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = threads._Workers(1)
    monkeypatch.setattr(threads, "_workers", workers)
    begun, end = threading.Event(), threading.Event()
    done: list[str] = []

    def block() -> None:
        begun.set()
        end.wait(SECONDS)
        done.append("first")

    first = actors.spawn(actors.run_blocking, block)
    assert begun.wait(SECONDS)
    refs = [start_probe()[0] for _ in range(3)]  # one is in the pool's queue, two wait to be
    answers = [ref.ask(lambda _: actors.run_blocking(done.append, "killed"), block=False) for ref in refs]
    on_hub(int)
    for ref, answer in zip(refs, answers, strict=True):
        ref.kill()
        with pytest.raises(actors.ActorDeadError):
            answer.get(timeout=SECONDS)
    end.set()
    first.get(timeout=SECONDS)
    actors.run_blocking(done.append, "last")
    assert done == ["first", "last"]
    on_hub(workers._threads().kill)


class NoThreads:
    """A system that starts no more threads than it may."""

    def __init__(self) -> None:
        self.left = 0
        self._start = threadpool.start_new_thread

    def __call__(self, *args: Any) -> Any:
        if not self.left:
            raise RuntimeError("can't start new thread")
        self.left -= 1
        return self._start(*args)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Generator[NoThreads]:
    """No thread can be started; there is none yet for blocking work."""
    no_threads = NoThreads()
    workers = threads._Workers(2)
    monkeypatch.setattr(threadpool, "start_new_thread", no_threads)
    monkeypatch.setattr(threads, "_workers", workers)
    yield no_threads
    on_hub(workers._threads().kill)


def test_blocking_work_fails_where_no_thread_can_be_started_and_is_not_done_later(
    no_threads: NoThreads,
) -> None:
    ref, _ = start_probe()
    done: list[str] = []
    with pytest.raises(RuntimeError, match="can't start new thread"):
        ref.ask(lambda _: actors.run_blocking(done.append, "in a turn"), timeout=SECONDS)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        actors.run_blocking(done.append, "in a thread")
    no_threads.left = 2
    actors.run_blocking(done.append, "later")
    assert done == ["later"]
    ref.stop()


def test_blocking_work_waits_for_a_thread_that_runs_where_no_more_can_be_started(
    no_threads: NoThreads,
) -> None:
    begun, end = threading.Event(), threading.Event()
    done: list[str] = []

    def block() -> None:
        begun.set()
        end.wait(SECONDS)
        done.append("first")

    no_threads.left = 1
    first = actors.spawn(actors.run_blocking, block)
    assert begun.wait(SECONDS)
    second = actors.spawn(actors.run_blocking, done.append, "second")
    on_hub(int)
    assert done == []
    end.set()
    first.get(timeout=SECONDS)
    second.get(timeout=SECONDS)
    assert done == ["first", "second"]


def test_a_caller_killed_meanwhile_is_gone_at_once_and_the_work_goes_on() -> None:
    ref, _ = start_probe()
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        end.wait(SECONDS)
        ended.set()

    answer = ref.ask(lambda _: actors.run_blocking(block), block=False)
    assert begun.wait(SECONDS)
    ref.kill()
    with pytest.raises(actors.ActorDeadError) as caught:
        answer.get(timeout=SECONDS)
    assert caught.value.reason == "killed"
    assert not ended.is_set()
    end.set()
    assert ended.wait(SECONDS)


@pytest.fixture
def worker_count() -> Generator[None]:
    """The number of workers is as it was, afterwards."""
    yield
    actors.set_workers(threads.DEFAULT_WORKERS, long=threads.DEFAULT_LONG_WORKERS)


@pytest.mark.usefixtures("worker_count")
def test_there_are_as_many_workers_as_were_set_and_more_work_waits_for_one() -> None:
    actors.set_workers(2)
    running = threading.Semaphore(0)
    end = threading.Event()
    active, most = 0, 0
    lock = threading.Lock()

    def block() -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        running.release()
        end.wait(SECONDS)
        with lock:
            active -= 1

    refs = [start_probe()[0] for _ in range(5)]
    answers = [ref.ask(lambda _: actors.run_blocking(block), block=False) for ref in refs]
    for _ in range(2):
        assert running.acquire(timeout=SECONDS)
    assert on_hub(lambda: "the hub goes on") == "the hub goes on"
    end.set()
    for answer in answers:
        answer.get(timeout=SECONDS)
    assert most == 2
    for ref in refs:
        ref.stop()


@pytest.mark.usefixtures("worker_count")
def test_workers_may_be_added_while_all_are_busy() -> None:
    actors.set_workers(1)
    end = threading.Event()
    first = actors.spawn(actors.run_blocking, end.wait, SECONDS)
    second = actors.spawn(actors.run_blocking, lambda: "second")
    on_hub(lambda: None)
    assert not second.done()
    actors.set_workers(2)
    assert second.get(timeout=SECONDS) == "second"
    end.set()
    assert first.get(timeout=SECONDS) is True


@pytest.mark.usefixtures("worker_count")
def test_long_work_takes_no_thread_from_short_work_nor_short_work_from_long() -> None:
    actors.set_workers(1, long=1)
    end = threading.Event()
    busy = [actors.spawn(run, end.wait, SECONDS) for run in (actors.run_long, actors.run_blocking)]
    waiting = [actors.spawn(run, lambda: "had a thread") for run in (actors.run_long, actors.run_blocking)]
    on_hub(lambda: None)
    assert not any(each.done() for each in waiting)
    actors.set_workers(2)
    assert waiting[1].get(timeout=SECONDS) == "had a thread"
    assert not waiting[0].done()
    actors.set_workers(long=2)
    assert waiting[0].get(timeout=SECONDS) == "had a thread"
    end.set()
    assert [each.get(timeout=SECONDS) for each in busy] == [True, True]


@pytest.mark.parametrize("count", [0, -1])
def test_no_workers_at_all_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        actors.set_workers(count)
    with pytest.raises(ValueError, match="at least 1"):
        actors.set_workers(long=count)


# -- other runtimes -----------------------------------------------------------------------------------


class Threaded(pykka.ThreadingActor):
    """A stock Pykka actor."""

    def on_receive(self, message: Any) -> Any:
        return message() if callable(message) else message


def test_a_turn_calls_a_threaded_actor_without_holding_up_the_others() -> None:
    threaded = Threaded.start()
    begun, end = threading.Event(), threading.Event()

    def block() -> str:
        begun.set()
        end.wait(SECONDS)
        return "done"

    ref, _ = start_probe()
    answer = ref.ask(lambda _: actors.call(threaded, block, SECONDS), block=False)
    assert begun.wait(SECONDS)
    other, heard = start_probe()
    other.tell("served")
    assert hear(heard) == "served"
    end.set()
    assert answer.get(timeout=SECONDS) == "done"
    for each in (ref, other, threaded):
        each.stop()


def test_a_call_raises_what_the_actor_raised_and_times_out_and_tells_of_the_dead() -> None:
    threaded = Threaded.start()
    ref, _ = start_probe()
    gate = hold(ref)
    with pytest.raises(ZeroDivisionError):
        actors.call(threaded, lambda: 1 / 0)
    with pytest.raises(pykka.Timeout):
        actors.call(ref, "hello", 0.01)
    gate.open()
    threaded.stop()
    ref.stop()
    for dead in (threaded, ref):
        with pytest.raises(actors.ActorDeadError):
            actors.call(dead, "hello")


def test_a_threaded_actor_asks_and_stops_one_of_ours() -> None:
    ref, _ = start_probe()
    threaded = Threaded.start()
    assert threaded.ask(lambda: ref.ask(lambda _: "answer")) == "answer"
    assert threaded.ask(ref.stop) is True
    threaded.stop()


@pytest.fixture
def event_loop_thread() -> Generator[asyncio.AbstractEventLoop]:
    """An asyncio event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    loop.close()


def test_a_turn_waits_for_a_coroutine_without_holding_up_the_others(
    event_loop_thread: asyncio.AbstractEventLoop,
) -> None:
    gate = Gate()

    async def wait() -> Any:
        gate.reached.set()
        return await gate._opened

    ref, _ = start_probe()
    answer = ref.ask(lambda _: actors.run_coroutine(wait(), event_loop_thread), block=False)
    gate.reached.get(timeout=SECONDS)
    other, heard = start_probe()
    other.tell("served")
    assert hear(heard) == "served"
    gate.open("done")
    assert answer.get(timeout=SECONDS) == "done"
    ref.stop()
    other.stop()


def test_a_coroutine_is_run_for_the_actor_whose_turn_waits(
    event_loop_thread: asyncio.AbstractEventLoop,
) -> None:
    async def whose() -> Any:
        await asyncio.sleep(0)
        return actors.current()

    ref, _ = start_probe()
    assert ref.ask(lambda _: actors.run_coroutine(whose(), event_loop_thread)) is ref
    ref.stop()


def test_a_coroutine_that_raises_raises_in_its_caller(event_loop_thread: asyncio.AbstractEventLoop) -> None:
    async def fail() -> None:
        raise LookupError("boom")

    with pytest.raises(LookupError, match="boom"):
        actors.run_coroutine(fail(), event_loop_thread)


def test_a_coroutine_whose_caller_is_killed_is_cancelled(
    event_loop_thread: asyncio.AbstractEventLoop,
) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    ref, _ = start_probe()
    ref.tell(lambda _: actors.run_coroutine(wait(), event_loop_thread))
    assert begun.wait(SECONDS)
    ref.kill()
    assert cancelled.wait(SECONDS)
    actors.wait_down(ref, SECONDS)


# -- the watchdog -------------------------------------------------------------------------------------


@pytest.fixture
def stalls(monkeypatch: pytest.MonkeyPatch) -> Generator[actors.GeventFuture[Any]]:
    """The first stall of the hub that is reported, with a low threshold."""
    monkeypatch.setattr(watchdog, "threshold", 0.1)
    first = actors.GeventFuture[Any]()

    def note(event: Any) -> None:
        if not first.done():
            first.set(event)

    unsubscribe = events.subscribe(events.HubStalled, note)
    yield first
    unsubscribe()


def wait_until_parked() -> None:
    """Return when the watchdog sleeps; it is looked at from outside the hub."""
    dog = Hub.current().watchdog
    pause = threading.Event()
    for _ in range(1000):
        if dog.parked:
            return
        pause.wait(SECONDS / 1000)
    raise AssertionError("the watchdog never parked")


def block_the_hub_here(until: threading.Event) -> None:
    until.wait(SECONDS)


def test_a_stalled_hub_is_reported_with_the_stack_that_stalls_it(
    stalls: actors.GeventFuture[Any], caplog: pytest.LogCaptureFixture
) -> None:
    ref, _ = start_probe()
    wait_until_parked()
    end = threading.Event()
    ref.tell(lambda _: block_the_hub_here(end))
    event = stalls.get(timeout=SECONDS)
    end.set()
    ref.stop()
    assert event.seconds >= 0.1
    assert "block_the_hub_here" in event.stack
    assert "actors.run_blocking" in caplog.text
    assert "block_the_hub_here" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_actor_that_waits_stalls_nothing(stalls: actors.GeventFuture[Any]) -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    with pytest.raises(pykka.Timeout):
        stalls.get(timeout=0.3)
    gate.open()
    ref.stop()


def test_the_watchdog_sleeps_while_there_is_nothing_to_watch_and_wakes_for_the_next_turn() -> None:
    ref, _ = start_probe()
    ref.ask(lambda _: None)
    wait_until_parked()
    assert ref.ask(lambda _: Hub.current().watchdog.parked) is False
    ref.stop()
    wait_until_parked()


def test_the_watchdog_is_started_by_later_turns_where_no_thread_can_be_started_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dog = watchdog.Watchdog(Hub.current())
    with monkeypatch.context() as patch:
        patch.setattr(
            watchdog, "_start_new_thread", lambda *_: raise_(RuntimeError("can't start new thread"))
        )
        dog.wake()
        assert dog.parked
    dog.wake()
    assert not dog.parked
    dog.stop()
