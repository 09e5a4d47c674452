"""The mechanisms that are built in, and which of all can be used."""

from collections.abc import Iterable, Mapping

from gen_smtp.protocol.sasl.bearer import OAuthBearer, XOAuth2
from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.no_password import Anonymous, External
from gen_smtp.protocol.sasl.passwords import CramMd5, Login, Plain
from gen_smtp.protocol.sasl.scram import ScramSha1, ScramSha256

Mechanisms = tuple[type[Mechanism], ...]

ALWAYS_THERE: Mechanisms = (Plain, Login, CramMd5)
"""gen_smtp's own."""

_ALL: Mechanisms = (*ALWAYS_THERE, ScramSha1, ScramSha256, XOAuth2, OAuthBearer, External, Anonymous)

BUILT_IN: Mapping[str, type[Mechanism]] = {each.name: each for each in _ALL}
"""All of them by name, in upper case."""


def usable(
    offered: str, mechanisms: Iterable[type[Mechanism]], *, certified: bool
) -> tuple[str, tuple[str, ...]]:
    """What can be announced of the mechanisms that a callback lists.

    Args:
        offered: their names, as they stand behind AUTH.
        mechanisms: those that there are.
        certified: whether the client has shown a certificate.

    Returns:
        the list without those that can't be used now, and the names that there is no mechanism for.
    """
    known = {each.name: each for each in mechanisms}
    words = offered.split()
    unknown = tuple(word for word in words if word.upper() not in known)
    kept = [
        word
        for word in words
        if word not in unknown and (certified or not known[word.upper()].needs_certificate)
    ]
    return offered if kept == words else " ".join(kept), unknown


def find_mechanism(name: str, mechanisms: Iterable[type[Mechanism]]) -> type[Mechanism] | None:
    """The one of that name, in upper case; None if it is none of these."""
    return next((each for each in mechanisms if each.name == name), None)
