"""Starting actors: named, linked, part of a tree, within a time limit."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, TypeVar

import pykka

from actors.errors import StartError, shown
from actors.runtime import binding, links, names
from actors.runtime.future import GeventFuture
from actors.runtime.hub import Hub
from actors.runtime.start_results import IGNORE
from actors.runtime.turn import current

if TYPE_CHECKING:
    from actors.runtime.actor import GeventActor
    from actors.runtime.refs import GeventRef

A = TypeVar("A", bound="GeventActor")


def launch(
    actor: A,
    *,
    name: str | None = None,
    linked: bool = False,
    owner: GeventRef[Any] | None = None,
    wait: bool = True,
    start_timeout: float | None = None,
) -> GeventRef[A]:
    """Start an actor that was made but not started.

    Args:
        actor: the actor.
        name: a local name to register it under before it runs.
        linked: link it to the calling actor, its parent; outside any actor, bind it to the caller's thread.
        owner: the actor whose tree it is part of.
        wait: wait for `on_start`, and raise what it raised.
        start_timeout: seconds that `on_start` may take; by default the class's `start_timeout`.

    Returns:
        its reference; None if `on_start` returned `IGNORE`.

    Raises:
        AlreadyStarted: the name is taken.
        StartError: `on_start` failed, or took too long (reason `timeout`).
    """
    ref = actor.actor_ref
    if owner is not None:
        actor.owner = owner
    started: GeventFuture[None] | None = GeventFuture() if wait else None
    actor.report_start_to(started)
    if name is not None:
        names.register(name, ref)
    if actor.in_registry:
        pykka.ActorRegistry.register(ref)
    caller = current() if linked else None
    if caller is not None:
        actor.parent = caller
        links.link(caller, ref)
    actor.enter_hub()
    limit = actor.start_timeout if start_timeout is None else start_timeout
    if started is not None and _await_start(actor, started, limit) is IGNORE:
        return None  # type: ignore[return-value]  # rare; every other caller is spared to ask
    if linked and caller is None:
        binding.on_caller_end(lambda: _stop_soon(ref))
    return ref


def _await_start(actor: GeventActor, started: GeventFuture[None], limit: float | None) -> Any:
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
        links.spare(actor.parent, actor.actor_ref)
    actor.actor_ref.kill()
    actor.actor_ref.actor_stopped.wait()
    raise error


def _stop_soon(ref: GeventRef[Any]) -> None:
    """Stop an actor from the hub: a caller's end may be noticed anywhere, even under a mailbox's lock."""
    hub = Hub.running()
    if hub is not None:
        hub.run_soon(lambda: ref.stop(block=False))


def adopt(ref: GeventRef[Any], parent: GeventRef[Any]) -> None:
    """Make an actor, however it was started, a child of another: linked to it and part of its tree.

    Raises:
        TypeError: `ref` is no actor of this library.
    """
    links.link(parent, ref)
    actor = ref.actor()
    if actor is not None:
        actor.parent = actor.owner = parent


def start_error(actor: GeventActor, reason: Any) -> StartError:
    """What a start that ended with `reason` raises."""
    if isinstance(reason, StartError):
        return reason
    error = StartError(f"{type(actor).__name__} could not be started: {shown(reason)}")
    error.reason = reason
    cause = reason if isinstance(reason, BaseException) else actor.start_outcome
    if isinstance(cause, BaseException):
        error.__cause__ = cause
    return error
