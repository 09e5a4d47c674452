"""The process that takes over: started with this one's command line and listening sockets.

Until it says that it serves, this process goes on as if nothing was: a successor that fails changes nothing.
From the moment that it listens, both accept from the same queues, so nobody is refused at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.child_process import how_child_ended
from gen_smtp.process.inherited import (
    COUNT,
    FIRST_DESCRIPTOR,
    HANDOVER,
    NAMES,
    PROCESS,
    READY,
    Handover,
    name_of,
)
from gen_smtp.process.poll import PollLoop

START_TIME = 60.0
"""Seconds that a successor gets until it serves."""

END_TIME = 5.0
"""Seconds that a successor gets to end by itself when it is not to serve, or will not."""

END_POLL_INTERVAL = 0.05
"""Seconds between two looks whether it has ended."""

# About the process that they were written for: the successor has another number.
_PERSONAL = (PROCESS, "WATCHDOG_PID")

PRIVATE = "GEN_SMTP_PRIVATE"
"""The variable that names those, with spaces between them, which are this process's and no successor's."""


class Successor:
    """A process that was started to take over. For one thread.

    Args:
        sockets_to_pass_on: the options of each listener and a descriptor of its socket, which is closed here.
        of_manager: whether the sockets are a service manager's.
        poll_loop: what the thread waits for.
        on_ready: called with its process when it serves.
        on_failure: called with the reason when it is clear that it will not; it is gone then.
        others: further sockets, by the names that the successor knows them by; closed here, too.

    Attributes:
        pid: its process.

    Raises:
        OSError: it could not be started.
    """

    def __init__(
        self,
        sockets_to_pass_on: Sequence[tuple[ListenerOptions, int]],
        of_manager: bool,
        poll_loop: PollLoop,
        on_ready: Callable[[int], object],
        on_failure: Callable[[str], object],
        others: Sequence[tuple[str, int]] = (),
    ) -> None:
        self._poll_loop = poll_loop
        self._on_ready = on_ready
        self._on_failure = on_failure
        named = [(name_of(options), descriptor) for options, descriptor in sockets_to_pass_on]
        named += others
        names = [name for name, _ in named]
        with closed_at_end(descriptor for _, descriptor in named) as descriptors:
            self._reports, report_to = os.pipe()
            descriptors.append(report_to)
            try:
                self.pid = _spawn(names, descriptors, of_manager)
            except BaseException:
                os.close(self._reports)
                raise
        self._deadline = poll_loop.later(START_TIME, self._give_up)
        poll_loop.on_readable(self._reports, self._hear)

    def dismiss(self) -> None:
        """Have it end: nobody is to serve any more. `on_failure` is called when it has."""
        self.leave_behind()
        self._send(signal.SIGTERM)
        self._await_end()

    def kill(self) -> None:
        """Have it end at once."""
        self._send(signal.SIGKILL)

    def leave_behind(self) -> None:
        """Listen to it no more."""
        self._poll_loop.forget(self._reports)
        self._poll_loop.cancel(self._deadline)
        os.close(self._reports)

    def _hear(self) -> None:
        said = os.read(self._reports, len(READY))
        self.leave_behind()
        if said == READY:
            self._on_ready(self.pid)
        else:
            self._await_end()

    def _give_up(self) -> None:
        self.leave_behind()
        self.kill()
        self._await_end(f"did not serve within {START_TIME:g} s and ")

    def _await_end(self, before: str = "") -> None:
        """Give it some time to end, and no more."""
        self._deadline = self._poll_loop.later(END_TIME, self.kill)
        self._look_whether_ended(before)

    def _look_whether_ended(self, before: str) -> None:
        how = how_child_ended(self.pid)
        if how is None:
            self._poll_loop.later(END_POLL_INTERVAL, partial(self._look_whether_ended, before))
        else:
            self._poll_loop.cancel(self._deadline)
            self._on_failure(f"process {self.pid} {before}{how}")

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def _spawn(names: Sequence[str], descriptors: Sequence[int], of_manager: bool) -> int:
    """Start it; the descriptors become those from `FIRST_DESCRIPTOR` on."""
    report_to = FIRST_DESCRIPTOR + len(names)
    personal = {*_PERSONAL, PRIVATE, *os.environ.get(PRIVATE, "").split()}
    environment = {key: value for key, value in os.environ.items() if key not in personal}
    environment |= {
        COUNT: str(len(names)),
        NAMES: ":".join(names),
        HANDOVER: str(Handover(report_to, of_manager)),
    }
    with closed_at_end() as away:
        for each in descriptors:  # out of the way of the numbers that they are to have
            away.append(fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, report_to + 1))
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *sys.orig_argv[1:]],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, each, place) for place, each in enumerate(away, FIRST_DESCRIPTOR)
            ],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE,),
        )


@contextlib.contextmanager
def closed_if_failed(named: Sequence[tuple[str, int]]) -> Iterator[None]:
    """Close the descriptors of sockets if the `with` block fails."""
    try:
        yield
    except BaseException:
        for _, each in named:
            os.close(each)
        raise


@contextlib.contextmanager
def closed_at_end(descriptors: Iterable[int] = ()) -> Iterator[list[int]]:
    """A list of descriptors, closed at the end of the `with` block, with those that were added."""
    opened = list(descriptors)
    try:
        yield opened
    finally:
        for each in opened:
            os.close(each)
