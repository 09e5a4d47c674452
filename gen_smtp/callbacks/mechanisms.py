"""The SASL mechanisms of a callback class: looked up, and checked before a server starts with it."""

from __future__ import annotations

import difflib
import dis
import inspect
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from types import CodeType
from typing import Any, TypeAlias

from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.table import BUILT_IN, Mechanisms

Named: TypeAlias = str | type[Mechanism]
"""A built-in mechanism by its name, or a class of one's own."""

DEFAULT: tuple[Named, ...] = ("PLAIN", "LOGIN", "CRAM-MD5")
"""gen_smtp's own, which a class has that says nothing."""

_NAME = re.compile(r"[A-Z0-9_-]{1,20}", re.ASCII)  # RFC 4422 section 3.1


def find_mechanisms(named: Collection[Named]) -> Mechanisms:
    """The classes of a callback class's `mechanisms`.

    Raises:
        ValueError: one of them is none, or can't be used; says what to do.
    """
    return _find(tuple(named))


@lru_cache(maxsize=64)
def _find(named: tuple[Named, ...]) -> Mechanisms:
    found = tuple(map(_find_one, named))
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"mechanisms has {name} twice")
    return found


def _find_one(named: object) -> type[Mechanism]:
    if isinstance(named, str):
        kind = BUILT_IN.get(named.upper())
        if kind is None:
            raise ValueError(f"mechanisms names {named!r}, which is not built in{_hint(named)}")
    elif isinstance(named, type) and issubclass(named, Mechanism):
        kind = _checked(named)
    else:
        raise ValueError(
            f"mechanisms has {named!r}: allowed are the names of built-in ones ({', '.join(BUILT_IN)}), and "
            "classes derived from gen_smtp.sasl.Mechanism"
        )
    return kind


def _checked(kind: type[Mechanism]) -> type[Mechanism]:
    name: Any = getattr(kind, "name", None)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ValueError(
            f"mechanisms has {kind.__qualname__}, whose `name` must be 1 to 20 capitals, digits, hyphens and "
            f"underscores, not {name!r}"
        )
    if kind.answer is Mechanism.answer:
        raise ValueError(f"mechanisms has {kind.__qualname__}, which has no answer(self, response)")
    return kind


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name.upper(), BUILT_IN, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return "; a mechanism of your own is a class derived from gen_smtp.sasl.Mechanism"


def check_mechanisms(named: Any, handle_ehlo: Any, *, has_keys: bool) -> None:
    """Check the `mechanisms` of a callback class, and what its handle_EHLO announces, as far as code tells.

    A list that handle_EHLO puts together in another way is looked at when a client says EHLO: what can't be
    done is left out then, with a warning.

    Args:
        named: the attribute.
        handle_ehlo: the function.
        has_keys: whether the class has a handle_AUTH_keys of its own.

    Raises:
        ValueError: what is wrong, and what to do.
    """
    if isinstance(named, str) or not isinstance(named, Collection):
        raise ValueError(f"mechanisms must be a list of mechanisms, not {named!r}")
    for each in named:
        kind = _find_one(each)
        missing = kind.missing()
        if missing is None and kind.needs_keys and not has_keys:
            missing = "it needs a handle_AUTH_keys, which returns what is kept of a password"
        if missing is not None:
            raise ValueError(f"mechanisms has {kind.name}: {missing}")
    names = {each.name for each in find_mechanisms(named)}
    for word in announced_mechanisms(handle_ehlo):
        if word.upper() not in names:
            known = "" if word.upper() in BUILT_IN else f", and which is not built in{_hint(word)}"
            raise ValueError(f"handle_EHLO announces AUTH {word}, which mechanisms does not name{known}")


def announced_mechanisms(function: Any) -> Iterator[str]:
    """The mechanisms that stand in a function's code as ("AUTH", "NAME NAME")."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    for constant in _constants(code):
        match constant:
            case (str(name), str(value)) if name.upper() == "AUTH":
                yield from value.split()


def _keys_of_dictionaries(code: CodeType) -> list[object]:
    """The keys of each dictionary in some code: {"AUTH": ..., "STARTTLS": True} has them as one tuple."""
    steps = itertools.pairwise(dis.get_instructions(code))
    return [step.argval for step, following in steps if following.opname == "BUILD_CONST_KEY_MAP"]


def _constants(code: CodeType | None) -> Iterator[object]:
    """All tuples among the constants of some code, and of the code in it."""
    waiting: list[object] = [] if code is None else [code]
    while waiting:
        each = waiting.pop()
        inner: Iterable[object] = ()
        if isinstance(each, CodeType):
            keys = _keys_of_dictionaries(each)
            inner = [constant for constant in each.co_consts if constant not in keys]
        elif isinstance(each, tuple):
            yield each
            inner = each
        waiting += inner
