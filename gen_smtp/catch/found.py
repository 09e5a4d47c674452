"""Searching what was caught: Mailpit's usual words."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from gen_smtp.catch.store import Kept

Test = Callable[[Kept], bool]


def _addresses(kept: Kept, *names: str) -> str:
    message = kept.caught.message
    return " ".join(str(value) for name in names for value in message.get_all(name, []))


def _everything(kept: Kept) -> str:
    caught = kept.caught
    return " ".join(
        (caught.sender, *caught.recipients, _addresses(kept, "From", "To", "Cc"), caught.subject, caught.text)
    )


FIELDS: dict[str, Callable[[Kept], str]] = {
    "from": lambda kept: f"{kept.caught.sender} {_addresses(kept, 'From')}",
    "to": lambda kept: f"{' '.join(kept.caught.recipients)} {_addresses(kept, 'To')}",
    "cc": lambda kept: _addresses(kept, "Cc"),
    "bcc": lambda kept: " ".join(
        each for each in kept.caught.recipients if each not in _addresses(kept, "To", "Cc")
    ),
    "subject": lambda kept: kept.caught.subject,
    "message-id": lambda kept: str(kept.caught.message["Message-ID"] or ""),
    "addressed": lambda kept: f"{' '.join(kept.caught.recipients)} {_addresses(kept, 'From', 'To', 'Cc')}",
}
"""What each word with a colon looks into."""


def matcher(query: str) -> Test:
    """The test for a query: all of its words must be found, in any case.

    `subject:"two words"` looks into one field, `-word` and `!word` must not be found, and a word alone is
    looked for in addresses, subject and text.
    """
    tests = [_test(word) for word in _words(query)]
    return lambda kept: all(test(kept) for test in tests)


def _words(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:  # a quote that does not end
        return query.split()


def _test(word: str) -> Test:
    is_not = word[:1] in ("-", "!")
    name, colon, value = word.lstrip("-!").partition(":")
    looked_into = FIELDS.get(name.lower()) if colon else None
    wanted = value if looked_into is not None else word.lstrip("-!")
    look = looked_into or _everything
    return lambda kept: (wanted.casefold() in look(kept).casefold()) is not is_not
