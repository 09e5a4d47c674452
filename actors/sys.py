"""OTP's `sys`: suspend any actor, look at its state, change its code, and let it go on.

    sys.suspend(ref)
    sys.change_code(ref, importlib.reload(counter).Counter, extra)
    sys.resume(ref)

An actor's state is its attributes, those in slots too, by their full names (`_Counter__x` for `__x`). What
the runtime keeps in an actor is left out. The functions take a reference or a registered name and may be
called from any thread, greenlet or other actor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from types import MemberDescriptorType
from typing import Any

import pykka

from actors.errors import CallingSelf, shown
from actors.runtime import names
from actors.runtime.actor import GeventActor, SystemCall
from actors.runtime.future import new_native_lock
from actors.runtime.refs import GeventRef, ask_any, current
from actors.seconds import wait_seconds

State = dict[str, Any]

DEFAULT_TIMEOUT = 5.0
"""Seconds, as in OTP."""


class NotSuspended(Exception):  # noqa: N818 - says what is wrong
    """The code of an actor can be changed only while it is suspended."""


class CallbackFailed(Exception):  # noqa: N818 - OTP's word: callback_failed
    """A function that was to make the new state failed; the actor has the old one and lives on.

    Attributes:
        reason: what it raised, also `__cause__`.
    """

    def __init__(self, reason: BaseException) -> None:
        super().__init__(f"the state is as it was: {shown(reason)}")
        self.reason = reason


def suspend(actor: names.Meant, *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
    """Keep an actor from taking messages and from reading its socket; what comes waits, in order.

    Its parent's exit, an exit signal that ends it, a stop and the functions of this module reach it all the
    same. Suspending twice is suspending once.

    Args:
        actor: its reference or name.
        timeout: seconds to wait for an actor that is busy; None waits for ever.

    Raises:
        ActorDeadError: it is dead, or nobody has the name.
        pykka.Timeout: it was busy all the time; it will not be suspended later.
        CallingSelf: an actor can't wait for itself.
        ValueError: the timeout is no number, or NaN.
    """
    _request(actor, lambda target: target.mailbox.suspend(target.is_urgent), timeout)


def resume(actor: names.Meant, *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
    """Let an actor go on, with the messages that waited first. One that is not suspended notices nothing.

    Args, Raises: as `suspend`.
    """
    _request(actor, lambda target: target.mailbox.resume(), timeout)


def change_code(
    actor: names.Meant,
    new_class: type[GeventActor],
    extra: Any = None,
    *,
    timeout: float | None = DEFAULT_TIMEOUT,
) -> None:
    """Make a suspended actor one of another class; its reference, mailbox, name and bonds stay.

    `new_class.code_change(old_vsn, state, extra)` returns its attributes.

    Args:
        actor: its reference or name.
        new_class: the class that it is an instance of from now on.
        extra: handed to `code_change`.
        timeout: as for `suspend`.

    Raises:
        NotSuspended: the actor is not suspended.
        TypeError: the classes' slots differ, so that the actor can't become one of the other class.
        CallbackFailed: `code_change` failed; the actor is as it was, and still suspended.
        ActorDeadError, pykka.Timeout, CallingSelf, ValueError: as `suspend`.
    """

    def change(target: GeventActor) -> None:
        if not target.mailbox.suspended:
            raise NotSuspended(f"{target} is not suspended")
        state = _made_state(lambda: new_class.code_change(type(target).vsn, _state_of(target), extra))
        _set_state(target, state, new_class)

    _request(actor, change, timeout)


def get_state(actor: names.Meant, *, timeout: float | None = DEFAULT_TIMEOUT) -> State:
    """An actor's own attributes: a new dict, but with the very values.

    Args, Raises: as `suspend`.
    """
    state: State = _request(actor, _state_of, timeout)
    return state


@dataclass(frozen=True, slots=True)
class Status:
    """What `get_status` says.

    Attributes:
        ref: the actor.
        actor_class, vsn: its class, and that class's version.
        suspended: whether it is.
        parent: who started it with `start_link`; None for nobody.
        trap_exits: whether it traps exits.
        links: the actors that it is linked to.
        monitored_by: how many monitors there are of it.
        messages: how many wait.
        state: as `get_state`.
    """

    ref: GeventRef[Any]
    actor_class: type[GeventActor]
    vsn: Any
    suspended: bool
    parent: GeventRef[Any] | None
    trap_exits: bool
    links: tuple[GeventRef[Any], ...]
    monitored_by: int
    messages: int
    state: State


def get_status(actor: names.Meant, *, timeout: float | None = DEFAULT_TIMEOUT) -> Status:
    """How an actor is: OTP's `sys:get_status`, with names.

    Args, Raises: as `suspend`.
    """
    status: Status = _request(actor, _status_of, timeout)
    return status


def _status_of(target: GeventActor) -> Status:
    bonds = target.actor_ref.bonds_if_any
    return Status(
        ref=target.actor_ref,
        actor_class=type(target),
        vsn=type(target).vsn,
        suspended=target.mailbox.suspended,
        parent=target.parent,
        trap_exits=bonds is not None and bonds.trap_exits,
        links=() if bonds is None else bonds.links,
        monitored_by=0 if bonds is None else len(bonds.watchers),
        messages=target.mailbox.length,
        state=_state_of(target),
    )


def replace_state(
    actor: names.Meant,
    function: Callable[[State], State],
    *,
    timeout: float | None = DEFAULT_TIMEOUT,
) -> State:
    """Give an actor the attributes that `function(state)` returns, and return what it has then.

    Args:
        actor: its reference or name.
        function: runs in the actor's turn, with a copy as `get_state` gives it.
        timeout: as for `suspend`.

    Raises:
        CallbackFailed: the function failed; the actor is as it was.
        ActorDeadError, pykka.Timeout, CallingSelf, ValueError: as `suspend`.
    """

    def replace(target: GeventActor) -> State:
        _set_state(target, _made_state(lambda: function(_state_of(target))), type(target))
        return _state_of(target)

    replaced: State = _request(actor, replace, timeout)
    return replaced


def _request(actor: names.Meant, function: Callable[[GeventActor], Any], timeout: float | None) -> Any:
    """Have a function run in an actor's turn; if that is not begun in time it never is."""
    wait_seconds(timeout)
    ref = names.resolve(actor)
    if not isinstance(ref, GeventRef):
        raise TypeError(f"{ref!r} is not an actor of this library")
    if current() is ref:
        raise CallingSelf(f"{ref} would wait for itself", "calling_self")
    claim = new_native_lock()

    def run(target: GeventActor) -> Any:
        return function(target) if claim.acquire(blocking=False) else None

    answer = ask_any(ref, SystemCall(run))
    try:
        return answer.get(timeout=timeout)
    except pykka.Timeout:
        if claim.acquire(blocking=False):
            raise
    return answer.get()


def _made_state(make: Callable[[], State]) -> State:
    try:
        state = make()
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise TypeError(f"the new state is a dict of attributes, not {state!r}")
    except BaseException as error:
        raise CallbackFailed(error) from error
    return state


_OF_THE_RUNTIME = frozenset(name for name in dir(GeventActor) if not callable(getattr(GeventActor, name)))
"""What the runtime keeps in an actor: slots and defaults that GeventActor and Pykka's actor define."""


def _slots_of(actor_class: type[GeventActor]) -> dict[str, MemberDescriptorType]:
    """The slots that a class and those between it and GeventActor define, by their full names."""
    return {
        name: slot
        for each in reversed(actor_class.__mro__)
        if each not in GeventActor.__mro__
        for name, slot in vars(each).items()
        if isinstance(slot, MemberDescriptorType)
    }


def _state_of(actor: GeventActor) -> State:
    state = {name: value for name, value in vars(actor).items() if name not in _OF_THE_RUNTIME}
    for name, slot in _slots_of(type(actor)).items():
        with contextlib.suppress(AttributeError):  # nothing was ever assigned to it
            state[name] = slot.__get__(actor)
    return state


def _set_state(actor: GeventActor, state: State, new_class: type[GeventActor]) -> None:
    """Make an actor one of a class, with this state and nothing else of its own."""
    # Nothing but this can fail, and then nothing was changed.
    actor.__class__ = new_class
    actor.actor_ref.actor_class = new_class
    attributes = vars(actor)
    slots = _slots_of(new_class)
    for name in _state_of(actor).keys() - state.keys():
        if name in slots:
            slots[name].__delete__(actor)
        else:
            del attributes[name]
    for name, value in state.items():
        if name in slots:
            slots[name].__set__(actor, value)
        elif name not in _OF_THE_RUNTIME:
            attributes[name] = value
