"""What a reader of a parameter gets, and what it gives."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gen_smtp.protocol.text.command import ParameterValue
from gen_smtp.protocol.text.replies import StandardReply

BAD_VALUE = StandardReply("501", "5.5.4", "Error: {keyword} takes {allowed}")
TOO_FAR = StandardReply("554", "5.5.4", "Error: {keyword} is beyond the limit, {limit}")
TOO_SHORT = StandardReply("555", "5.5.4", "Error: {keyword} takes no less than {limit} seconds here")


class Given(NamedTuple):
    """A parameter, and what its value depends on.

    Attributes:
        keyword: its name, in upper case.
        value: as sent; True for a keyword alone.
        offered: what EHLO has announced behind the name of the extension; empty for nothing.
        mail: all parameters of the MAIL of its transaction.
    """

    keyword: str
    value: ParameterValue
    offered: str
    mail: Mapping[str, ParameterValue]

    @property
    def text(self) -> str:
        """The value; empty for a keyword alone."""
        return "" if self.value is True else self.value


Reader = Callable[[Given], object]
"""Gives the value with its type; a StandardReply if there is something wrong with it."""

Family = Mapping[str, Reader]
"""Keywords in upper case, and their readers."""


def bad(given: Given, allowed: str) -> StandardReply:
    """The reply to a value that is not as it must be."""
    return BAD_VALUE(keyword=given.keyword, allowed=allowed)
