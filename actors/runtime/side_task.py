"""What an actor does beside its turns, in a greenlet of its own, while they go on.

It can wait for what the turns bring, as the reader of something that is still arriving does. If two things
must not happen at the same time, the actor sees to that: it waits for the end of the one before the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import GreenletExit
from gevent.hub import RawGreenlet

from actors.runtime.future import GeventFuture, try_set, try_set_exception
from actors.runtime.hub import Hub
from actors.runtime.refs import context_elsewhere


class SideTask:
    """A function of an actor that begins at once, after the turn.

    It runs in a copy of the caller's contextvars context: it is the same actor there, and what it sets is
    its own.

    Args:
        function: what to call.
        args: its arguments.

    Attributes:
        greenlet: in which it runs.
    """

    __slots__ = ("_outcome", "greenlet")

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        outcome = self._outcome = GeventFuture[Any]()
        context = context_elsewhere()

        def run() -> None:
            try:
                result = context.run(function, *args)
            except BaseException as error:
                try_set_exception(outcome, error)
            else:
                try_set(outcome, result)

        hub = Hub.current()
        self.greenlet = RawGreenlet(run, hub.gevent_hub)
        hub.run_soon(self.greenlet.switch)

    def done(self) -> bool:
        """Tell whether it has ended."""
        return self._outcome.done()

    def result(self) -> Any:
        """Wait for its end, in a turn, and return what it returned. To be called once.

        Raises:
            BaseException: what it raised; GreenletExit if it was cut off.
        """
        try:
            return self._outcome.get()
        finally:
            if self.done():
                self.forget()

    def forget(self) -> None:
        """Nobody will ask for the result any more: keep nothing of what it raised."""
        self._outcome.forget_error()

    def cut(self) -> None:
        """Cut it off where it waits; it may go on until it waits. Itself does not wait."""
        if not self.done():
            Hub.current().run_soon(self._cut)

    def _cut(self) -> None:
        if not self.done():
            Hub.current().cut_off(self.greenlet, lambda: not self.done() and not self.greenlet.dead)
            if self.greenlet.dead:  # it had not begun
                try_set_exception(self._outcome, GreenletExit())
