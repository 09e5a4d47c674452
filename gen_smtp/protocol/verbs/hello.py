"""HELO, EHLO and LHLO (RFC 5321 section 4.1.1.1, RFC 2033 section 4.1), and the extensions they announce."""

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.dialogue import NO_EXTENSIONS, Announced, Dialogue
from gen_smtp.protocol.questions import ExtensionWithheld, Hello
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import is_size
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.verbs.xclient import ATTRIBUTES
from gen_smtp.protocol.verdicts import Accept, Extension, ExtensionValue, Verdict

HelloVerb = Literal["HELO", "EHLO", "LHLO"]

_KEYWORD = re.compile(r"[A-Z0-9][A-Z0-9\-]*+")
_VALUE = re.compile(r"[ -~]*+")


class Offer(NamedTuple):
    """What an EHLO reply announces, the limit it sets (None: as before), and what had to be left out."""

    extensions: Announced
    max_size: int | float | None
    withheld: tuple[tuple[str, str], ...]
    """Name and the option that would allow it."""


def run_hello(verb: HelloVerb, dialogue: Dialogue, argument: str) -> None:
    """Ask the callback, if this protocol has the verb and a name was given."""
    lmtp = dialogue.config.lmtp
    if not argument:
        dialogue.refuse_command(replies.HELLO_SYNTAX(verb=verb), verb)
    elif (verb == "LHLO") is not lmtp:
        dialogue.refuse_command(replies.HELO_IN_LMTP if lmtp else replies.LHLO_IN_SMTP, verb)
    else:
        extensions = [] if verb == "HELO" else _built_in(dialogue.config)
        dialogue.ask(Hello(verb, argument, extensions), _resolve)


def _built_in(config: ProtocolConfig) -> list[Extension]:
    built_in = built_in_extensions(config.max_message_size)
    if config.xclient:
        built_in.append(("XCLIENT", ATTRIBUTES))
    return built_in


def _resolve(dialogue: Dialogue, question: Hello, verdict: Verdict) -> None:
    # A refused hello changes nothing (RFC 5321 section 4.1.1.1); an accepted one resets (section 4.1.4).
    again = dialogue.helo is not None
    if not isinstance(verdict, Accept):
        dialogue.decline(verdict, question.verb, replies.HELLO_REFUSED)
        return
    if question.verb == "HELO":
        _greet_client(dialogue, question.hostname, Offer(NO_EXTENSIONS, verdict.max_size, ()))
        dialogue.accept(verdict, _name_alone(dialogue.config.hostname))
    elif not _announce(dialogue, question, verdict):
        return
    if again:
        dialogue.count_junk(question.verb)


@lru_cache(maxsize=16)
def _name_alone(hostname: str) -> StandardReply:
    """The reply to HELO; a process has few names."""
    return StandardReply("250", "", hostname)


def _announce(dialogue: Dialogue, question: Hello, verdict: Accept) -> bool:
    """Tell the client its extensions; False: they can't be announced."""
    config = dialogue.config
    try:
        offer = make_offer(
            _built_in(config) if verdict.extensions is None else verdict.extensions,
            tls=dialogue.tls,
            starttls_available=config.starttls_available,
            allow_insecure_auth=config.allow_insecure_auth,
            xclient=config.xclient,
        )
    except ValueError:
        dialogue.refuse_command(replies.HELLO_FAILED, question.verb)
        return False
    _greet_client(dialogue, question.hostname, offer)
    dialogue.send_texts("250", (config.hostname, *extension_lines(offer.extensions)), status=False)
    for withheld in offer.withheld:
        dialogue.notify(ExtensionWithheld(*withheld))
    return True


def _greet_client(dialogue: Dialogue, hostname: str, offer: Offer) -> None:
    dialogue.end_transaction()
    dialogue.helo = hostname
    dialogue.extensions = offer.extensions
    dialogue.withheld = offer.withheld
    dialogue.status_codes = "ENHANCEDSTATUSCODES" in offer.extensions
    if offer.max_size not in (None, dialogue.max_size):  # the usual number is one object for all sessions
        dialogue.max_size = offer.max_size


# --- Announced ----------------------------------------------------------------------------------


def built_in_extensions(max_size: int | float) -> list[Extension]:
    """A fresh list of what the protocol can do by itself; SIZE 0 stands for no limit (RFC 1870 section 4)."""
    return [
        ("SIZE", str(int(max_size)) if max_size < math.inf else "0"),
        ("8BITMIME", True),
        ("PIPELINING", True),
        ("SMTPUTF8", True),
    ]


def normalise_extensions(extensions: Iterable[Extension]) -> dict[str, ExtensionValue]:
    """Check a callback's list: names upper-cased, of two with the same name the first counts.

    Raises ValueError for anything that can't be announced.
    """
    announced: dict[str, ExtensionValue] = {}
    for entry in extensions:
        if not isinstance(entry, tuple | list) or len(entry) != 2:
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


def make_offer(
    extensions: Iterable[Extension],
    *,
    tls: bool,
    starttls_available: bool,
    allow_insecure_auth: bool,
    xclient: bool | None = None,
) -> Offer:
    """What can be announced of a callback's list. Raises ValueError as normalise_extensions does."""
    announced = normalise_extensions(extensions)
    withheld: list[tuple[str, str]] = []
    if tls:
        announced.pop("STARTTLS", None)  # RFC 3207 section 4.2
    elif "STARTTLS" in announced and not starttls_available:
        del announced["STARTTLS"]
        withheld.append(("STARTTLS", "certfile"))
    if "AUTH" in announced and not (tls or allow_insecure_auth):
        del announced["AUTH"]  # RFC 4954 section 4: no passwords in clear
        withheld.append(("AUTH", "allow_insecure_auth"))
    if xclient is False:
        announced.pop("XCLIENT", None)  # the peer would be refused
    size = announced.get("SIZE", True)
    max_size = None if size is True else int(size) or math.inf
    if max_size == math.inf:
        del announced["SIZE"]
    return Offer(
        _share(tuple(announced.items()), tuple(map(type, announced.values()))), max_size, tuple(withheld)
    )


@lru_cache(maxsize=64)
def _share(items: tuple[tuple[str, ExtensionValue], ...], types: tuple[type, ...]) -> Announced:
    """One mapping for all sessions that announce the same: they are many, and their lists few.

    ``types`` keeps 1 and True apart, which are equal.
    """
    return MappingProxyType(dict(items))


def extension_lines(extensions: Announced) -> Sequence[str]:
    """One text per extension for the EHLO reply."""
    return [name if value is True else f"{name} {value}" for name, value in extensions.items()]
