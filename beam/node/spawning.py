"""Functions called from other nodes, and functions of other nodes called from here: OTP's erpc.

A call is a process that is spawned with a monitor, and its exit reason is the answer. Here it is an actor.
Nodes before OTP 23 ask the process `rex`, which is one of the names that every node answers to.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from actors import events
from actors.errors import ActorExit
from actors.runtime.actor import GeventActor
from actors.runtime.future import GeventFuture, try_set, try_set_exception
from actors.runtime.launch import Continue, launch
from actors.runtime.links import join
from actors.runtime.refs import GeventRef
from beam.events import RemoteOutput
from beam.node.home import Home
from beam.node.peer import Peer
from beam.node.replies import start_watching
from beam.reasons import exception_term, reason_term
from beam.wire import packets
from beam.wire.encoder import atom_octets
from beam.wire.terms import Atom, Reference, TermError, text

ERROR, EXIT, RETURN, UNDEF = (Atom(word) for word in ("error", "exit", "return", "undef"))
OK, YES = Atom("ok"), Atom("yes")
NOT_SUPPORTED = atom_octets("notsup")
MONITOR_OPTION = b"l\0\0\0\1" + atom_octets("monitor") + b"j"

LINKED = 1
MONITORED = 2

Function = Callable[..., Any]


class RpcError(Exception):
    """A function on another node gave no value.

    Attributes:
        kind: `error`, `exit` or `throw`, as Erlang has them; `error` too where there is no connection.
        reason: the term: `undef`, `noconnection`, `{python, Class, Text}` of a node in Python.
    """

    def __init__(self, kind: str, reason: Any) -> None:
        super().__init__(f"{kind}: {reason!r}")
        self.kind = kind
        self.reason = reason


# -- called from there ------------------------------------------------------------------------------------


class _Wanted(NamedTuple):
    """A function that another node asks for; `answer` is the reference that its value goes with."""

    answer: Any
    module: str
    function: str
    arguments: list[Any]


class Spawned(GeventActor):
    """A call from another node: runs the function and ends with what erpc makes of the outcome.

    Args:
        home: the node here.
        wanted: the function.
    """

    in_registry = False

    def __init__(self, home: Home, wanted: _Wanted) -> None:
        super().__init__()
        self._home = home
        self._wanted = wanted

    def on_start(self) -> Any:
        return Continue()

    def handle_continue(self, term: Any) -> None:
        wanted = self._wanted
        outcome = run(self._home, wanted.module, wanted.function, wanted.arguments)
        raise ActorExit("normal" if wanted.answer is None else (wanted.answer, *outcome))


def run(home: Home, module: Any, function: Any, arguments: Any) -> tuple[Any, ...]:
    """Call a function that other nodes may call.

    Returns:
        `return` and its value; or `error`, `exit`, the reason, and for `error` where.
    """
    if not isinstance(arguments, list):
        return ERROR, Atom("badarg"), []
    served = home.served.get((module, function, len(arguments))) or home.served.get((module, function, None))
    if served is None:
        return ERROR, UNDEF, [(module, function, arguments, [])]
    try:
        value = served(*arguments)
        home.encode(value)
    except ActorExit as exit_:
        return EXIT, reason_term(exit_.reason)
    except Exception as error:
        return ERROR, exception_term(error), []
    return RETURN, value


def _wanted(module: Any, function: Any, arguments: Any) -> _Wanted | None:
    """What a spawn request asks for, if it is one of erpc's: nothing else may be spawned."""
    if module != "erpc" or not isinstance(arguments, list):
        return None
    if function == "execute_call" and len(arguments) == 4:
        return _Wanted(*arguments)
    if function == "execute_cast" and len(arguments) == 3:
        return _Wanted(None, *arguments)
    return None


def on_spawn_request(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    """Another node asks for a process."""
    _, reference, caller, _, (module, function, _), options = control
    wanted = _wanted(module, function, body)
    if wanted is None:
        peer.send(packets.spawn_reply(reference, caller, 0, NOT_SUPPORTED))
        return
    actor = Spawned(home, wanted)
    octets = home.octets_of(actor.actor_ref)
    named = [option[0] if isinstance(option, tuple) and option else option for option in options]
    flags = 0
    if "monitor" in named:
        start_watching(home, peer, caller, octets, octets, reference)
        flags |= MONITORED
    if "link" in named:
        far: GeventRef[Any] = home.ref_of(caller)
        join(actor.actor_ref, far)
        peer.linked[far] = None
        flags |= LINKED
    peer.send(packets.spawn_reply(reference, caller, flags, octets))
    launch(actor, wait=False)


# -- called from here --------------------------------------------------------------------------------------


class _Rpc:
    """A function of another node that was called."""

    def __init__(self, home: Home, peer: Peer, answer: Reference, future: GeventFuture[Any]) -> None:
        self._home = home
        self._peer = peer
        self._answer = answer
        self._future = weakref.ref(future)
        self.process: bytes | None = None

    def settle(self, message: Any) -> None:
        """No message comes."""

    def end(self, reason: Any) -> None:
        """The process has ended: its reason says what came of it."""
        match reason:
            case (Reference() as answer, "return", value) if answer == self._answer:
                try_set(self._future(), value)
            case (Reference() as answer, kind, why, *_) if answer == self._answer:
                try_set_exception(self._future(), RpcError(str(kind), why))
            case _:
                try_set_exception(self._future(), RpcError("error", reason))


def call_function(
    home: Home, node: str, module: str, function: str, arguments: list[Any], timeout: float | None
) -> Any:
    """Call a function of another node, as `erpc:call`, and wait for its value.

    Raises:
        RpcError: it gave none.
        pykka.Timeout: none came in time.
        TermError: an argument is no term.
    """
    peer = home.peer(node)
    request, answer = home.new_reference(), Reference(home.new_reference())
    body = home.encode([answer, Atom(module), Atom(function), arguments])
    future: GeventFuture[Any] = GeventFuture()
    rpc = _Rpc(home, peer, answer, future)
    packet = packets.spawn_request(request, home.own, "erpc", "execute_call", 4, MONITOR_OPTION, body)

    def begin() -> None:
        peer.waiting[request] = rpc
        peer.send(packet)

    home.run(begin)
    try:
        return future.get(timeout=timeout)
    finally:
        if not future.done():
            home.run(_give_up, home, peer, request, rpc)


def _give_up(home: Home, peer: Peer, request: bytes, rpc: _Rpc) -> None:
    if peer.waiting.pop(request, None) is not None and rpc.process is not None:
        peer.send(packets.demonitor(home.own, rpc.process, request))


def on_spawn_reply(home: Home, peer: Peer, control: Sequence[Any], body: Any) -> None:
    """Another node has spawned a process, or says why not."""
    _, request, _, _, result = control
    rpc = peer.waiting.get(request)
    if not isinstance(rpc, _Rpc):
        if isinstance(result, bytes):
            peer.send(packets.demonitor(home.own, result, request))  # given up meanwhile
    elif isinstance(result, bytes):
        rpc.process = result
    else:
        del peer.waiting[request]
        rpc.end(result)


# -- names of this node that no actor has: what OTP asks every node for -------------------------------


def receive_all(home: Home) -> None:
    """Put the receivers of a node into its table; the empty name is the node's own process."""
    home.hidden["net_kernel"] = _net_kernel
    home.hidden["rex"] = lambda message, reply: _rex(home, message, reply)
    home.hidden[""] = _group_leader


def _net_kernel(message: Any, reply: Any) -> None:
    """`net_adm:ping` asks whether this is a node."""
    if reply is not None:
        reply.set(YES if isinstance(message, tuple) and message[:1] == ("is_auth",) else ERROR)


def _rex(home: Home, message: Any, reply: Any) -> None:
    """`rpc:call` of nodes before OTP 23, and of those that don't spawn."""
    match message:
        case ("call", module, function, arguments, _) if reply is not None:
            home.hub.spawn(_call, home, module, function, arguments, reply)
        case ("cast", module, function, arguments, _):
            home.hub.spawn(run, home, module, function, arguments)
        case _ if reply is not None:
            reply.set((Atom("badrpc"), Atom("notsup")))


def _call(home: Home, module: Any, function: Any, arguments: Any, reply: Any) -> None:
    kind, *rest = run(home, module, function, arguments)
    if kind == RETURN:
        reply.set(rest[0])
    else:
        reply.set((Atom("badrpc"), (Atom("EXIT"), tuple(rest) if len(rest) > 1 else rest[0])))


def _group_leader(message: Any, reply: Any) -> None:
    """What functions write that were called from here: their group leader is this node's own process."""
    match message:
        case ("io_request", GeventRef() as sender, reply_as, request):
            sender.tell((Atom("io_reply"), reply_as, _written(sender, request)))


def _written(sender: GeventRef[Any], request: Any) -> Any:
    if not (isinstance(request, tuple) and request[:1] == ("put_chars",)):
        return ERROR, Atom("enotsup")
    try:
        output = text(request[-1])
    except TermError:
        output = repr(request)
    events.emit(RemoteOutput(str(sender), output.rstrip("\n")))
    return OK
