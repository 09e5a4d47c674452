"""HELO, EHLO and LHLO (RFC 5321 section 4.1.1.1, RFC 2033 section 4.1), and the extensions they announce."""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Literal, NamedTuple

from gen_smtp.protocol.dialogue import NO_EXTENSIONS, Announced, Dialogue
from gen_smtp.protocol.extensions import nobody_does
from gen_smtp.protocol.parameters.limits import may_be_announced
from gen_smtp.protocol.questions import PAUSED, Hello, Withheld
from gen_smtp.protocol.sasl.table import ALWAYS_THERE, Mechanisms, usable
from gen_smtp.protocol.text import attributes, replies
from gen_smtp.protocol.text.address import without_final_dot
from gen_smtp.protocol.text.command import is_size
from gen_smtp.protocol.text.replies import StandardReply, encode_reply
from gen_smtp.protocol.verdicts import Accept, Extension, ExtensionValue, Text, Verdict

HelloVerb = Literal["HELO", "EHLO", "LHLO"]

_OF_SPEAKERS = ("XCLIENT", "XFORWARD")
_INSIDE_TLS = ("AUTH", "REQUIRETLS")
"""Extensions that are offered inside TLS alone, unless an option says otherwise."""
_KEYWORD = re.compile(r"[A-Z0-9][A-Z0-9\-]*+")
_VALUE = re.compile(r"[ -~]*+")


class Offer(NamedTuple):
    """What an EHLO reply announces, the limit it sets (None: as before), and what had to be left out."""

    extensions: Announced
    max_size: int | float | None
    withheld: tuple[tuple[str, str], ...]
    """Name and the option that would allow it; the empty text if nothing would."""
    reply: bytes


def run_hello(verb: HelloVerb, dialogue: Dialogue, argument: str) -> Hello | None:
    """Ask the callback, if this protocol has the verb and a name was given."""
    config = dialogue.config
    if not argument:
        dialogue.refuse_command(replies.HELLO_SYNTAX(verb=verb), verb)
        return None
    if (verb == "LHLO") is not config.lmtp:
        dialogue.refuse_command(replies.HELO_IN_LMTP if config.lmtp else replies.LHLO_IN_SMTP, verb)
        return None
    if argument[-1] == ".":
        argument = without_final_dot(argument)
    speaks = config.xclient, config.xforward
    extensions = () if verb == "HELO" else built_in_extensions(config.max_message_size, *speaks)
    # As `ask` does, for every connection.
    question = dialogue.pending = Hello(verb, argument, list(extensions))
    dialogue.resolve, dialogue.halted = resolve_hello, PAUSED
    if dialogue.in_message:
        dialogue.abandon_message()
        dialogue.tell(question)
        return None
    return question


def resolve_hello(dialogue: Dialogue, question: Hello, verdict: Verdict) -> None:
    """Greet the client, or not."""
    config, verb = dialogue.config, question.verb
    is_first = dialogue.helo is None
    if not isinstance(verdict, Accept):  # it changes nothing (RFC 5321 section 4.1.1.1)
        dialogue.decline(verdict, verb, replies.HELLO_REFUSED)
        return
    if verb == "HELO":
        _greet_client(dialogue, question.hostname, NO_EXTENSIONS, (), verdict.max_size)
        dialogue.accept(verdict, _name_alone(config.hostname))
    else:
        extensions = verdict.extensions
        if extensions is None:
            extensions = built_in_extensions(config.max_message_size, config.xclient, config.xforward)
        try:
            offer = make_offer(
                extensions,
                hostname=config.hostname,
                tls=dialogue.tls,
                starttls_available=config.starttls_available,
                allow_insecure_auth=config.allow_insecure_auth,
                xclient=config.xclient,
                xforward=config.xforward,
                mechanisms=config.mechanisms,
                certified=config.certificate is not None,
                limits=config.limits,
            )
        except ValueError:
            dialogue.refuse_command(replies.HELLO_FAILED, verb)
            return
        _greet_client(dialogue, question.hostname, offer.extensions, offer.withheld, offer.max_size)
        dialogue.unsent += offer.reply if verdict.text is None else _with_text(offer, verdict.text)
        for name, option in offer.withheld:
            if name in _INSIDE_TLS and config.starttls_available:
                if "STARTTLS" in offer.extensions:
                    continue  # as it should be: they follow inside TLS
                option = "STARTTLS"
            dialogue.tell(Withheld(name, option))
    if not is_first:
        dialogue.count_junk(verb)


def _greet_client(
    dialogue: Dialogue,
    hostname: str,
    extensions: Announced,
    withheld: tuple[tuple[str, str], ...],
    max_size: int | float | None,
) -> None:
    if dialogue.transaction is not None or dialogue.forwarded is not None:
        dialogue.drop_transaction()  # RFC 5321 section 4.1.4
    dialogue.helo = hostname
    dialogue.extensions = extensions
    dialogue.withheld = withheld
    dialogue.status_codes = "ENHANCEDSTATUSCODES" in extensions
    if max_size not in (None, dialogue.max_size):  # the usual number is one object for all sessions
        dialogue.max_size = max_size


def _with_text(offer: Offer, text: Text) -> bytes:
    """The reply to EHLO with another first line; few servers have one for each client."""
    first = text if isinstance(text, str) else text[0]
    return encode_reply("250", (first, *_lines_of(offer.extensions)))


def _lines_of(announced: Announced) -> list[str]:
    return [name if value is True else f"{name} {value}" for name, value in announced.items()]


@lru_cache(maxsize=16)
def _name_alone(hostname: str) -> StandardReply:
    """The reply to HELO; a process has few names."""
    return StandardReply("250", "", hostname)


# --- Extensions ----------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def built_in_extensions(
    max_size: int | float, xclient: bool | None = None, xforward: bool | None = None
) -> tuple[Extension, ...]:
    """What the protocol can do by itself; SIZE 0 stands for no limit (RFC 1870 section 4)."""
    size = str(int(max_size)) if max_size < math.inf else "0"
    for_speakers: list[Extension] = []
    if xclient:
        for_speakers.append(("XCLIENT", attributes.names_of(attributes.XCLIENT)))
    if xforward:
        for_speakers.append(("XFORWARD", attributes.names_of(attributes.XFORWARD)))
    return (("SIZE", size), ("8BITMIME", True), ("PIPELINING", True), ("SMTPUTF8", True), *for_speakers)


def make_offer(
    extensions: Iterable[Extension],
    *,
    hostname: str,
    tls: bool,
    starttls_available: bool,
    allow_insecure_auth: bool,
    xclient: bool | None = None,
    xforward: bool | None = None,
    mechanisms: Mechanisms = ALWAYS_THERE,
    certified: bool = False,
    limits: str = "",
) -> Offer:
    """What can be announced of a callback's list, and the reply that does. Raises ValueError: nothing can.

    Sessions are many and their lists few: all that announce the same share one offer.
    """
    items = tuple(extensions)
    try:
        types = tuple(map(type, chain.from_iterable(items)))  # they keep 1 and True apart, which are equal
        speaks, login = (xclient, xforward), (mechanisms, certified)
        return _offer(
            hostname, items, types, tls, starttls_available, allow_insecure_auth, speaks, login, limits
        )
    except TypeError as error:
        raise ValueError(f"an extension is a pair (name, value), and not one in {items!r}") from error


@lru_cache(maxsize=64)
def _offer(
    hostname: str,
    items: tuple[Extension, ...],
    types: tuple[type, ...],
    tls: bool,
    starttls_available: bool,
    allow_insecure_auth: bool,
    speaks: tuple[bool | None, bool | None],
    login: tuple[Mechanisms, bool],
    limits: str,
) -> Offer:
    announced = normalise_extensions(items)
    withheld = [(name, "") for name in announced if nobody_does(name)]
    for name, _ in withheld:
        del announced[name]
    if tls:
        announced.pop("STARTTLS", None)  # RFC 3207 section 4.2
    elif "STARTTLS" in announced and not starttls_available:
        del announced["STARTTLS"]
        withheld.append(("STARTTLS", "certfile"))
    if "AUTH" in announced and not (tls or allow_insecure_auth):
        del announced["AUTH"]  # RFC 4954 section 4: no passwords in clear
        withheld.append(("AUTH", "allow_insecure_auth"))
    elif announced.get("AUTH", True) is not True:
        withheld += _keep_usable(announced, *login)
    withheld += _keep_possible(announced, tls, limits)
    for name, may in zip(_OF_SPEAKERS, speaks, strict=True):
        if may is False:
            announced.pop(name, None)  # the peer would be refused
    size = announced.get("SIZE", True)
    max_size = None if size is True else int(size) or math.inf
    if max_size == math.inf:
        del announced["SIZE"]
    reply = encode_reply("250", (hostname, *_lines_of(announced)))
    return Offer(MappingProxyType(announced), max_size, tuple(withheld), reply)


def _keep_possible(announced: dict[str, ExtensionValue], tls: bool, limits: str) -> list[tuple[str, str]]:
    """Leave out what can't be done as things are, and fill in limits; returns what was left out."""
    withheld = []
    if "BINARYMIME" in announced and "CHUNKING" not in announced:
        withheld.append(("BINARYMIME", "CHUNKING"))  # RFC 3030 section 3
    if "REQUIRETLS" in announced and not tls:
        withheld.append(("REQUIRETLS", "certfile"))  # RFC 8689 section 2
    if announced.get("LIMITS") is True:
        announced["LIMITS"] = limits
    if "LIMITS" in announced and not may_be_announced(str(announced["LIMITS"]), limits):
        withheld.append(("LIMITS", "RFC 9422"))
    for name, _ in withheld:
        del announced[name]
    return withheld


def _keep_usable(
    announced: dict[str, ExtensionValue], mechanisms: Mechanisms, certified: bool
) -> list[tuple[str, str]]:
    """Leave in AUTH what can be used of it; returns what else was there."""
    kept, unknown = usable(str(announced["AUTH"]), mechanisms, certified=certified)
    if kept:
        announced["AUTH"] = kept
    else:
        del announced["AUTH"]
    return [(f"AUTH {name}", "mechanisms") for name in unknown]


def normalise_extensions(extensions: Iterable[Extension]) -> dict[str, ExtensionValue]:
    """Check a callback's list: names upper-cased, of two with the same name the first counts.

    Raises ValueError for anything that can't be announced.
    """
    announced: dict[str, ExtensionValue] = {}
    for entry in extensions:
        if not isinstance(entry, tuple) or len(entry) != 2:
            raise ValueError(f"an extension is a pair (name, value), not {entry!r}")
        name, value = entry
        if not isinstance(name, str) or _KEYWORD.fullmatch(name.upper()) is None:
            raise ValueError(f"not the name of an extension: {name!r}")
        if value is False or not isinstance(value, str | int) or _VALUE.fullmatch(str(value)) is None:
            raise ValueError(f"extension {name}: the value is True, a printable str or an int, not {value!r}")
        announced.setdefault(name.upper(), value)
    size = announced.get("SIZE", True)
    if size is not True and not is_size(str(size)):
        raise ValueError(f"extension SIZE: the value is a number of octets, not {size!r}")
    return announced
