"""What a callback got wrong, as the log may show it: not too long, and without message or password.

A callback may hand back what it was called with: in a value that it returns, in an exception that it raises.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

from actors.errors import shown
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.text.command import NO_VERB, shown_verb

LONGEST_SHOWN_VALUE = 200
SHORTEST_SECRET = 4
"""Characters. A shorter text can be in anything by chance; as a whole value it is hidden all the same."""
SHORTEST_PIECE = 8
"""Octets of a message that are known again as a piece of it."""
MOST_LEAVES = 10_000
"""How much of a wrong value is looked at."""
_HIDDEN = "..."
_MAY_BE_READ = re.compile(r"[\r\n]|\\[rn]|.{200}")

_READERS = {"handle_DATA_stream", "handle_AUTH_keys"}
"""Callbacks that read what has no place in a log: nobody can tell it from the rest of what they return."""


def _credential(arguments: Sequence[Any]) -> Sequence[Any]:
    credential = arguments[2]
    if isinstance(credential, ClientCertificate):
        return ()  # every client that has one shows it to everybody
    if dataclasses.is_dataclass(credential) and not isinstance(credential, type):
        fields = dataclasses.fields(credential)
        hidden = [field for field in fields if not field.repr]
        return list(_leaves([getattr(credential, field.name) for field in hidden or fields]))
    return list(_leaves(credential))


def _message(arguments: Sequence[Any]) -> Sequence[Any]:
    return arguments[2:3]


def _unknown_line(arguments: Sequence[Any]) -> Sequence[Any]:
    """A line that is no command may be of credentials, or of a message."""
    verb, rest = arguments
    return (verb, rest) if shown_verb(verb.encode("utf-8", "surrogateescape")) == NO_VERB else ()


_SECRETS = {"handle_AUTH": _credential, "handle_DATA": _message, "handle_other": _unknown_line}
"""What of a callback's arguments has no place in a log."""


def shown_value(value: Any, callback: str, arguments: tuple[Any, ...]) -> str:
    """Show a value that a callback returned.

    Args:
        value: what it returned.
        callback: its name.
        arguments: what it was called with; it may have handed some of that back by mistake.
    """
    if callback in _READERS:
        return f"a value of type {type(value).__name__}"
    secrets = _secrets_of(callback, arguments)
    if any(_is_piece(each, secrets) or _holds(each, secrets) for each in _leaves(value)):
        return f"a value of type {type(value).__name__}, which holds what it was called with"
    text = _without(shown(value), secrets)
    return text if len(text) <= LONGEST_SHOWN_VALUE else f"{text[:LONGEST_SHOWN_VALUE]}…"


def without_secrets(error: BaseException, callback: str, arguments: tuple[Any, ...]) -> BaseException:
    """Take what a callback was called with out of the exception that it raised, and out of those behind it.

    Its arguments are changed where that is enough, as for `KeyError(password)`. Where it is not, an exception
    that only names the type stands for it.

    Args:
        error: what it raised.
        callback: its name.
        arguments: what it was called with.

    Returns:
        the exception that the session ends with, and that the log shows.
    """
    if callback not in _SECRETS and callback not in _READERS:
        return error
    secrets = _secrets_of(callback, arguments) if arguments else []
    for each in _with_causes(error):
        _clean(each, secrets, is_reader=callback in _READERS)
    if any(_tells(each, secrets) for each in _with_causes(error)):
        stand_in = RuntimeError(f"{type(error).__name__}, whose text has no place in a log")
        return stand_in.with_traceback(error.__traceback__)
    return error


def _secrets_of(callback: str, arguments: tuple[Any, ...]) -> list[Any]:
    find = _SECRETS.get(callback)
    return [] if find is None else [secret for secret in find(arguments) if secret]


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, those it was raised for, and the members of each group."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
            waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _clean(error: BaseException, secrets: Sequence[Any], *, is_reader: bool) -> None:
    """Hide what is secret, and every octet string: it is the message, or a piece of it.

    What a reader has read is not known here: long texts and those with ends of lines may be of the message.
    """
    error.args = tuple(
        _HIDDEN
        if is_reader and isinstance(each, str) and _MAY_BE_READ.search(each)
        else _cleaned(each, secrets)
        for each in error.args
    )
    if isinstance(error, UnicodeError) and len(error.args) > 1:  # what could not be decoded or encoded
        error.args = (error.args[0], _HIDDEN, *error.args[2:])
    if hasattr(error, "__notes__"):
        error.__notes__ = [_cleaned(note, secrets) for note in error.__notes__]


def _cleaned(value: Any, secrets: Sequence[Any]) -> Any:
    if isinstance(value, bytes | bytearray | memoryview) or any(value is secret for secret in secrets):
        return _HIDDEN
    if isinstance(value, str):
        if value in secrets or _is_piece(value, secrets):
            return _HIDDEN
        for secret in secrets:
            if isinstance(secret, str) and len(secret) >= SHORTEST_SECRET:
                value = value.replace(secret, _HIDDEN)
    if any(form in shown(value) for form in _forms(secrets)):
        return _HIDDEN
    return value


def _is_piece(value: str | bytes, secrets: Sequence[Any]) -> bool:
    """Whether a text or octet string is a piece of the message, which is the one secret that is octets."""
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    return len(octets) >= SHORTEST_PIECE and any(
        isinstance(secret, bytes) and octets in secret for secret in secrets
    )


def _holds(value: str | bytes, secrets: Sequence[Any]) -> bool:
    """Whether a text holds a secret as a repr shows it; in the text's own repr it would be hard to find."""
    return isinstance(value, str) and any(form in value for form in _forms(secrets))


def _leaves(value: Any) -> Iterator[str | bytes]:
    """The texts and octet strings in a value that is made of results, lists and the like."""
    waiting, left = [value], MOST_LEAVES
    while waiting and left:
        each, left = waiting.pop(), left - 1
        if isinstance(each, str | bytes):
            yield each
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += each
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif dataclasses.is_dataclass(each) and not isinstance(each, type):
            waiting += [getattr(each, field.name, None) for field in dataclasses.fields(each)]


def _tells(error: BaseException, secrets: Sequence[Any]) -> bool:
    """Whether a secret is left in what a log would show of an exception."""
    texts = shown(error) + _text(error)
    return any(form in texts for form in _forms(secrets))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return ""


def _without(text: str, secrets: Sequence[Any]) -> str:
    for form in _forms(secrets, shortest=1):
        text = text.replace(form, _HIDDEN)
    return text


def _forms(secrets: Sequence[Any], shortest: int = SHORTEST_SECRET) -> Iterator[str]:
    """How secrets look in a text: as they are, and as a repr shows their octets and characters."""
    for secret in secrets:
        if len(secret) < shortest:
            continue
        if isinstance(secret, str):
            yield secret
        yield repr(secret).removeprefix("b")[1:-1]
        if isinstance(secret, bytes):
            text = secret.decode("utf-8", "replace")
            yield text
            yield repr(text)[1:-1]
