"""Names of this node that no actor has: what OTP asks every node for."""

from __future__ import annotations

from typing import Any

from actors import events
from actors.runtime.refs import GeventRef
from beam.node.events import RemoteOutput
from beam.node.home import Home
from beam.node.spawning import RETURN, run
from beam.wire.terms import Atom, TermError, text

OK, YES, ERROR = Atom("ok"), Atom("yes"), Atom("error")


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
