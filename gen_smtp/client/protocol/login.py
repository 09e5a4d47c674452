"""The script of AUTH (RFC 4954)."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from gen_smtp.client.protocol.errors import MissingRequirement, PermanentFailure, TemporaryFailure
from gen_smtp.client.protocol.sasl import MECHANISMS, Exchange, ExchangeError, is_usable
from gen_smtp.client.protocol.steps import Ask, Script
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import Reply

MOST_ROUNDS = 8
"""Challenges of one exchange; no mechanism has so many."""
LONGEST_COMMAND = 510
"""Octets (RFC 5321 section 4.5.3.1.4). A longer first message goes behind the first challenge."""
CONTINUE, ACCEPTED = 334, 235
_HIDDEN = "..."


@dataclass(frozen=True, slots=True)
class Credentials:
    """With what the client logs in.

    Attributes:
        username, password: as given; None without.
        auth: whether it must log in, does if it can, or does not.
        methods: the mechanisms to try, in order.
        allow_insecure: send the password outside TLS as well.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: Literal["always", "never", "if_available"] = "if_available"
    methods: Sequence[str] = tuple(MECHANISMS)
    allow_insecure: bool = False


def log_in(credentials: Credentials, offer: Offer, host: str) -> Script[bool]:
    """Log in, if there is a way and it is wanted: whether the client did.

    Raises:
        MissingRequirement: the client must log in, and has no way to.
        PermanentFailure, TemporaryFailure: it must, and the server does not take its credentials.
    """
    must = credentials.auth == "always"
    username, password = credentials.username, credentials.password
    has_both = username is not None and password is not None and credentials.auth != "never"
    names = _usable(credentials, offer) if has_both else []
    if not names:
        if must:
            raise MissingRequirement("auth", host)
        return False
    reply = None
    for name in names:
        reply = yield from _try(name, MECHANISMS[name].make(username or "", password or ""))
        if reply.code == ACCEPTED:
            return True
    if must and reply is not None and reply.temporary:
        raise TemporaryFailure(reply, host)
    if must:
        raise PermanentFailure("auth_failed", host)
    return False


def _usable(credentials: Credentials, offer: Offer) -> list[str]:
    may_be_clear = offer.secure or credentials.allow_insecure
    return [
        name
        for name in credentials.methods
        if name in offer.mechanisms and is_usable(name) and (may_be_clear or not MECHANISMS[name].clear)
    ]


def _try(name: str, exchange: Exchange) -> Script[Reply]:
    """One exchange, and the last reply.

    Raises:
        PermanentFailure: the server breaks the rules of the mechanism, or has not proved what it must. It
            gets no password by another one.
    """
    initial = exchange.initial()
    line, initial = _first_line(name, initial)
    shown = f"AUTH {name}" + (f" {_HIDDEN}" if line.count(b" ") > 1 else "")
    for _ in range(MOST_ROUNDS):
        (reply,) = yield Ask(line + b"\r\n", ("AUTH",), shown=shown)
        try:
            if reply.code == ACCEPTED:
                exchange.finish()
            if reply.code != CONTINUE:
                return reply
            answer = initial if initial is not None else exchange.answer(_challenge(reply))
        except ExchangeError as error:
            raise PermanentFailure("auth_failed", reply.host) from error
        initial = None
        line, shown = b64encode(answer), _HIDDEN
    raise PermanentFailure("auth_failed", reply.host) from ExchangeError("the challenges have no end")


def _first_line(name: str, initial: bytes | None) -> tuple[bytes, bytes | None]:
    """AUTH, and what of the first message is to follow."""
    line = f"AUTH {name}".encode()
    if initial is None:
        return line, None
    encoded = b64encode(initial) or b"="
    if len(line) + 1 + len(encoded) > LONGEST_COMMAND:
        return line, initial
    return line + b" " + encoded, None


def _challenge(reply: Reply) -> bytes:
    try:
        return b64decode(reply.receipt.strip(), validate=True)
    except (binascii.Error, ValueError):
        return reply.receipt.encode()  # LOGIN's prompts are sent as text by some servers
