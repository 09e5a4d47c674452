"""Checks of option values, and the error that names what is wrong with them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from actors.errors import StartError

Check = Callable[[Any], Any]
"""Takes the value given, returns the value to use, or raises an `OptionsError` that names no option yet."""

Record = TypeVar("Record")

# RFC 5321 4.1.2: Domain and address-literal; underscores are no part of it, but of names in use.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_ADDRESS_LITERAL = re.compile(r"\[[0-9A-Za-z.:-]+\]", re.ASCII)
_LONGEST_HOST_NAME = 255
GREETING_TIMEOUT = 300

NO_SUCH_OPTION = "there is no such option"

MILLISECONDS = range(10_000, 3_600_001, 1000)
"""Times that are more likely in Erlang's milliseconds, from ten seconds to an hour, than in seconds."""


class OptionsError(StartError, ValueError):
    """The options a server was to start with are wrong.

    Attributes:
        problem: what is wrong.
        listener: its number in the list of options, from 1; None when the list itself is wrong.
        option: the option, its place in dots: `"port"`, `"sessionoptions.tls_options.certfile"`.
        allowed: what would be right, in words; None when `problem` says it all.
        nearest: the option that was probably meant by an unknown name.
    """

    def __init__(
        self,
        problem: str,
        *,
        listener: int | None = None,
        option: str | None = None,
        allowed: str | None = None,
        nearest: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.listener = listener
        self.option = option
        self.allowed = allowed
        self.nearest = nearest

    def __str__(self) -> str:
        places = [
            f"listener {self.listener}" if self.listener else "",
            f"option {self.option}" if self.option else "",
        ]
        where = ", ".join(place for place in places if place)
        parts = [f"{where}: {self.problem}" if where else self.problem]
        if self.nearest:
            parts.append(f"did you mean {self.nearest}?")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        return "; ".join(parts)

    def within(self, option: str) -> OptionsError:
        """The same error, seen from the option that holds the one it names."""
        inner = f"{option}.{self.option}" if self.option else option
        nearest = f"{option}.{self.nearest}" if self.nearest else None
        return self._copy(option=inner, nearest=nearest)

    def of_listener(self, number: int) -> OptionsError:
        """The same error, seen from the list of listeners."""
        return self._copy(listener=number)

    def meaning(self, option: str | None) -> OptionsError:
        """The same error, with the option that was probably meant."""
        return self._copy(nearest=option)

    def _copy(self, **changes: Any) -> OptionsError:
        facts = {name: getattr(self, name) for name in ("listener", "option", "allowed", "nearest")}
        error = OptionsError(self.problem, **(facts | changes))
        error.__cause__ = self.__cause__
        return error


def check_fields(record: Any, checks: Mapping[str, Check]) -> None:
    """Put each field of a frozen record through its check, and the value to use in its place."""
    for name, check in checks.items():
        try:
            object.__setattr__(record, name, check(getattr(record, name)))
        except OptionsError as error:
            raise error.within(name) from error.__cause__


def read_record(record_type: type[Record], given: Any, inner: Mapping[str, type] | None = None) -> Record:
    """A record from a mapping, from an Erlang-like list of (key, value) pairs, or as it is.

    Args:
        record_type: a dataclass that checks its fields itself.
        given: what the user wrote.
        inner: options that hold records themselves, with their types: where an unknown option may belong.
    """
    if isinstance(given, record_type):
        return given
    options = as_mapping(given)
    known = option_names(record_type)
    for name in options:
        if name not in known:
            raise unknown_option(name, known, inner)
    return record_type(**options)


def option_names(record_type: type) -> list[str]:
    """The names of the options that a record type has."""
    return [field.name for field in dataclasses.fields(record_type) if field.init]


def shown_option(value: Any) -> str:
    """A value as an error may show it: short, and never a container that could hold a password."""
    if isinstance(value, int) and abs(value) >= 2**64:
        return "a very large number"
    if value is None or isinstance(value, str | bytes | int | float):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}..."
    if isinstance(value, tuple) and all(isinstance(part, int) and abs(part) < 2**64 for part in value):
        return repr(value[:16])
    return f"a value of type {type(value).__name__}"


def optional(check: Check) -> Check:
    """None, or what `check` says."""
    return lambda value: None if value is None else check(value)


def one_of(*choices: Any) -> Check:
    """One of a few values; `0` is not `False`."""
    allowed = ", ".join(map(repr, choices))

    def check(value: Any) -> Any:
        for choice in choices:
            if isinstance(value, type(choice)) and value == choice:
                return choice
        raise OptionsError(f"not one of the choices: {shown_option(value)}", allowed=allowed)

    return check


def whole_number(low: int, high: int) -> Check:
    """An integer from `low` to `high`; True and False are none."""

    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return int(value)
        raise OptionsError(f"not a whole number in range: {shown_option(value)}", allowed=f"{low} to {high}")

    return check


def limit_from(lowest: int, highest: int | float = math.inf) -> Check:
    """A limit: a whole number from `lowest` to `highest`; None and `math.inf` are no limit."""
    numbers = f"from {lowest} up" if highest == math.inf else f"from {lowest} to {highest}"

    def check(value: Any) -> int | float:
        if value is None or (isinstance(value, float) and value == math.inf):
            return math.inf
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return int(value)
        raise OptionsError(
            f"not a limit: {shown_option(value)}",
            allowed=f"a whole number {numbers}, or None or math.inf for no limit",
        )

    return check


def flag(value: Any) -> bool:
    """True or False, and nothing that only counts as one."""
    if isinstance(value, bool):
        return value
    raise OptionsError(f"not a truth value: {shown_option(value)}", allowed="True, False")


def seconds(value: Any) -> float:
    """A time span: more than 0 seconds, or `math.inf`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and (0 < value <= sys.float_info.max or value == math.inf):
        return float(value)
    raise OptionsError(
        f"not a time in seconds: {shown_option(value)}",
        allowed="a number of seconds above 0, or math.inf for no limit",
    )


def timeout(value: Any) -> float:
    """A time span to wait for somebody: no milliseconds, as Erlang has them."""
    span = seconds(value)
    if span not in MILLISECONDS:
        return span
    raise OptionsError(
        f"these seem to be milliseconds: {shown_option(value)}",
        allowed=f"a number of seconds, here {span / 1000:g}; or math.inf for no limit",
    )


def time_span(value: Any) -> float:
    """A time span that has an end and may be none at all."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max:
        return float(value)
    raise OptionsError(
        f"not a time in seconds: {shown_option(value)}", allowed="a number of seconds, 0 or more"
    )


def greeting_delay(value: Any) -> float:
    """Seconds before the greeting, for which a client waits five minutes (RFC 5321 4.5.3.2.1)."""
    delay = time_span(value)
    if delay < GREETING_TIMEOUT:
        return delay
    raise OptionsError(
        f"no client waits so long for the greeting: {shown_option(value)}",
        allowed=f"less than {GREETING_TIMEOUT} seconds",
    )


def host_name(value: Any) -> str:
    """A host name in ASCII, without an address literal."""
    if isinstance(value, str) and _HOST_NAME.fullmatch(value) and len(value) <= _LONGEST_HOST_NAME:
        return value
    raise OptionsError(
        f"not a host name: {shown_option(value)}",
        allowed="letters, digits, hyphens and underscores between dots (other alphabets in their xn-- form)",
    )


def mail_domain(value: Any) -> str:
    """The name a server gives itself: a host name or an address literal such as `[192.0.2.1]`."""
    if isinstance(value, str) and _ADDRESS_LITERAL.fullmatch(value):
        return value
    return host_name(value)


def file_path(value: Any) -> str:
    """The path of a file, as text or as a path object."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if isinstance(path, str) and path and "\0" not in path:
        return path
    raise OptionsError(
        f"not a path: {shown_option(value)}", allowed="a path as text or as a pathlib.Path, not empty"
    )


def folder(value: Any) -> str:
    """The path of a folder that is there."""
    path = file_path(value)
    if os.path.isdir(path):
        return path
    raise OptionsError(f"not a folder: {shown_option(path)}", allowed="the path of a folder that exists")


def as_mapping(given: Any) -> Mapping[Any, Any]:
    """Options as a mapping, whichever way they are written.

    Raises:
        OptionsError: they are neither a mapping nor a list of pairs, or one is given twice.
    """
    if isinstance(given, Mapping):
        return given
    if not isinstance(given, list | tuple):
        raise OptionsError(
            f"not options, but of type {type(given).__name__}",
            allowed="a mapping, or a list of (key, value) pairs",
        )
    options: dict[Any, Any] = {}
    for pair in given:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise OptionsError(
                "not a (key, value) pair in a list of options", allowed='such as ("port", 2525)'
            )
        if pair[0] in options:
            raise OptionsError("given twice", option=pair[0])
        options[pair[0]] = pair[1]
    return options


def unknown_option(name: Any, known: Iterable[str], inner: Mapping[str, type] | None = None) -> OptionsError:
    """The error for an option that there is not.

    Args:
        name: what the user wrote.
        known: the options that there are.
        inner: as for `read_record`.
    """
    if not isinstance(name, str):
        return OptionsError(
            f"the name of an option is not text: {shown_option(name)}", allowed=", ".join(known)
        )
    places = {own: own for own in known}
    for option, record_type in (inner or {}).items():
        places |= {deep: f"{option}.{deep}" for deep in option_names(record_type) if deep not in places}
    close = difflib.get_close_matches(name.lower(), places, n=1)
    return OptionsError(
        NO_SUCH_OPTION,
        option=name,
        allowed=", ".join(known),
        nearest=places[close[0]] if close else None,
    )
