"""Waiting for a result in a plain thread, in a greenlet, in a thread with a hub and in asyncio."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pykka
import pytest

import actors
from actors.runtime.future import Signal, try_set, try_set_exception
from tests.actors.helpers import SECONDS, Gate, Probe, hold, on_hub, start_probe


def in_thread(function: Callable[[], Any]) -> actors.GeventFuture[Any]:
    """Run a function in a plain thread; the future has what it returned or raised."""
    result = actors.GeventFuture[Any]()

    def run() -> None:
        try:
            value = function()
        except BaseException as error:
            try_set_exception(result, error)
        else:
            try_set(result, value)

    threading.Thread(target=run).start()
    return result


def in_thread_with_hub(function: Callable[[], Any]) -> actors.GeventFuture[Any]:
    """The same in a thread that has a gevent hub of its own."""

    def run() -> Any:
        hub = gevent.get_hub()
        try:
            return function()
        finally:
            hub.destroy(destroy_loop=True)

    return in_thread(run)


def test_a_plain_thread_waits_for_what_another_sets() -> None:
    future = actors.GeventFuture[int]()
    waiting = in_thread(lambda: future.get(timeout=SECONDS))
    future.set(7)
    assert waiting.get(timeout=SECONDS) == 7
    assert future.get() == 7


def test_a_greenlet_of_the_hub_waits_without_blocking_the_hub() -> None:
    future = actors.GeventFuture[int]()
    waiting = actors.spawn(future.get)
    assert on_hub(lambda: "the hub goes on") == "the hub goes on"
    assert not waiting.done()
    future.set(7)
    assert waiting.get(timeout=SECONDS) == 7


def test_a_thread_with_a_hub_of_its_own_runs_its_greenlets_while_it_waits() -> None:
    future = actors.GeventFuture[int]()

    def wait() -> tuple[int, int]:
        other = gevent.spawn(lambda: future.set(7))
        return future.get(timeout=SECONDS), other.get()

    assert in_thread_with_hub(wait).get(timeout=SECONDS) == (7, None)


def test_waiting_on_an_otherwise_empty_hub_is_no_loop_exit() -> None:
    """gevent's own AsyncResult raises LoopExit here, since nothing else could wake the loop."""
    future = actors.GeventFuture[int]()
    reached = threading.Event()

    def wait() -> int:
        gevent.get_hub().loop.run_callback(reached.set)
        value: int = future.get(timeout=SECONDS)
        return value

    waiting = in_thread_with_hub(wait)
    assert reached.wait(SECONDS)
    future.set(7)
    assert waiting.get(timeout=SECONDS) == 7


@pytest.mark.parametrize("where", [in_thread, in_thread_with_hub, actors.spawn])
def test_a_timeout_is_pykkas_and_a_late_result_stays(where: Any) -> None:
    future = actors.GeventFuture[int]()
    with pytest.raises(pykka.Timeout, match=r"0\.01 seconds"):
        where(lambda: future.get(timeout=0.01)).get(timeout=SECONDS)
    future.set(7)
    assert where(lambda: future.get(timeout=0)).get(timeout=SECONDS) == 7


@pytest.mark.parametrize("where", [in_thread, in_thread_with_hub, actors.spawn])
def test_a_wait_of_no_time_at_all_returns_at_once(where: Any) -> None:
    future = actors.GeventFuture[int]()
    with pytest.raises(pykka.Timeout):
        where(lambda: future.get(timeout=0)).get(timeout=SECONDS)


def test_an_exception_is_raised_where_it_is_waited_for_with_its_traceback() -> None:
    future = actors.GeventFuture[int]()
    try:
        raise LookupError("here")
    except LookupError:
        future.set_exception()
    with pytest.raises(LookupError, match="here") as caught:
        future.get()
    assert str(caught.traceback[-1].statement).strip() == 'raise LookupError("here")'
    with pytest.raises(LookupError):
        future.get()


def test_a_second_result_is_refused_as_in_pykka() -> None:
    future = actors.GeventFuture[int]()
    future.set(7)
    with pytest.raises(queue.Full):
        future.set(8)
    with pytest.raises(queue.Full):
        future.set_exception((LookupError, LookupError(), None))
    with pytest.raises(queue.Full):
        future.set_get_hook(lambda _: 8)
    try_set(future, 8)
    try_set_exception(future, LookupError())
    try_set(None, 8)
    try_set_exception(None, LookupError())
    assert future.get() == 7


def test_only_one_of_many_threads_sets_the_result() -> None:
    future = actors.GeventFuture[int]()
    start = threading.Barrier(8)

    def claim(number: int) -> int:
        start.wait(SECONDS)
        try:
            future.set(number)
        except queue.Full:
            return 0
        return 1

    claims = [in_thread(lambda number=number: claim(number)) for number in range(8)]
    assert sum(each.get(timeout=SECONDS) for each in claims) == 1
    assert future.get() in range(8)


def test_on_done_calls_back_once_also_when_the_result_was_there() -> None:
    future = actors.GeventFuture[int]()
    calls: list[str] = []
    future.on_done(lambda: calls.append("early"))
    future.set(7)
    future.on_done(lambda: calls.append("late"))
    assert calls == ["early", "late"]


def test_pykkas_map_filter_join_and_reduce_work_in_a_greenlet() -> None:
    futures = [actors.GeventFuture[Any]() for _ in range(2)]
    mapped = actors.spawn(futures[0].map(lambda value: value + 1).get)
    joined = actors.spawn(futures[0].join(futures[1]).get)
    filtered = actors.spawn(futures[1].filter(lambda value: value > 2).get)
    reduced = actors.spawn(futures[1].reduce(lambda a, b: a + b).get)
    futures[0].set(1)
    futures[1].set([1, 2, 3])
    assert mapped.get(timeout=SECONDS) == 2
    assert joined.get(timeout=SECONDS) == [1, [1, 2, 3]]
    assert filtered.get(timeout=SECONDS) == [3]
    assert reduced.get(timeout=SECONDS) == 6


# -- Signal -------------------------------------------------------------------------------------------


def test_a_signal_wakes_all_that_wait_and_stays_up() -> None:
    signal = Signal()
    waiting = [where(lambda: signal.wait(SECONDS)) for where in (in_thread, in_thread_with_hub, actors.spawn)]
    assert not signal.is_set()
    signal.set()
    signal.set()
    assert [each.get(timeout=SECONDS) for each in waiting] == [True, True, True]
    assert signal.is_set()
    assert signal.wait(0)


@pytest.mark.parametrize("where", [in_thread, in_thread_with_hub, actors.spawn])
def test_a_signal_that_does_not_come_is_told_by_the_return_value(where: Any) -> None:
    signal = Signal()
    assert where(lambda: signal.wait(0.01)).get(timeout=SECONDS) is False


def test_a_wait_that_timed_out_leaves_no_callback_behind() -> None:
    signal = Signal()
    in_thread(lambda: signal.wait(0.001)).get(timeout=SECONDS)
    actors.spawn(signal.wait, 0.001).get(timeout=SECONDS)
    assert not signal._callbacks


def test_a_callback_taken_back_is_not_called() -> None:
    signal = Signal()
    calls: list[int] = []
    callback = calls.append
    first = lambda: callback(1)  # noqa: E731
    signal.on_set(first)
    signal.forget(first)
    signal.forget(first)
    signal.set()
    signal.forget(first)
    assert calls == []


# -- asyncio ------------------------------------------------------------------------------------------


async def loop_goes_on_during(awaitable: Any, release: Callable[[], object]) -> Any:
    """Await something that ends only after `release`, which is called by the loop while it waits."""

    async def wait() -> Any:
        return await awaitable

    task = asyncio.create_task(wait())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    release()
    return await asyncio.wait_for(task, SECONDS)


def test_awaiting_an_ask_does_not_block_the_event_loop() -> None:
    ref, _ = start_probe()
    gate = Gate()
    answer = ref.ask(lambda _: gate.wait(), block=False)
    assert asyncio.run(loop_goes_on_during(answer, lambda: gate.open("answer"))) == "answer"
    ref.stop()


def test_awaiting_a_stop_does_not_block_the_event_loop() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    assert asyncio.run(loop_goes_on_during(ref.stop(block=False), gate.open)) is True


def test_awaiting_the_stop_of_a_dead_actor_is_false() -> None:
    ref, _ = start_probe()
    ref.stop()

    async def stop() -> bool:
        stopped: bool = await ref.stop(block=False)
        return stopped

    assert asyncio.run(stop()) is False


def test_awaiting_a_map_or_a_join_does_not_block_the_event_loop() -> None:
    one, two = actors.GeventFuture[int](), actors.GeventFuture[int]()
    assert asyncio.run(loop_goes_on_during(one.map(lambda v: v + 1), lambda: one.set(1))) == 2
    assert asyncio.run(loop_goes_on_during(one.join(two), lambda: two.set(2))) == [1, 2]


def test_awaiting_raises_what_the_actor_raised() -> None:
    ref, _ = start_probe()

    async def ask() -> Any:
        return await ref.ask(lambda _: 1 / 0, block=False)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask())
    ref.stop()


def test_awaiting_from_many_tasks_gives_all_the_same() -> None:
    future = actors.GeventFuture[int]()

    async def one() -> int:
        return await future

    async def main() -> list[int]:
        tasks = [asyncio.create_task(one()) for _ in range(5)]
        await asyncio.sleep(0)
        future.set(7)
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [7] * 5


def test_a_result_that_comes_after_the_event_loop_closed_hurts_nobody() -> None:
    future = actors.GeventFuture[int]()

    async def wait() -> int:
        return await future

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wait(), 0.001)

    asyncio.run(give_up())
    future.set(7)
    assert future.get() == 7


def test_a_result_for_a_task_that_was_cancelled_is_dropped() -> None:
    future = actors.GeventFuture[int]()

    async def wait() -> int:
        return await future

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        future.set(7)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_asyncio_task_may_start_and_stop_actors_in_threads_of_its_loop() -> None:
    async def main() -> bool:
        ref = await asyncio.to_thread(Probe.start)
        stopped: bool = await ref.stop(block=False)
        return stopped

    assert asyncio.run(main()) is True


def test_a_future_is_collected_with_its_last_reference() -> None:
    future = actors.GeventFuture[int]()
    seen = weakref.ref(future)
    future.set(7)
    assert future.get() == 7
    del future
    gc.collect()
    assert seen() is None
