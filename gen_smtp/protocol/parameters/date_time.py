"""Dates with times as RFC 3339 section 5.6 has them."""

import re
from datetime import datetime

_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_date_time(text: str) -> datetime | None:
    """A date with its time and zone; None for anything else, such as a 30th of February."""
    if _DATE_TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None
