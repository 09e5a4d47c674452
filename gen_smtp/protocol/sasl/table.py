"""The mechanisms that are built in."""

from collections.abc import Iterable, Mapping

from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.passwords import CramMd5, Login, Plain

Mechanisms = tuple[type[Mechanism], ...]

ALWAYS_THERE: Mechanisms = (Plain, Login, CramMd5)
"""gen_smtp's own: a callback class need not name them."""

BUILT_IN: Mapping[str, type[Mechanism]] = {each.name: each for each in ALWAYS_THERE}
"""All of them by name, in upper case."""


def find_mechanism(name: str, mechanisms: Iterable[type[Mechanism]]) -> type[Mechanism] | None:
    """The one of that name, in upper case; None if it is none of these."""
    return next((each for each in mechanisms if each.name == name), None)
