"""What callbacks return, gen_smtp's words as values. Each may be used bare or be called.

    return ok                                   # the usual reply
    return ok("queued as 4711")                 # 250 queued as 4711
    return ok("251 user not local")             # a text that begins with 2dd is the whole reply
    return error("550 No such recipient")
    return error                                # 535 for AUTH, 555 for a parameter, else 550
    return stop("policy", "554 Go away")        # the message is sent, the session ends
    return reply("214 See RFC 5321"), ignore, noreply, multiple([ok("taken"), error("452 full")])

A message with several lines is a list of texts, the first of which carries the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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


# What each callback may return of these is in `behaviour.py`, to annotate it with.
Result: TypeAlias = Ok | Error | Stop | Reply | Ignore | NoReply | Multiple

ok = Ok()
error = Error()
stop = Stop()
reply = Reply()
ignore = Ignore()
noreply = NoReply()
multiple = Multiple()
