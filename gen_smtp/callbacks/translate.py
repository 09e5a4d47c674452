"""From what a callback returned to what the protocol is told; one table says what is right where."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, TypeAlias

from gen_smtp.callbacks import results
from gen_smtp.protocol import verdicts
from gen_smtp.protocol.verdicts import ACCEPT, Verdict


class WrongValue(Exception):  # noqa: N818 - it is reported, not raised to users
    """A callback returned what it may not return."""


Converter: TypeAlias = Callable[[Any], Verdict]

FAILURE = re.compile(r"[45][0-9]{2}(?:[ -]|$)", re.ASCII)
REPLY = re.compile(r"[2-5][0-9]{2}(?:[ -]|$)", re.ASCII)


def verdict_of(callback: str, result: Any) -> Verdict:
    """Translate a callback's result.

    Args:
        callback: its name.
        result: what it returned.

    Raises:
        WrongValue: the value is none that this callback may return; says what is.
    """
    convert = _CONVERTERS[callback].get(type(result))
    if convert is None:
        allowed = ", ".join(sorted(kind.__name__.lower() for kind in _CONVERTERS[callback]))
        raise WrongValue(f"{callback} may return {allowed}")
    try:
        return convert(result)
    except WrongValue:
        raise
    except Exception as error:  # raised by something that the callback put into its result
        raise WrongValue(f"{callback} returned what can't be looked at: {type(error).__name__}") from error


def banner_of(value: Any) -> str | tuple[str, ...]:
    """Check init's banner, whose code may be in front of it as in any whole reply.

    Raises:
        WrongValue: it is neither text nor a list of texts.
    """
    if isinstance(value, str):
        return value.removeprefix("220 ")
    if not _are_texts(value):
        raise WrongValue("ok takes text here, or a list of texts")
    return (value[0].removeprefix("220 "), *value[1:])


def end_of(callback: str, result: Any) -> results.Stop | None:
    """What the result of a callback without a verdict means: None to go on, or the end.

    Raises:
        WrongValue: the value is none that this callback may return; says what is.
    """
    kinds = _NOTICES[callback]
    if not isinstance(result, kinds):
        allowed = ", ".join(_WORDS[kind] for kind in kinds)
        raise WrongValue(f"{callback} may return {allowed}")
    if isinstance(result, results.Ok):
        _accept_alone(result)
    if not isinstance(result, results.Stop):
        return None
    if result.message is None:
        return result
    return results.Stop(result.reason, text_of(result.message, REPLY, "its code"))


def text_of(message: Any, code: re.Pattern[str], what: str) -> str | tuple[str, ...]:
    """Check a message: text or texts, the first of which begins with a code of the right kind."""
    lines = (message,) if isinstance(message, str) else message
    if not _are_texts(lines) or not code.match(lines[0]):
        raise WrongValue(f"a message here is text, or a list of texts, that begins with {what}")
    return message if isinstance(message, str) else tuple(lines)


def _are_texts(lines: Any) -> bool:
    return isinstance(lines, Sequence) and bool(lines) and all(isinstance(line, str) for line in lines)


def _accept_alone(result: results.Ok) -> Verdict:
    if result.value is not None:
        raise WrongValue("ok takes no value here")
    return ACCEPT


def _accept_text(result: results.Ok) -> verdicts.Accept:
    value = result.value
    if value is None:
        return ACCEPT
    if isinstance(value, str):
        return verdicts.Accept(value)
    if not _are_texts(value):
        raise WrongValue("ok takes text here, or a list of texts")
    return verdicts.Accept(tuple(value))


def _accept_size(result: results.Ok) -> Verdict:
    size = result.value
    if size is None:
        return ACCEPT
    is_number = isinstance(size, int) and not isinstance(size, bool)
    if size != math.inf and not (is_number and size > 0):
        raise WrongValue("ok takes a size in octets here: a positive integer or math.inf")
    return verdicts.Accept(max_size=size)


def _accept_extensions(result: results.Ok) -> Verdict:
    if result.value is None:
        return ACCEPT
    return verdicts.Accept(extensions=[_extension(each) for each in _list_of(result.value)])


def _list_of(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise WrongValue("ok takes a list of (name, value) pairs here")
    return value


def _extension(pair: Any) -> verdicts.Extension:
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise WrongValue(f"an extension is a pair (name, value), not {pair!r}")
    name, value = pair
    if not (isinstance(name, str) and name and name.isascii() and name.isprintable() and " " not in name):
        raise WrongValue(f"the name of an extension is a word of ASCII characters, not {name!r}")
    if isinstance(value, float) and value == math.inf and name.upper() == "SIZE":
        return name, "0"
    if (value is not True and not isinstance(value, str | int)) or value is False:
        raise WrongValue(f"the value of extension {name} is True, a text or an integer, not {value!r}")
    return name, value


def _reject(result: results.Error) -> verdicts.Reject:
    if result.message is None:
        return verdicts.Reject()
    return verdicts.Reject(text_of(result.message, FAILURE, "a code, 4dd or 5dd"))


def _reject_softly(result: results.Error) -> verdicts.Reject:
    """gen_smtp's way not to verify an address: `{error, "252 ..."}` (RFC 5321 7.3)."""
    if result.message is None:
        return verdicts.Reject()
    return verdicts.Reject(text_of(result.message, REPLY, "its code"))


def _stop(result: results.Stop) -> Verdict:
    if result.message is None:
        raise WrongValue("stop takes a message here, for the command that waits for its reply")
    return verdicts.Stop(text_of(result.message, REPLY, "its code"))


def _reply(result: results.Reply) -> Verdict:
    return verdicts.Reply(text_of(result.message, REPLY, "its code"))


def _no_reply(result: results.NoReply) -> Verdict:
    return verdicts.NoReply()


def _multiple(result: results.Multiple) -> Verdict:
    return verdicts.Results([_one_of_many(each) for each in result.results])


def _one_of_many(result: Any) -> verdicts.Accept | verdicts.Reject:
    match result:
        case results.Ok():
            return _accept_text(result)
        case results.Error():
            return _reject(result)
    raise WrongValue(f"multiple takes a list of ok and error, not a {type(result).__name__}")


_FAILURES: dict[type, Converter] = {results.Error: _reject, results.Stop: _stop}
_TEXT = {results.Ok: _accept_text, **_FAILURES}
_ALONE = {results.Ok: _accept_alone, **_FAILURES}
_CONVERTERS: dict[str, dict[type, Converter]] = {
    "handle_HELO": {results.Ok: _accept_size, **_FAILURES},
    "handle_EHLO": {results.Ok: _accept_extensions, **_FAILURES},
    "handle_AUTH": _TEXT,
    "handle_MAIL": _TEXT,
    "handle_MAIL_extension": _ALONE,
    "handle_RCPT": _TEXT,
    "handle_RCPT_extension": _ALONE,
    "handle_DATA": {results.Multiple: _multiple, **_TEXT},
    "handle_DATA_stream": {results.Multiple: _multiple, **_TEXT},
    "handle_VRFY": {**_TEXT, results.Error: _reject_softly},
    "handle_other": {results.Reply: _reply, results.NoReply: _no_reply, **_TEXT},
}

_NOTICES: dict[str, tuple[type, ...]] = {
    "handle_STARTTLS": (NoneType, results.Ok, results.Stop),
    "handle_RSET": (NoneType, results.Ok, results.Stop),
    "handle_info": (results.NoReply, NoneType, results.Ok, results.Stop),
    "handle_error": (results.Ok, results.Stop),
}
_WORDS = {NoneType: "None", results.Ok: "ok", results.NoReply: "noreply", results.Stop: "stop"}
