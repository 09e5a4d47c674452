"""The pipe that signals are read from: none is lost, and those of one kind that wait are one."""

from __future__ import annotations

import os
import signal
import threading

from gen_smtp.process.signals import SignalPipe

MANY = 5000
"""More than the pipe's buffer takes."""


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


class TestReading:
    def test_gives_each_kind_once_in_the_order_they_came(self) -> None:
        with SignalPipe([signal.SIGUSR1, signal.SIGUSR2]) as pipe:
            for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
                send(number)
            assert pipe.read() == [signal.SIGUSR2, signal.SIGUSR1]

    def test_finds_the_one_behind_more_than_the_pipe_takes(self) -> None:
        with SignalPipe([signal.SIGUSR1, signal.SIGUSR2]) as pipe:
            for _ in range(MANY):
                send(signal.SIGUSR1)
            send(signal.SIGUSR2)
            assert pipe.read() == [signal.SIGUSR1, signal.SIGUSR2]
            send(signal.SIGUSR2)
            heard: list[int] = []
            while not heard:
                heard = pipe.read()
            assert heard == [signal.SIGUSR2]

    def test_is_ended_by_a_call_which_it_makes(self) -> None:
        made: list[threading.Thread] = []
        with SignalPipe([]) as pipe:
            other = threading.Thread(
                target=pipe.call_soon, args=[lambda: made.append(threading.current_thread())]
            )
            other.start()
            assert pipe.read() == []
            other.join()
        assert made == [threading.current_thread()]

    def test_is_ended_by_a_wake_even_of_a_full_pipe(self) -> None:
        with SignalPipe([]) as pipe:
            for _ in range(MANY):
                pipe.wake()
            assert pipe.read() == []


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with SignalPipe([signal.SIGUSR1]):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before
