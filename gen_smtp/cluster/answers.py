"""What a server answers to `gen_server:call(Server, Question)` of an Erlang node, and to `actors.call`.

gen_smtp 0.x's own functions work on it, `gen_smtp_server:sessions(Pid)` and `gen_smtp_server:stop(Pid)`: they
ask `sessions` and `stop`. All answers are terms: references become pids.
"""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from actors import ActorExit, StopTimes
from beam import Atom
from gen_smtp.options.listener import Listener


class Asked(Protocol):
    """A server, as far as the questions go."""

    def sessions(self) -> list[Any]:
        """The live sessions."""

    def addresses(self) -> list[Any]:
        """The addresses bound."""

    def listeners(self) -> list[Listener]:
        """The listeners as they run."""

    def session_count(self) -> int:
        """How many sessions there are, those too that are not served yet."""


Answer = Callable[[Any], Any]

STOP_TIMES = "stop_times"
"""`{stop_times, Grace, Drain}`, a message: how the server is to stop when it is told to."""


def question_of(message: Any) -> str | None:
    """The question that a message is."""
    return message if isinstance(message, str) else None


def find(message: Any) -> Answer | None:
    """The function that answers a question, called with the server; None if there is none."""
    return ANSWERS.get(question_of(message) or "")


def stop_times_of(message: Any) -> StopTimes | None:
    """What a message says of how to stop, if it does."""
    if isinstance(message, tuple) and len(message) == 3 and message[0] == STOP_TIMES:
        grace, drain = message[1:]
        if (grace is None or _is_time(grace)) and _is_time(drain):
            return StopTimes(grace, drain)
    return None


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _sessions(server: Asked) -> list[Any]:
    return server.sessions()


def _addresses(server: Asked) -> list[Any]:
    return [erlang_address(each) for each in server.addresses()]


def _listeners(server: Asked) -> list[dict[Atom, Any]]:
    shown = zip(server.listeners(), server.addresses(), strict=True)
    return [_shown_listener(listener, address) for listener, address in shown]


def _shown_listener(listener: Listener, address: Any) -> dict[Atom, Any]:
    options = listener.listenoptions
    return {
        Atom("hostname"): listener.hostname,
        Atom("address"): erlang_address(address),
        Atom("family"): Atom(options.family),
        Atom("protocol"): Atom(options.protocol),
        Atom("mode"): Atom(options.sessionoptions.protocol),
    }


def _info(server: Asked) -> dict[Atom, Any]:
    return {
        Atom("sessions"): len(server.sessions()),
        Atom("connections"): server.session_count(),
        Atom("listeners"): _listeners(server),
        Atom("process"): os.getpid(),
    }


def _stop(server: Asked) -> Any:
    """OTP's `{stop, normal, ok, State}`: the answer comes when the last session has ended."""
    raise ActorExit("normal", reply=Atom("ok"))


ANSWERS: dict[str, Answer] = {
    "sessions": _sessions,
    "addresses": _addresses,
    "listeners": _listeners,
    "info": _info,
    "stop": _stop,
}


# -- addresses --------------------------------------------------------------------------------------


def erlang_address(address: Any) -> Any:
    """An address as `inet:sockname` has it: `{{127,0,0,1}, 25}`, `{local, Path}` for a unix socket."""
    if not isinstance(address, Sequence) or isinstance(address, str | bytes):
        return (Atom("local"), address)
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    if ip.version == 4:
        return (tuple(ip.packed), address[1])
    groups = tuple(int.from_bytes(ip.packed[place : place + 2]) for place in range(0, 16, 2))
    return (groups, address[1])


def python_address(address: Any) -> Any:
    """The other way: `(host, port)`, or the path of a unix socket."""
    host, port = address
    if host == "local":
        return port.decode("utf-8", "surrogateescape") if isinstance(port, bytes) else port
    packed = bytes(host) if len(host) == 4 else b"".join(group.to_bytes(2) for group in host)
    return (str(ipaddress.ip_address(packed)), port)
