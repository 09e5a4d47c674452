"""LIMITS: what a client may do at the most, announced by EHLO (RFC 9422)."""

import re

_LIMIT = re.compile(r"([A-Za-z0-9_-]+)(?:=([!-:<-~]+))?")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_NUMBERED = {"MAILMAX", "RCPTMAX", "RCPTDOMAINMAX"}


def are_limits(text: str) -> bool:
    """Whether a text has the form of limits, as in ``RCPTMAX=100 MAILMAX=10``."""
    for limit in text.split(" "):
        found = _LIMIT.fullmatch(limit)
        if found is None:
            return False
        if found[1].upper() in _NUMBERED and _NUMBER.fullmatch(found[2] or "") is None:
            return False
    return True


def limits_of(recipients: int | float, messages: int | float) -> str:
    """The limits of a server that takes so many recipients of a message and so many messages in a session."""
    limits = {"RCPTMAX": recipients, "MAILMAX": messages}
    return " ".join(f"{name}={int(most)}" for name, most in limits.items() if most < 1_000_000)
