"""What callbacks return, gen_smtp's words as values. Each may be used bare or be called.

    return ok                                   # the usual reply
    return ok("queued as 4711")                 # 250 queued as 4711
    return ok("251 user not local")             # a text that begins with 2dd is the whole reply
    return error("550 No such recipient")
    return error                                # 535 for AUTH, 555 for a parameter, else 550
    return stop("policy", "554 Go away")        # the message is sent, the session ends
    return identified("alice")                  # 235, from handle_AUTH: the credentials are hers
    return greeting("mx.test greets you")       # 250, from handle_HELO and handle_EHLO
    return reply("214 See RFC 5321"), ignore, noreply, multiple([ok("taken"), error("452 full")])

A message with several lines is a list of texts, the first of which carries the code, or a text with newlines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, TypeAlias

from gen_smtp.protocol import verdicts
from gen_smtp.protocol.verdicts import ACCEPT, Verdict

Message: TypeAlias = str | Sequence[str]
"""A reply's text, or the texts of its lines."""


@dataclass(frozen=True, slots=True)
class Ok:
    """The command succeeds.

    Attributes:
        value: what the callback has to say: the banner (init), the largest message in octets (handle_HELO),
            the list of extensions (handle_EHLO), elsewhere the reply's text; None for the usual.
    """

    value: Any = None

    def __call__(self, value: Any = None) -> Ok:
        """`ok(value)`; `ok()` is `ok`."""
        return ok if value is None else Ok(value)


@dataclass(frozen=True, slots=True)
class Error:
    """The command fails.

    Attributes:
        message: the reply with its code, 4dd or 5dd; None for the usual. `421` closes the connection.
    """

    message: Message | None = None

    def __call__(self, message: Message | None = None) -> Error:
        """`error("550 ...")`."""
        return Error(message)


@dataclass(frozen=True, slots=True)
class Stop:
    """The session ends.

    Attributes:
        reason: what `terminate` gets.
        message: a last reply with its code. None ends the session without a word, or with a 421 where a
            command waits for its reply.
    """

    reason: Any = "normal"
    message: Message | None = None

    def __call__(self, reason: Any = "normal", message: Message | None = None) -> Stop:
        """`stop(reason, message)`."""
        return Stop(reason, message)


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole reply to an unknown command, from handle_other.

    Attributes:
        message: the reply with its code.
    """

    message: Message = "250 Ok"

    def __call__(self, message: Message) -> Reply:
        """`reply("214 ...")`."""
        return Reply(message)


@dataclass(frozen=True, slots=True)
class Ignore:
    """From init: the connection is closed without a word."""

    def __call__(self) -> Ignore:
        """`ignore()`, the same."""
        return self


@dataclass(frozen=True, slots=True)
class NoReply:
    """From handle_other and handle_info: nothing is sent."""

    def __call__(self) -> NoReply:
        """`noreply()`, the same."""
        return self


@dataclass(frozen=True, slots=True)
class Multiple:
    """From handle_DATA in LMTP: one result for each recipient, in their order (RFC 2033 4.2).

    Attributes:
        results: `ok` or `error`, with or without text. Those that lack are answered 451.
    """

    results: Sequence[Ok | Error] = ()

    def __call__(self, results: Sequence[Ok | Error]) -> Multiple:
        """`multiple([ok, error("452 ...")])`."""
        return Multiple(tuple(results))


@dataclass(frozen=True, slots=True)
class Identified:
    """From handle_AUTH: the credentials are good, and they are this user's, whatever name the client gave.

    Attributes:
        user: the name, `session.user` from now on.
        message: the reply's text; None for the usual.
    """

    user: str = ""
    message: Message | None = None

    def __call__(self, user: str, message: Message | None = None) -> Identified:
        """`identified("alice")`."""
        return Identified(user, message)


@dataclass(frozen=True, slots=True)
class Greeting:
    """From handle_HELO and handle_EHLO: the command succeeds, and its reply has this text.

    Attributes:
        text: the first line of the reply. It should begin with the host's own name (RFC 5321 4.1.1.1).
        value: as of `ok`: the largest message in octets (handle_HELO), the list of extensions (handle_EHLO).
    """

    text: str = ""
    value: Any = None

    def __call__(self, text: str, value: Any = None) -> Greeting:
        """`greeting("mx.example.com at your service", extensions)`."""
        return Greeting(text, value)


# What each callback may return of these is in `behaviour.py`, to annotate it with.
Result: TypeAlias = Ok | Error | Stop | Reply | Ignore | NoReply | Multiple | Identified | Greeting

ok = Ok()
error = Error()
stop = Stop()
reply = Reply()
ignore = Ignore()
noreply = NoReply()
multiple = Multiple()
identified = Identified()
greeting = Greeting()


# -- what they mean to the protocol: one table says what is right where ------------------------------


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


def accept_of(callback: str, result: Ok) -> Verdict | None:
    """As `verdict_of` for an `ok`; None if that is wrong, which `verdict_of` can say more of."""
    try:
        return _CONVERTERS[callback][Ok](result)
    except Exception:
        return None


def banner_of(value: Any) -> str | tuple[str, ...]:
    """Check init's banner, whose code may be in front of it as in any whole reply.

    Raises:
        WrongValue: it is neither text nor a list of texts.
    """
    if isinstance(value, str) and "\n" not in value:
        return value.removeprefix("220 ")
    lines = _lines_of(value)
    if lines is None:
        raise WrongValue("ok takes text here, or a list of texts")
    return (lines[0].removeprefix("220 "), *lines[1:])


def end_of(callback: str, result: Any) -> Stop | None:
    """What the result of a callback without a verdict means: None to go on, or the end.

    Raises:
        WrongValue: the value is none that this callback may return; says what is.
    """
    kinds = _NOTICES[callback]
    if not isinstance(result, kinds):
        allowed = ", ".join(_WORDS[kind] for kind in kinds)
        raise WrongValue(f"{callback} may return {allowed}")
    if isinstance(result, Ok):
        _accept_alone(result)
    if not isinstance(result, Stop):
        return None
    if result.message is None:
        return result
    return Stop(result.reason, text_of(result.message, REPLY, "its code"))


def text_of(message: Any, code: re.Pattern[str], what: str) -> str | tuple[str, ...]:
    """Check a message: text or texts, the first of which begins with a code of the right kind."""
    lines = _lines_of(message)
    if lines is None or not code.match(lines[0]):
        raise WrongValue(f"a message here is text, or a list of texts, that begins with {what}")
    return lines[0] if isinstance(message, str) and len(lines) == 1 else lines


def _lines_of(message: Any) -> tuple[str, ...] | None:
    """The lines of a reply, given as a text or as a list of texts, at least one; None for what is neither."""
    texts = (message,) if isinstance(message, str) else message
    if not (isinstance(texts, Sequence) and texts and all(isinstance(text, str) for text in texts)):
        return None
    return tuple(line for text in texts for line in _split(text))


def _split(text: str) -> Sequence[str]:
    """Python's text has LF at its line ends. One with a CR may be an octet stream's: it stays one line."""
    return text.rstrip("\n").split("\n") if "\n" in text and "\r" not in text else (text,)


def _accept_alone(result: Ok) -> Verdict:
    if result.value is not None:
        raise WrongValue("ok takes no value here")
    return ACCEPT


def _accept_text(result: Ok) -> verdicts.Accept:
    value = result.value
    if value is None:
        return ACCEPT
    if isinstance(value, str) and "\n" not in value:
        return verdicts.Accept(value)
    lines = _lines_of(value)
    if lines is None:
        raise WrongValue("ok takes text here, or a list of texts")
    return verdicts.Accept(lines)


def _accept_size(result: Ok) -> Verdict:
    size = result.value
    if size is None:
        return ACCEPT
    is_number = isinstance(size, int) and not isinstance(size, bool)
    if size != math.inf and not (is_number and size > 0):
        raise WrongValue("ok takes a size in octets here: a positive integer or math.inf")
    return verdicts.Accept(max_size=size)


def _accept_extensions(result: Ok) -> Verdict:
    value = result.value
    if value is None:
        return ACCEPT
    if not isinstance(value, list | tuple):
        raise WrongValue("ok takes a list of (name, value) pairs here")
    extensions: list[verdicts.Extension] = []
    for pair in value:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise WrongValue(f"an extension is a pair (name, value), not {pair!r}")
        name, given = pair
        if not (isinstance(name, str) and name and name.isascii() and name.isprintable() and " " not in name):
            raise WrongValue(f"the name of an extension is a word of ASCII characters, not {name!r}")
        if isinstance(given, float) and given == math.inf and name.upper() == "SIZE":
            given = "0"
        elif (given is not True and not isinstance(given, str | int)) or given is False:
            raise WrongValue(f"the value of extension {name} is True, a text or an integer, not {given!r}")
        extensions.append((name, given))
    return verdicts.Accept(extensions=extensions)


def _greet(result: Greeting, convert: Callable[[Ok], Verdict]) -> Verdict:
    text = result.text
    if not (isinstance(text, str) and text and text.isprintable()):
        raise WrongValue("greeting takes a text of one line")
    accept = convert(Ok(result.value))
    assert isinstance(accept, verdicts.Accept)  # that is what an `ok` is, or it is wrong
    return replace(accept, text=text)


def _greet_with_size(result: Greeting) -> Verdict:
    return _greet(result, _accept_size)


def _greet_with_extensions(result: Greeting) -> Verdict:
    return _greet(result, _accept_extensions)


def _reject(result: Error) -> verdicts.Decline:
    if result.message is None:
        return verdicts.Decline()
    return verdicts.Decline(text_of(result.message, FAILURE, "a code, 4dd or 5dd"))


def _reject_softly(result: Error) -> verdicts.Decline:
    """gen_smtp's way not to verify an address: `{error, "252 ..."}` (RFC 5321 7.3)."""
    if result.message is None:
        return verdicts.Decline()
    return verdicts.Decline(text_of(result.message, REPLY, "its code"))


def _stop(result: Stop) -> Verdict:
    if result.message is None:
        raise WrongValue("stop takes a message here, for the command that waits for its reply")
    return verdicts.Drop(text_of(result.message, REPLY, "its code"))


def _reply(result: Reply) -> Verdict:
    return verdicts.WholeReply(text_of(result.message, REPLY, "its code"))


def _no_reply(result: NoReply) -> Verdict:
    return verdicts.Silence()


def _multiple(result: Multiple) -> Verdict:
    return verdicts.PerRecipient([_one_of_many(each) for each in result.results])


def _identified(result: Identified) -> Verdict:
    if not isinstance(result.user, str) or not result.user:
        raise WrongValue("identified takes the user's name, a text")
    return verdicts.Identified(_accept_text(Ok(result.message)).text, user=result.user)


def _found(result: Ok) -> Verdict:
    if result.value is None:
        raise WrongValue("ok takes a value here: the keys of the user, or error if there is no such user")
    return verdicts.Found(value=result.value)


def _one_of_many(result: Any) -> verdicts.Accept | verdicts.Decline:
    match result:
        case Ok():
            return _accept_text(result)
        case Error():
            return _reject(result)
    raise WrongValue(f"multiple takes a list of ok and error, not a {type(result).__name__}")


_FAILURES: dict[type, Converter] = {Error: _reject, Stop: _stop}
_TEXT = {Ok: _accept_text, **_FAILURES}
_ALONE = {Ok: _accept_alone, **_FAILURES}
_OTHER: dict[type, Converter] = {Reply: _reply, NoReply: _no_reply, **_TEXT}
_CONVERTERS: dict[str, dict[type, Converter]] = {
    "handle_HELO": {Ok: _accept_size, Greeting: _greet_with_size, **_FAILURES},
    "handle_EHLO": {Ok: _accept_extensions, Greeting: _greet_with_extensions, **_FAILURES},
    "handle_AUTH": {Identified: _identified, **_TEXT},
    "handle_AUTH_keys": {Ok: _found, **_FAILURES},
    "handle_MAIL": _TEXT,
    "handle_MAIL_extension": _ALONE,
    "handle_RCPT": _TEXT,
    "handle_RCPT_extension": _ALONE,
    "handle_DATA": {Multiple: _multiple, **_TEXT},
    "handle_DATA_stream": {Multiple: _multiple, **_TEXT},
    "handle_VRFY": {**_TEXT, Error: _reject_softly},
    "handle_required": _ALONE,
    "handle_EXPN": _OTHER,
    "handle_HELP": _OTHER,
    "handle_ETRN": _OTHER,
    "handle_other": _OTHER,
}

_NOTICES: dict[str, tuple[type, ...]] = {
    "handle_STARTTLS": (NoneType, Ok, Stop),
    "handle_RSET": (NoneType, Ok, Stop),
    "handle_info": (NoReply, NoneType, Ok, Stop),
    "handle_error": (Ok, Stop),
}
_WORDS = {NoneType: "None", Ok: "ok", NoReply: "noreply", Stop: "stop"}
