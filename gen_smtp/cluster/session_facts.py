"""What a session tells of itself to Erlang, and to Python elsewhere: `SessionInfo` as a map, and back.

Texts are binaries, addresses are as `inet` has them, records are maps with atoms for keys.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pykka

from actors import call
from beam import Atom, text
from gen_smtp.callbacks.facts import SessionInfo

INFO = Atom("info")


def asks_for_facts(message: Any) -> bool:
    """Tell whether `gen_server:call(Session, info)` was asked. In Python a text is no atom."""
    return type(message) is Atom and message == INFO


def session_info(ref: pykka.ActorRef[Any], timeout: float | None) -> SessionInfo:
    """See `gen_smtp_server_session.info`; gen_smtp 0.x does not answer it.

    Raises:
        TypeError: the process is no session of this library.
    """
    answer = call(ref, INFO, timeout)
    if not isinstance(answer, dict) or not set(answer) >= _FIELDS:
        raise TypeError(f"{ref} is not a session that tells its facts: {answer!r}")
    return info_of(answer)


def info_of(term: dict[Any, Any]) -> SessionInfo:
    """The facts that a session's answer has."""
    info: SessionInfo = _read(SessionInfo, term)
    return info


def term_of(value: Any) -> Any:
    """A fact as a term."""
    if dataclasses.is_dataclass(value):
        return {Atom(name): term_of(getattr(value, name)) for name in _names(value)}
    if isinstance(value, IPv4Address):
        return tuple(value.packed)
    if isinstance(value, IPv6Address):
        return tuple(int.from_bytes(value.packed[at : at + 2]) for at in range(0, 16, 2))
    if isinstance(value, dict):
        return {key: term_of(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(term_of, value))
    return value


def _read(hint: Any, term: Any) -> Any:
    """A fact of the type that a record's field has."""
    if term is None:
        return None
    args = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        if IPv4Address in args and isinstance(term, tuple):
            return _address(term)
        return _read(next(each for each in args if each not in _NEVER_NEEDED), term)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return hint(**{name: _read(hints[name], term[name]) for name in _names(hint)})
    if typing.get_origin(hint) is tuple:
        return tuple(_read(args[0], each) for each in term)
    if hint is str or typing.get_origin(hint) in (typing.Literal, dict):
        return _texts(term)
    return term


def _texts(term: Any) -> Any:
    if isinstance(term, bytes):
        return text(term)
    if isinstance(term, dict):
        return {_texts(key): _texts(value) for key, value in term.items()}
    if isinstance(term, tuple | list):
        return type(term)(map(_texts, term))
    return term


def _address(term: tuple[int, ...]) -> IPv4Address | IPv6Address:
    packed = bytes(term) if len(term) == 4 else b"".join(group.to_bytes(2) for group in term)
    return ip_address(packed)


def _names(record: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


_FIELDS = set(_names(SessionInfo))
_NEVER_NEEDED = (IPv4Address, IPv6Address, type(None))
