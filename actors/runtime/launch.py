"""Starting actors: named, linked, part of a tree, within a time limit; and what `on_start` may return."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

import gevent
import pykka

from actors.errors import StartError, shown
from actors.runtime import links, names
from actors.runtime.future import GeventFuture
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef, current
from actors.seconds import wait_seconds

R_co = TypeVar("R_co", bound=GeventRef[Any], covariant=True)
R = TypeVar("R", bound=GeventRef[Any])


class Ignore(Enum):
    """The type of `IGNORE`."""

    IGNORE = "ignore"


IGNORE: Final = Ignore.IGNORE
"""The actor does not want to run: its start returns None, its exit reason is `normal`."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with `handle_continue(term)`, before any message, when the starter is told that all is well."""

    term: Any = None


class Startable(Protocol[R_co]):
    """An actor that was made but not started, as far as its start knows it."""

    parent: GeventRef[Any] | None
    owner: GeventRef[Any] | None

    @property
    def actor_ref(self) -> R_co:
        """Its reference."""

    @property
    def start_timeout(self) -> float | None:
        """Seconds that `on_start` may take."""

    @property
    def start_outcome(self) -> object:
        """Of a start that did not succeed: `IGNORE`, or the exception behind an `ActorExit`."""

    def enter_hub(self, started: GeventFuture[None] | None) -> None:
        """Begin to run; `started` waits for the outcome of `on_start`."""


def launch(
    actor: Startable[R],
    *,
    name: names.Name | None = None,
    linked: bool = False,
    owner: GeventRef[Any] | None = None,
    wait: bool = True,
    start_timeout: float | None = None,
) -> R:
    """Start an actor that was made but not started.

    Args:
        actor: the actor.
        name: a name to register it under before it runs, as for `register`.
        linked: link it to the calling actor, its parent; outside any actor, bind it to the caller's thread.
        owner: the actor whose tree it is part of.
        wait: wait for `on_start`, and raise what it raised.
        start_timeout: seconds that `on_start` may take; by default the class's `start_timeout`.

    Returns:
        its reference; None if `on_start` returned `IGNORE`.

    Raises:
        AlreadyStarted: the name is taken.
        StartError: `on_start` failed, or took too long (reason `timeout`); or no node knows of such names.
        ValueError: the start timeout is no number, or NaN.
    """
    limit = wait_seconds(actor.start_timeout if start_timeout is None else start_timeout)
    ref = actor.actor_ref
    if owner is not None:
        actor.owner = owner
    started: GeventFuture[None] | None = GeventFuture() if wait else None
    if name is not None:
        names.register(name, ref)
    caller = current() if linked else None
    if caller is not None:
        actor.parent = caller
        links.join(caller, ref)
    actor.enter_hub(started)
    try:
        outcome = None if started is None else _await_start(actor, started, limit)
    except BaseException:
        if isinstance(name, tuple):
            names.give_up(name, ref)
        raise
    if outcome is IGNORE:
        return None  # type: ignore[return-value]  # rare; every other caller is spared to ask
    if linked and caller is None:
        on_caller_end(lambda: _stop_soon(ref))
    return ref


def _await_start(actor: Startable[Any], started: GeventFuture[None], limit: float | None) -> Any:
    """Wait for `on_start`, and cut it off when its time is over."""
    try:
        return started.get(timeout=limit)
    except pykka.Timeout:
        error = start_error(actor, "timeout")
        try:
            started.set_exception((StartError, error, None))
        except queue.Full:
            return started.get()  # it was done in the nick of time
    if actor.parent is not None:
        links.unlink(actor.parent, actor.actor_ref, flush=True)
    actor.actor_ref.kill()
    actor.actor_ref.actor_stopped.wait()
    raise error


def start_error(actor: Startable[Any], reason: Any) -> StartError:
    """What a start that ended with `reason` raises."""
    if isinstance(reason, StartError):
        return reason
    error = StartError(f"{type(actor).__name__} could not be started: {shown(reason)}")
    error.reason = reason
    cause = reason if isinstance(reason, BaseException) else actor.start_outcome
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    return error


def adopt(ref: GeventRef[Any], parent: GeventRef[Any]) -> None:
    """Make an actor, however it was started, a child of another: linked to it and part of its tree.

    Raises:
        TypeError: `ref` is no actor of this library.
    """
    links.link(parent, ref)
    actor = ref.actor()
    if actor is not None:
        actor.parent = actor.owner = parent


# -- callers that are no actors ---------------------------------------------------------------------

_local = threading.local()


class _ThreadLife:
    """Lies in a thread's local storage and goes with the thread."""


def on_caller_end(callback: Callable[[], object]) -> None:
    """Call `callback` once when the calling greenlet, or else the calling thread, has ended.

    A plain thread has ended when its local storage is gone; a raw greenlet when it is collected.
    The main thread ends with the interpreter, which stops all actors anyway.

    Args:
        callback: called in the ending thread or in the hub of the greenlet; must be quick.
    """
    greenlet = gevent.getcurrent()
    if isinstance(greenlet, gevent.Greenlet):
        greenlet.rawlink(lambda _: callback())
    elif greenlet.parent is not None:
        weakref.finalize(greenlet, callback).atexit = False
    else:
        if not hasattr(_local, "life"):
            _local.life = _ThreadLife()
        weakref.finalize(_local.life, callback).atexit = False


def _stop_soon(ref: GeventRef[Any]) -> None:
    """Stop an actor from the hub: a caller's end may be noticed anywhere, in the middle of anything."""
    hub = Hub.running()
    if hub is not None:
        hub.run_soon(lambda: ref.stop(block=False))
