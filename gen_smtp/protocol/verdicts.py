"""What the driver of the protocol answers to a question (``Protocol.respond``).

A *message* is one text or several (a multi-line reply) whose first carries its reply code, as in
``"550 No such user"``; a *text* goes behind the code that belongs to the command.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gen_smtp.protocol.text.replies import StandardReply

Text = str | tuple[str, ...]
"""One text, or several for a multi-line reply."""

ExtensionValue = str | int | Literal[True]
"""What follows the keyword of an EHLO extension; ``True`` is the keyword alone."""

Extension = tuple[str, ExtensionValue]
"""One EHLO extension, as ``("SIZE", "10485760")`` or ``("PIPELINING", True)``."""


@dataclass(slots=True)
class Accept:
    """The command succeeds.

    ``text`` follows the usual code, or is the whole reply when it begins with ``2dd`` and a space;
    ``None`` is the command's own text. ``extensions`` (EHLO, LHLO) is the list to announce and to use,
    ``None`` the built-in one; ``max_size`` (HELO) the new limit of a message in octets, positive or
    ``math.inf``. Not to be changed, though not frozen: every message brings one.
    """

    text: Text | None = None
    extensions: Sequence[Extension] | None = field(default=None, kw_only=True)
    max_size: int | float | None = field(default=None, kw_only=True)
    close: bool = field(default=False, kw_only=True)


@dataclass(slots=True)
class Identified(Accept):
    """AUTH succeeds, and the client is ``user``, whatever name it gave."""

    user: str = field(kw_only=True)


@dataclass(slots=True)
class Found(Accept):
    """What is kept of a user's password was found; ``value`` is for the mechanism that asked."""

    value: Any = field(kw_only=True, repr=False)


ACCEPT = Accept()
"""With the usual reply, and nothing else: what nearly every verdict is."""


@dataclass(frozen=True, slots=True)
class Decline:
    """The command fails with ``message``; ``None``: 535 for AUTH, 555 for a parameter, else 550.

    One of the protocol's own replies carries its enhanced status code where the client was offered them.
    """

    message: Text | StandardReply | None = None
    close: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class PerRecipient:
    """LMTP: one verdict per recipient of the message, in their order (RFC 2033 section 4.2)."""

    results: Sequence[Accept | Decline]
    close: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class WholeReply:
    """The whole reply to an unknown command."""

    message: Text
    close: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Silence:
    """An unknown command that is not answered at all."""

    close: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Fail:
    """The callback gave a value that means nothing: ``451``, and the dialogue goes on."""

    close: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Drop:
    """``message`` is sent as it is and the connection closes."""

    message: Text
    close: ClassVar[bool] = True


Verdict = Accept | Decline | PerRecipient | WholeReply | Silence | Fail | Drop
