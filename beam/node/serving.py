"""Actors here, seen from other nodes: messages, calls, casts, and OTP's system messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pykka

from actors import sys as actor_sys
from actors.errors import ActorDeadError
from actors.runtime import names
from actors.runtime.actor import GeventActor, SystemCall
from actors.runtime.future import GeventFuture
from actors.runtime.mailbox import Envelope
from actors.runtime.refs import GeventRef, Stop
from beam.node.home import Home
from beam.node.peer import Peer
from beam.node.replies import Reply, put, receiver, served_octets
from beam.node.spawning import RpcError, call_function
from beam.wire.terms import Atom, ImproperList, Reference, same

OK = Atom("ok")
PROBE_TIME = 5.0

REPLACE_TIME = 5.0
"""Seconds for a fun to make a new state: the time-out of `sys:replace_state/2`."""


# -- messages -----------------------------------------------------------------------------------------


def deliver(home: Home, peer: Peer, to: bytes | str, message: Any) -> None:
    """Give a message to the actor, or to the hidden receiver, that it is for. Nobody: it is lost.

    Args:
        home: the node here.
        peer: where it comes from.
        to: the octets of a process, or a name.
        message: the message.
    """
    head = message[0] if type(message) is tuple and len(message) in (2, 3) else None
    if type(head) is Atom and head in _ENVELOPES:
        if _ENVELOPES[head](home, peer, to, message):
            return
    elif head is not None and _settled(peer, head, message):
        return
    receive = receiver(home, to)
    if receive is not None:
        receive(message, None)


def _reference_of(tag: Any) -> tuple[bytes | None, bool]:
    """The reference in a call's tag, and whether it is an alias: `Ref`, `[alias|Ref]` or
    `[[alias|Ref]|Label]`."""
    if type(tag) is Reference:
        return tag.raw, False
    if type(tag) is ImproperList and len(tag.items) == 1:
        if tag.items[0] == "alias" and type(tag.tail) is Reference:
            return tag.tail.raw, True
        return _reference_of(tag.items[0])
    if type(tag) is list and len(tag) == 1:
        return _reference_of(tag[0])
    return None, False


def _settled(peer: Peer, tag: Any, message: tuple[Any, ...]) -> bool:
    """Whether this is the reply to a call, sent to the process and not to its alias."""
    reference = _reference_of(tag)[0] if len(message) == 2 else None
    waiting = None if reference is None else peer.waiting.get(reference)
    if waiting is None:
        return False
    waiting.settle(message[1])
    return True


def _caller(home: Home, origin: Any) -> tuple[bytes, bytes, bytes | None, bool] | None:
    """The process, the tag, and the reference of a call's From; None if it is none."""
    if type(origin) is tuple and len(origin) == 2 and isinstance(origin[0], GeventRef):
        return home.octets_of(origin[0]), home.encode(origin[1])[1:], *_reference_of(origin[1])
    return None


def _take_call(home: Home, peer: Peer, to: bytes | str, message: tuple[Any, ...]) -> bool:
    caller = _caller(home, message[1]) if len(message) == 3 else None
    if caller is None:
        return False
    receive = receiver(home, to)
    if receive is not None:
        receive(message[2], Reply(home, peer, served_octets(to), *caller))
    return True


def _take_cast(home: Home, peer: Peer, to: bytes | str, message: tuple[Any, ...]) -> bool:
    if len(message) != 2:
        return False
    receive = receiver(home, to)
    if receive is not None:
        receive(message[1], None)
    return True


def _take_system(home: Home, peer: Peer, to: bytes | str, message: tuple[Any, ...]) -> bool:
    caller = _caller(home, message[1]) if len(message) == 3 else None
    ref = home.local(to) if isinstance(to, bytes) else names.whereis(to)
    if caller is None or not isinstance(ref, GeventRef):
        return False
    reply = Reply(home, peer, served_octets(to), *caller)
    request, more = message[2], None
    if type(request) is tuple and len(request) == 2:
        request, more = request
    function = _SYSTEM.get(request) if type(request) is Atom else None
    if function is None:
        reply.set((Atom("error"), (Atom("unknown_system_msg"), message[2])))
    else:
        function(home, ref, reply, more)
    return True


_ENVELOPES: dict[str, Callable[[Home, Peer, Any, tuple[Any, ...]], bool]] = {
    "$gen_call": _take_call,
    "$gen_cast": _take_cast,
    "system": _take_system,
}
"""What OTP's behaviours put around messages."""


# -- system messages -------------------------------------------------------------------------------------


def _terminate(home: Home, ref: GeventRef[Any], reply: Reply, reason: Any) -> None:
    # As OTP's sys: the caller hears `ok` before the end, and then waits for the end itself.
    try:
        ref.mailbox.put(Envelope(Stop(reason)))
    except ActorDeadError as error:
        reply.set_exception((ActorDeadError, error, None))
    else:
        reply.set(OK)


def _suspend(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
    def suspend(actor: GeventActor) -> Any:
        actor.mailbox.suspend(actor.is_urgent)
        return OK

    put(ref, SystemCall(suspend), reply)


def _resume(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
    def resume(actor: GeventActor) -> Any:
        actor.mailbox.resume()
        return OK

    put(ref, SystemCall(resume), reply)


def _beside(
    function: Callable[[Home, GeventRef[Any], Reply, Any], Any],
) -> Callable[[Home, GeventRef[Any], Reply, Any], None]:
    """Have a function that waits run in a greenlet of its own; the reply is what it returns or raises."""

    def run(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
        try:
            answer = function(home, ref, reply, more)
        except Exception as error:
            reply.set_exception((type(error), error, None))
        else:
            reply.set(answer)

    def begin(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> None:
        reply.encode = home.encode_any
        home.hub.spawn(run, home, ref, reply, more)

    return begin


def _term_of(state: actor_sys.State) -> dict[Any, Any]:
    """An actor's attributes as a map with atoms for keys."""
    return {Atom(name[:255]): value for name, value in state.items()}


def _get_state(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> Any:
    term = _term_of(actor_sys.get_state(ref, timeout=None))
    return (OK, term) if _wants_ok(home, reply.peer) else term


def _get_status(home: Home, ref: GeventRef[Any], reply: Reply, more: Any) -> Any:
    """`{status, Pid, {module, Module}, [Dictionary, running | suspended, Parent, Debug, Data]}`, as OTP's."""
    status = actor_sys.get_status(ref, timeout=None)
    name = f"{status.actor_class.__module__}.{status.actor_class.__qualname__}"
    state = Atom("suspended" if status.suspended else "running")
    facts = [
        ("Status", state),
        ("Parent", status.parent),
        ("Trap exits", status.trap_exits),
        ("Links", list(status.links)),
        ("Monitored by", status.monitored_by),
        ("Messages", status.messages),
    ]
    shown = [(list(label.encode()), value) for label, value in facts]
    data = [
        (Atom("header"), list(f"Status for actor {name}".encode())),
        (Atom("data"), shown),
        (Atom("data"), [(list(b"State"), _term_of(status.state))]),
    ]
    module = (Atom("module"), Atom(name[-255:]))
    parent = status.ref if status.parent is None else status.parent
    return Atom("status"), ref, module, [[], state, parent, [], data]


def _replace_state(home: Home, ref: GeventRef[Any], reply: Reply, function: Any) -> Any:
    """A fun belongs to the node that it comes from: it is called there, with the state, for the new one."""
    was_suspended = actor_sys.get_status(ref, timeout=None).suspended
    actor_sys.suspend(ref, timeout=None)  # nothing changes the state meanwhile
    try:
        seen: Any = home.decoder.decode(home.encode_any(_term_of(actor_sys.get_state(ref, timeout=None))))
        made = call_function(home, reply.peer.name, "erlang", "apply", [function, [seen]], REPLACE_TIME)
        if not isinstance(made, dict) or not all(type(name) is Atom for name in made):
            return _callback_failed(function, (Atom("badmap"), made))
        state = actor_sys.replace_state(ref, lambda state: _merged(state, seen, made), timeout=None)
    except RpcError as error:
        return _callback_failed(function, (Atom(error.kind), error.reason))
    finally:
        if not was_suspended:
            actor_sys.resume(ref, timeout=None)
    return (OK, _term_of(state)) if _wants_ok(home, reply.peer) else _term_of(state)


def _merged(state: actor_sys.State, seen: dict[Any, Any], made: dict[Any, Any]) -> actor_sys.State:
    """An actor's new attributes. One that came back as it went is what it was, be it a term or not."""
    return {
        str(name): state[name] if name in state and same(value, seen.get(name)) else value
        for name, value in made.items()
    }


def _callback_failed(function: Any, why: Any) -> Any:
    return Atom("error"), (Atom("callback_failed"), function, why)


def _wants_ok(home: Home, peer: Peer) -> bool:
    """Whether the node's `sys:get_state` wants the state as `{ok, State}`.

    It does in OTP 28, and does not in OTP 25; each fails with the other's. What its own processes answer says
    which it is. A node without that process is none of OTP's.
    """
    if peer.wants_ok is None:
        future: GeventFuture[Any] = GeventFuture()
        try:
            home.named("kernel_sup", peer.name).mailbox.ask_system(Atom("get_state"), future)
            answer = future.get(timeout=PROBE_TIME)
        except (ActorDeadError, pykka.Timeout):
            return False
        peer.wants_ok = isinstance(answer, tuple) and answer[:1] == (OK,)
    return peer.wants_ok


_SYSTEM: dict[str, Callable[[Home, GeventRef[Any], Reply, Any], None]] = {
    "terminate": _terminate,
    "suspend": _suspend,
    "resume": _resume,
    "get_state": _beside(_get_state),
    "get_status": _beside(_get_status),
    "replace_state": _beside(_replace_state),
}
