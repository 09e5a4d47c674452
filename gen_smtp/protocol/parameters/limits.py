"""LIMITS: what a client may do at the most, announced by EHLO (RFC 9422)."""

import re

_LIMIT = re.compile(r"([A-Za-z0-9_-]+)(?:=([!-:<-~]+))?")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_NUMBERED = {"MAILMAX", "RCPTMAX", "RCPTDOMAINMAX"}
_OURS = {"MAILMAX", "RCPTMAX"}
"""Those that the protocol holds the client to: by the server's limits, and by no others."""


def may_be_announced(text: str, own: str) -> bool:
    """Whether a text has the form of limits, as in ``RCPTMAX=100 MAILMAX=10``, and says what holds.

    ``own`` are the limits of the server.
    """
    return all(_holds(limit, own.split(" ")) for limit in text.split(" "))


def _holds(limit: str, own: list[str]) -> bool:
    found = _LIMIT.fullmatch(limit)
    if found is None:
        return False
    name = found[1].upper()
    if name in _NUMBERED and _NUMBER.fullmatch(found[2] or "") is None:
        return False
    return name not in _OURS or f"{name}={found[2]}" in own


def limits_of(recipients: int | float, messages: int | float) -> str:
    """The limits of a server that takes so many recipients of a message and so many messages in a session."""
    limits = {"RCPTMAX": recipients, "MAILMAX": messages}
    return " ".join(f"{name}={int(most)}" for name, most in limits.items() if most < 1_000_000)
