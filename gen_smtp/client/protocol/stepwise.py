"""A transaction piece by piece, for a proxy that gives its own client each reply as it comes."""

from __future__ import annotations

from gen_smtp.client.protocol.refusals import NO_UTF8, OnEightBit, Wish, fitting, refusal
from gen_smtp.client.protocol.steps import Script, command
from gen_smtp.client.protocol.text.content import Content, Message, prepare
from gen_smtp.client.protocol.text.envelope import Envelope, Recipient
from gen_smtp.client.protocol.text.offer import Offer
from gen_smtp.client.protocol.text.replies import Reply
from gen_smtp.client.protocol.transaction import (
    Rules,
    mail_line,
    rcpt_line,
    send_by_bdat,
    send_by_data,
    uses_bdat,
)


def is_utf8(envelope: Envelope, offer: Offer) -> bool:
    """Whether MAIL says SMTPUTF8: nobody knows yet who the recipients are."""
    return not envelope.sender.isascii() or (envelope.smtputf8 and offer.smtputf8)


def say_mail(envelope: Envelope, offer: Offer, *, left_open: bool) -> Script[Reply]:
    """MAIL, behind RSET if a transaction was left open: the server's reply, or the client's own."""
    utf8 = is_utf8(envelope, offer)
    refused = refusal(Wish(envelope, Content(None, (), envelope.size), utf8), offer)
    if refused is not None:
        return refused
    if left_open:
        yield command("RSET")
    (reply,) = yield command(mail_line(envelope, offer, None, utf8=utf8))
    return reply


def say_rcpt(recipient: str | Recipient, offer: Offer, *, utf8: bool) -> Script[Reply]:
    """RCPT: the server's reply, or the client's own."""
    line = rcpt_line(recipient, offer, utf8=utf8)
    if isinstance(line, Reply):
        return line
    (reply,) = yield command(line)
    return reply


def say_message(
    envelope: Envelope, message: Message, offer: Offer, rules: Rules, accepted: int
) -> Script[list[Reply]]:
    """The message for those recipients that were accepted: the replies to it."""
    content = _as_sent(envelope, message, offer, rules.on_8bit)
    if isinstance(content, Reply):
        return [content]
    count = accepted if rules.lmtp else 1
    if uses_bdat(envelope, offer, rules):
        binary = envelope.body == "BINARYMIME"
        return (yield from send_by_bdat(content, offer, count, binary=binary))
    return (yield from send_by_data(content, offer, count))


def _as_sent(envelope: Envelope, message: Message, offer: Offer, on_8bit: OnEightBit) -> Content | Reply:
    content = prepare(message, size=envelope.size, binary=envelope.body == "BINARYMIME")
    if envelope.smtputf8 and not content.header_is_ascii and not offer.smtputf8:
        return NO_UTF8
    if envelope.body == "BINARYMIME":
        return content
    return fitting(Wish(envelope, content, False), offer, on_8bit)
