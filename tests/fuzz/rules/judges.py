"""What must be true of each verb's reply, by its handler's calls and by the state, and what it changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from tests.fuzz.cases import values
from tests.fuzz.rules.counts import Counts
from tests.fuzz.rules.hearing import HELLOS, End, Envelope, Hearing
from tests.fuzz.rules.transcript import Call, Reply

Calls = list[Call]
Judge = Callable[[Hearing, str, Calls, Reply], None]

CALLS: Mapping[str, tuple[str, ...]] = {
    **{verb: (verb,) for verb in HELLOS},
    "MAIL": ("MAIL_extension", "MAIL"),
    "RCPT": ("RCPT_extension", "RCPT"),
    "DATA": (),
    "RSET": (),
    "NOOP": (),
    "QUIT": (),
    "VRFY": ("VRFY",),
    "AUTH": ("AUTH_keys", "AUTH"),
    "STARTTLS": ("STARTTLS",),
    "XCLIENT": ("XCLIENT",),
    "XFORWARD": (),
}
"""The handler's callbacks for each verb, the one that decides last."""

_XCLIENT = ("XCLIENT", "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT")
_XFORWARD = ("XFORWARD", "NAME ADDR PORT PROTO HELO IDENT SOURCE")

_BUILT_IN = (("8BITMIME", True), ("PIPELINING", True), ("SMTPUTF8", True))

_PLAIN_PATH = re.compile(r"<[a-z0-9]{1,40}@[a-z0-9]{1,40}(?:\.[a-z0-9]{1,40})?>", re.IGNORECASE | re.ASCII)
"""What nobody can find fault with."""


def judge_hello(verb: str, hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """HELO, EHLO, LHLO: asked if it is this protocol's; resets if it succeeds."""
    known = (verb == "LHLO") is hearing.lmtp
    if bool(calls) is not (known and bool(argument) and not values.has_control(argument)):
        hearing.fail("not asked", f"{verb} {argument}")
    if calls and verb != "HELO":
        built_in = [("SIZE", str(hearing.case.number("size"))), *_BUILT_IN]
        if "xclient" in hearing.case.flags:
            built_in.append(_XCLIENT)
        if "xforward" in hearing.case.flags:
            built_in.append(_XFORWARD)
        if calls[0].args[1] != built_in:
            hearing.fail("values", f"extensions {calls[0].args[1]!r}")
    if hearing.check_success(verb, calls, reply):
        hearing.hello = calls[-1].args[0]
        hearing.envelope = None
        lines = () if verb == "HELO" else reply.texts[1:]
        hearing.offered = {name: value for name, _, value in (line.partition(" ") for line in lines)}
        _judge_size(hearing, calls[-1].answer.size)


def _judge_size(hearing: Hearing, size: float | None) -> None:
    if size is not None:
        hearing.limit = size
    announced = hearing.offered.get("SIZE")
    if announced is not None and float(announced) != hearing.limit and not hearing.closing:
        hearing.fail("size", f"{announced} was announced, {hearing.limit} holds")


def announced(hearing: Hearing, call: Call) -> dict[str, str]:
    """What a hello would announce whose reply is not sent."""
    extensions = getattr(call.answer.verdict, "extensions", None) or ()
    flags = hearing.case.flags
    kept = {
        "STARTTLS": "cert" in flags and not hearing.tls,
        "AUTH": hearing.tls or "insecure" in flags,
    }
    return {name: str(value) for name, value in extensions if kept.get(name, True) and call.name != "HELO"}


def judge_mail(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """MAIL opens a transaction."""
    possible = hearing.hello is not None and hearing.envelope is None
    possible = possible and not hearing.counts.has_enough_messages()
    if calls and not possible:
        hearing.fail("sequence", "MAIL without a hello, inside a transaction, or once too often")
    _check_asked(hearing, "FROM:", possible, argument, calls)
    utf8 = "SMTPUTF8" in argument.upper().split(" ") and "SMTPUTF8" in hearing.offered
    if hearing.check_success("MAIL", calls, reply):
        binary = "BODY=BINARYMIME" in argument.upper().split(" ")
        if binary and "BINARYMIME" not in hearing.offered:
            hearing.fail("reply code", f"{reply!r} to {argument}")
        hearing.envelope = Envelope(calls[-1].args[0], utf8, binary)
    _check_characters(hearing, calls, utf8)


def judge_rcpt(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """RCPT adds to it."""
    envelope = hearing.envelope
    possible = envelope is not None and len(envelope.recipients) < hearing.case.number("rcpts")
    if calls and not possible:
        hearing.fail("sequence", "RCPT without MAIL, or one too many")
    _check_asked(hearing, "TO:", possible, argument, calls)
    if hearing.check_success("RCPT", calls, reply) and envelope is not None:
        envelope.recipients.append(calls[-1].args[0])
    _check_characters(hearing, calls, envelope is not None and envelope.utf8)


def judge_vrfy(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """VRFY changes nothing."""
    hearing.check_success("VRFY", calls, reply)
    _check_characters(hearing, calls, "SMTPUTF8" in hearing.offered and "SMTPUTF8" in argument.upper())


def _check_asked(hearing: Hearing, keyword: str, possible: bool, argument: str, calls: Calls) -> None:
    """The handler is asked about every plain address."""
    plain = argument.startswith(keyword) and _PLAIN_PATH.fullmatch(argument, len(keyword))
    if possible and not calls and hearing.is_allowed() and plain:
        hearing.fail("not asked", argument)


def _check_characters(hearing: Hearing, calls: Calls, utf8: bool) -> None:
    """RFC 6531 section 3.4: nothing but ASCII without SMTPUTF8."""
    if not utf8 and not all(call.args[0].isascii() for call in calls):
        hearing.fail("SMTPUTF8", repr(calls))


def judge_data(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """DATA invites the message if there is a recipient, and only then."""
    envelope = hearing.envelope
    possible = not argument and envelope is not None and bool(envelope.recipients) and not envelope.binary
    full = "full" in hearing.case.flags
    if possible is not (reply.code == ("452" if full else "354")) or (not possible and reply.code[0] != "5"):
        hearing.fail("sequence", f"{reply!r} to DATA")
    hearing.in_message = possible and not full


def judge_simple(code: str, hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """RSET, NOOP and QUIT always succeed, unless they are ill-formed."""
    if reply.code != code and not values.has_control(argument):
        hearing.fail("reply code", f"{reply!r} where {code} is due")


def judge_rset(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """RSET drops the transaction."""
    judge_simple("250", hearing, argument, calls, reply)
    if reply.code == "250":
        hearing.envelope = None


def judge_quit(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """QUIT is the end."""
    judge_simple("221", hearing, argument, calls, reply)
    if reply.code == "221":
        raise End


def judge_starttls(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """STARTTLS: nothing of what else was sent in clear counts."""
    if reply.code == "220":
        can_be = "STARTTLS" in hearing.offered and "cert" in hearing.case.flags
        if argument or hearing.tls or not can_be:
            hearing.fail("sequence", "STARTTLS out of place")
        hearing.handshaking = True
        hearing.tls_follows = hearing.octets.begin_tls()
    elif reply.code[0] not in "45":
        hearing.fail("reply code", f"{reply!r} to STARTTLS")


def judge_xclient(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """XCLIENT begins anew with another client, if the peer may say for whom it speaks."""
    if calls:
        if hearing.envelope is not None or "xclient" not in hearing.case.flags:
            hearing.fail("sequence", "XCLIENT out of place")
        before = hearing.hello_before
        if hearing.hello is not None:
            before = (_hello_verb(hearing), {hearing.hello})
        helo = calls[0].args[0].get("helo")
        hearing.forget()
        if before is not None:
            hearing.hello_before = (before[0], before[1] | ({helo} if helo is not None else set()))
        hearing.counts = Counts(hearing.case)
    if hearing.check_success("XCLIENT", calls, reply):
        hearing.user = calls[0].args[0].get("login") is not None


def _hello_verb(hearing: Hearing) -> str:
    if hearing.lmtp:
        return "LHLO"
    return "EHLO" if hearing.offered else "HELO"


def judge_xforward(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """XFORWARD tells something of the message to come, if the peer may do so."""
    possible = "xforward" in hearing.case.flags and hearing.envelope is None
    if reply.code not in (("250", "501") if possible else ("501", "503", "550")):
        hearing.fail("sequence", f"{reply!r} to XFORWARD")


def judge_auth(hearing: Hearing, argument: str, calls: Calls, reply: Reply) -> None:
    """AUTH begins an exchange if it is offered and allowed, once, outside transactions."""
    mechanism, _, initial = argument.partition(" ")
    if reply.code != "334" and not calls:
        if reply.code[0] != "5":
            hearing.fail("reply code", f"{reply!r} to AUTH")
        return
    flags = hearing.case.flags
    allowed = hearing.tls or ("insecure" in flags and "reqtls" not in flags)
    offered = mechanism.upper() in hearing.offered.get("AUTH", "").split(" ")
    if not (offered and allowed) or hearing.user or hearing.envelope is not None:
        hearing.fail("sequence", f"AUTH {mechanism} out of place")
    judge_exchange(hearing, [initial.strip(" ")], calls, reply)


def judge_exchange(hearing: Hearing, responses: list[str], calls: Calls, reply: Reply) -> None:
    """A step of an exchange: it goes on with 334, or is over."""
    if reply.code == "334":
        hearing.told_why = values.decoded(reply.texts[0]).startswith('{"status"')
        if calls and not (_gave_keys(calls[-1]) or (hearing.told_why and _is_refused_token(calls[-1]))):
            hearing.fail("reply code", f"{reply!r} after {calls!r}")
        hearing.responses = responses
    elif calls and _gave_keys(calls[-1]):
        hearing.fail("reply code", f"{reply!r} where there are keys to go on with")
    elif hearing.check_success("AUTH", calls, reply):
        hearing.user = True
    for call in calls:
        values.check_credentials(call, responses, lenient="lenient" in hearing.case.flags)


def _gave_keys(call: Call) -> bool:
    """Of a user that there is not, the client hears no more than of others."""
    return call.name == "AUTH_keys" and call.answer.word in ("keys", "reject")


def _is_refused_token(call: Call) -> bool:
    return call.args[0] in ("oauthbearer", "xoauth2") and not (call.answer.accepts or call.answer.closes)


JUDGES: Mapping[str, Judge] = {
    **{verb: partial(judge_hello, verb) for verb in HELLOS},
    "MAIL": judge_mail,
    "RCPT": judge_rcpt,
    "DATA": judge_data,
    "RSET": judge_rset,
    "NOOP": partial(judge_simple, "250"),
    "QUIT": judge_quit,
    "VRFY": judge_vrfy,
    "AUTH": judge_auth,
    "STARTTLS": judge_starttls,
    "XCLIENT": judge_xclient,
    "XFORWARD": judge_xforward,
}
