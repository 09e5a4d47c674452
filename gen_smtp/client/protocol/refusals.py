"""What the client refuses by itself: a message that its server would not take, or not understand.

A table of requirements. Each looks at the offer of a server, and gives the reply that a server would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from gen_smtp.client.protocol.text.content import Content, collect, with_crlf
from gen_smtp.client.protocol.text.envelope import Envelope, path_of
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.recoding import to_seven_bits
from gen_smtp.client.protocol.text.replies import Reply, own_reply

OnEightBit = Literal["recode", "refuse"]
MOST_RECODED = 64 * 1024 * 1024
"""Octets. A stream of more is not kept in memory to encode it."""


class Wish(NamedTuple):
    """A message, and how it is to be sent.

    Attributes:
        envelope: its envelope.
        content: its octets.
        utf8: whether SMTPUTF8 is needed.
    """

    envelope: Envelope
    content: Content
    utf8: bool


def _too_big(wish: Wish, offer: Offer) -> Reply | None:
    size = wish.content.size
    if offer.size is None or size is None or size <= offer.size:
        return None
    return own_reply(
        552, "5.3.4", f"The message has {size} octets, and the server takes {offer.size}", "MAIL"
    )


def _no_path(wish: Wish, offer: Offer) -> Reply | None:
    if path_of(wish.envelope.sender) is not None:
        return None
    return own_reply(501, "5.1.7", "The sender is not an address", "MAIL")


def _no_require_tls(wish: Wish, offer: Offer) -> Reply | None:
    if not wish.envelope.require_tls or (offer.requiretls and offer.secure and offer.verified):
        return None
    return own_reply(550, "5.7.30", "REQUIRETLS is wanted, and not to be had", "MAIL")


def _no_utf8(wish: Wish, offer: Offer) -> Reply | None:
    if not wish.utf8 or offer.smtputf8:
        return None
    return NO_UTF8


NO_UTF8 = own_reply(550, "5.6.7", "The server has no SMTPUTF8, which the message needs", "MAIL")


def _no_binary(wish: Wish, offer: Offer) -> Reply | None:
    if wish.envelope.body != "BINARYMIME" or offer.binary:
        return None
    return own_reply(554, "5.6.1", "The server has no BINARYMIME, which the message needs", "MAIL")


_TABLE: tuple[Callable[[Wish, Offer], Reply | None], ...] = (
    _no_path,
    _no_require_tls,
    _no_utf8,
    _no_binary,
    _too_big,
)

NO_CONVERSION = own_reply(
    554, "5.6.3", "The server has no 8BITMIME, and the message can't be converted", "MAIL"
)


def refusal(wish: Wish, offer: Offer) -> Reply | None:
    """The reply to a message that the server can't be given; None for none."""
    for row in _TABLE:
        found = row(wish, offer)
        if found is not None:
            return found
    return None


def fitting(wish: Wish, offer: Offer, on_eight_bit: OnEightBit) -> Content | Reply:
    """The message as a server takes it that may have no 8BITMIME; the reply to one that can't be made so.

    A stream that says nothing of its octets is read first. One that says that they have 7 bits is looked at
    as it goes out.
    """
    content = wish.content
    if offer.eight_bit or content.is_ascii or (content.octets is None and wish.envelope.body == "7BIT"):
        return content
    octets = content.octets
    if octets is None:
        read = collect(content.stream, MOST_RECODED)
        if read is None:
            return NO_CONVERSION
        octets = with_crlf(read)
        if octets.isascii():
            return Content(octets)
    recoded = to_seven_bits(octets) if on_eight_bit == "recode" else None
    return NO_CONVERSION if recoded is None else Content(recoded)
