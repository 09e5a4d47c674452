"""The extensions that EHLO announces (RFC 5321 section 4.1.1.1)."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from gen_smtp.protocol.text.command import is_size
from gen_smtp.protocol.verdicts import Extension, ExtensionValue

Extensions = Mapping[str, ExtensionValue]
"""What was announced, by upper-case keyword, in that order."""

_KEYWORD = re.compile(r"[A-Z0-9][A-Z0-9\-]*+")
_VALUE = re.compile(r"[ -~]*+")


class Offer(NamedTuple):
    """What an EHLO reply announces, the limit it sets (None: as before), and what had to be left out."""

    extensions: Extensions
    max_size: int | float | None
    withheld: tuple[tuple[str, str], ...]
    """Name and the option that would allow it."""


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
def _share(items: tuple[tuple[str, ExtensionValue], ...], types: tuple[type, ...]) -> Extensions:
    """One mapping for all sessions that announce the same: they are many, and their lists few.

    ``types`` keeps 1 and True apart, which are equal.
    """
    return MappingProxyType(dict(items))


def extension_lines(extensions: Extensions) -> Sequence[str]:
    """One text per extension for the EHLO reply."""
    return [name if value is True else f"{name} {value}" for name, value in extensions.items()]
