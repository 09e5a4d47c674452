"""What can be asked of a server: a row for each request.

A request has arguments with checks, a function that runs on the hub of each process that serves, and one that
puts the answers of all processes together. `Asked` is what the function finds there.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors import GeventRef, Shutdown
from actors.net.sockets import InheritedSocket
from actors.otp.messaging import cast, invoke
from actors.runtime.hub import Hub
from gen_smtp import facts
from gen_smtp.control.messages import ControlError
from gen_smtp.facts import Totals, Wanted, as_plain
from gen_smtp.options.parsing import parse_options
from gen_smtp.server.server import SmtpServer
from gen_smtp.server.shown_address import shown_address

SERVER_TIME = 3.0
"""Seconds that the server gets for its part of a request."""

MOST = 1000
"""Sessions or actors of an answer, at most."""

KICK_GRACE = 5.0
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

Arguments = Mapping[str, Any]
Answers = Mapping[int, Any]
"""By process."""


class Asked(Protocol):
    """A process that serves."""

    server: GeventRef[Any]
    process: int
    began: float
    totals: Totals


@dataclass(frozen=True, slots=True)
class Request:
    """A question, or something to do.

    Attributes:
        run: answers in a process that serves, on the hub: called with that, the arguments, and a descriptor
            that came along.
        merge: makes one answer of those of all processes, called with the arguments and the answers.
        arguments: the checks of its arguments, by their names; each returns the value to use.
        needed: the arguments that must be there.
        asks: whether the processes are asked at all; else the process that listens does it alone, even if a
            callback holds up the others.
    """

    run: Callable[[Asked, Arguments, int | None], Any]
    merge: Callable[[Arguments, Answers], Any]
    arguments: Mapping[str, Callable[[Any], Any]]
    needed: Sequence[str] = ()
    asks: bool = True

    def check(self, given: Any) -> Arguments:
        """The arguments to use.

        Raises:
            ControlError: one is unknown, wrong or missing.
        """
        if not isinstance(given, Mapping):
            raise ControlError("bad_request", "the arguments are a JSON object")
        unknown = [name for name in given if name not in self.arguments]
        if unknown:
            known = ", ".join(self.arguments) or "none"
            raise ControlError("bad_argument", f"there is no argument {unknown[0]!r}; there are: {known}")
        missing = [name for name in self.needed if given.get(name) is None]
        if missing:
            raise ControlError("bad_argument", f"the argument {missing[0]!r} is needed")
        return {name: _checked(name, self.arguments[name], value) for name, value in given.items()}


def _checked(name: str, check: Callable[[Any], Any], value: Any) -> Any:
    if value is None:
        return None
    try:
        return check(value)
    except (ValueError, TypeError) as error:
        raise ControlError("bad_argument", f"{name}: {error}") from error


# -- checks -----------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if isinstance(value, str) and len(value) <= 1000:
        return value
    raise ValueError("a text is needed")


def _texts(value: Any) -> list[str]:
    if isinstance(value, list) and 0 < len(value) <= MOST:
        return [_text(each) for each in value]
    raise ValueError(f"a list of 1 to {MOST} texts is needed")


def _seconds(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise ValueError("a number of seconds from 0 up is needed")


def _limit(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST:
        return value
    raise ValueError(f"a whole number from 1 to {MOST} is needed")


def _depth(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("a whole number from 0 up is needed")


def _place(value: Any) -> tuple[float, str]:
    if isinstance(value, list) and len(value) == 2:
        return _seconds(value[0]), _text(value[1])
    raise ValueError("what the page before has as `next` is needed")


def _options(value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError("the options of a listener are a JSON object")


def _level(value: Any) -> str:
    if isinstance(value, str) and value.lower() in LOG_LEVELS:
        return value.lower()
    raise ValueError(f"one of {', '.join(LOG_LEVELS)} is needed")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false is needed")


# -- sessions ---------------------------------------------------------------------------------------


def _sessions(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    wanted = Wanted(*(arguments.get(name) for name in ("peer", "user", "listener", "idle")))
    page = facts.sessions(asked.server, wanted, arguments.get("after"), arguments.get("limit") or facts.PAGE)
    return as_plain(page)


def _one_page(arguments: Arguments, answers: Answers) -> Any:
    limit = arguments.get("limit") or facts.PAGE
    pages = list(answers.values())
    found = sorted(
        (each for page in pages for each in page["sessions"]),
        key=lambda each: (each["started"], len(each["urn"]), each["urn"]),
    )
    shown = found[:limit]
    more = len(found) > len(shown) or any(page["next"] is not None for page in pages)
    return {
        "sessions": shown,
        "total": sum(page["total"] for page in pages),
        "next": [shown[-1]["started"], shown[-1]["urn"]] if more and shown else None,
    }


def _session(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    return as_plain(facts.session(asked.server, arguments["urn"]))


def _the_one(arguments: Arguments, answers: Answers) -> Any:
    found = [each for each in answers.values() if each is not None]
    if not found:
        raise _unknown_session(arguments["urn"])
    return found[0]


def _unknown_session(urn: str) -> ControlError:
    return ControlError(
        "unknown_session", f"there is no session {urn}; it may have ended, see `gen-smtp sessions`"
    )


def _kick(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    grace = arguments.get("grace")
    grace = KICK_GRACE if grace is None else grace
    kicked = []
    for urn in arguments["urns"]:
        ref = facts.session_ref(asked.server, urn)
        if ref is not None:
            cast(ref, Shutdown(grace))
            # A callback that does not return keeps the session from ending by itself.
            Hub.current().timers.call_later(grace, ref.kill)
            kicked.append(urn)
    return kicked


def _all_kicked(arguments: Arguments, answers: Answers) -> Any:
    kicked = [urn for each in answers.values() for urn in each]
    unknown = [urn for urn in arguments["urns"] if urn not in kicked]
    if not kicked:
        raise _unknown_session(unknown[0])
    return {"kicked": kicked, "unknown": unknown}


# -- actors and figures -----------------------------------------------------------------------------


def _tree(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    try:
        found = facts.actors(
            arguments.get("under"),
            arguments.get("after"),
            arguments.get("limit") or facts.PAGE,
            arguments.get("depth"),
        )
    except LookupError:
        found = []  # it may be of another process
    return as_plain(found)


def _trees(arguments: Arguments, answers: Answers) -> Any:
    processes = [{"process": process, "actors": found} for process, found in sorted(answers.items()) if found]
    if not processes and arguments.get("under") is not None:
        raise ControlError("unknown_actor", f"there is no actor {arguments['under']}; see `gen-smtp tree`")
    return {"processes": processes}


def _stats(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    return as_plain(facts.figures(asked.server, asked.began, asked.totals))


_SUMS = ("sessions", "arriving", "cpu", "memory", "actors", "mailboxes", "message_memory")


def _sums(arguments: Arguments, answers: Answers) -> Any:
    processes = [answers[process] for process in sorted(answers)]
    totals: dict[str, int] = {}
    for each in processes:
        for name, count in each["totals"].items():
            totals[name] = totals.get(name, 0) + count
    return {
        "sum": {name: sum(each[name] for each in processes) for name in _SUMS},
        "totals": dict(sorted(totals.items())),
        "suspended": any(each["suspended"] for each in processes),
        "listeners": _by_address([each["listeners"] for each in processes]),
        "processes": processes,
    }


# -- listeners --------------------------------------------------------------------------------------


def _listeners(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    return as_plain(facts.listeners(asked.server))


def _all_listeners(arguments: Arguments, answers: Answers) -> Any:
    return {"listeners": _by_address(list(answers.values()))}


def _by_address(lists: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The listeners of all processes, which share their sockets: those of one address are one."""
    found: dict[str, dict[str, Any]] = {}
    for each in (each for listeners in lists for each in listeners):
        one = found.setdefault(each["address"], {**each, "sessions": 0})
        one["sessions"] += each["sessions"]
        one["listens"] = one["listens"] and each["listens"]
        one["paused"] = one["paused"] or each["paused"]
    return list(found.values())


def _suspend(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    invoke(asked.server, SERVER_TIME, SmtpServer.suspend)


def _resume(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    invoke(asked.server, SERVER_TIME, SmtpServer.resume)


def _processes(arguments: Arguments, answers: Answers) -> Any:
    return {"processes": sorted(answers)}


def _add_listener(asked: Asked, arguments: Arguments, descriptor: int | None) -> Any:
    (options,) = parse_options([arguments["options"]])
    shared = None
    if descriptor is not None:
        import _socket

        shared = InheritedSocket(_socket.socket(fileno=os.dup(descriptor)), shared=True)
        os.close(descriptor)
        shared.socket.setblocking(False)
    return shown_address(invoke(asked.server, SERVER_TIME, SmtpServer.add_smtp_listener, options, shared))


def _an_address(arguments: Arguments, answers: Answers) -> Any:
    return {"address": next(iter(answers.values()), None), "processes": sorted(answers)}


def _remove_listener(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    for address in invoke(asked.server, SERVER_TIME, SmtpServer.addresses):
        if shown_address(address) == arguments["address"]:
            return invoke(asked.server, SERVER_TIME, SmtpServer.remove_listener, address)
    return False


def _removed(arguments: Arguments, answers: Answers) -> Any:
    if not any(answers.values()):
        raise ControlError(
            "unknown_listener", f"nothing listens on {arguments['address']}; see `gen-smtp listeners`"
        )
    return {"address": arguments["address"], "processes": sorted(answers)}


# -- the process ------------------------------------------------------------------------------------


def set_log_level(arguments: Arguments) -> None:
    """Have a logger, or all of them, log from a level on."""
    logging.getLogger(arguments.get("logger")).setLevel(arguments["level"].upper())


def _log_level(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    set_log_level(arguments)


def _nothing(asked: Asked, arguments: Arguments, _: int | None) -> Any:
    """The process that listens does it itself."""


_PAGE: Mapping[str, Callable[[Any], Any]] = {"limit": _limit}

REQUESTS: Mapping[str, Request] = {
    "sessions": Request(
        _sessions,
        _one_page,
        {"peer": _text, "user": _text, "listener": _text, "idle": _seconds, "after": _place, **_PAGE},
    ),
    "session": Request(_session, _the_one, {"urn": _text}, ["urn"]),
    "kick": Request(_kick, _all_kicked, {"urns": _texts, "grace": _seconds}, ["urns"]),
    "tree": Request(_tree, _trees, {"under": _text, "after": _text, "depth": _depth, **_PAGE}),
    "stats": Request(_stats, _sums, {}),
    "listeners": Request(_listeners, _all_listeners, {}),
    "suspend": Request(_suspend, _processes, {}),
    "resume": Request(_resume, _processes, {}),
    "add-listener": Request(_add_listener, _an_address, {"options": _options}, ["options"]),
    "remove-listener": Request(_remove_listener, _removed, {"address": _text}, ["address"]),
    "log-level": Request(_log_level, _processes, {"level": _level, "logger": _text}, ["level"]),
    "reload": Request(_nothing, _processes, {}, asks=False),
    "stop": Request(_nothing, _processes, {"now": _flag}, asks=False),
}
