"""All parameters that are known, by keyword: the extension that they belong to, and their readers."""

from collections.abc import Mapping
from typing import NamedTuple

from gen_smtp.protocol.parameters import deliver_by, dsn, future_release, marks
from gen_smtp.protocol.parameters.reading import Family, Given, Reader
from gen_smtp.protocol.text.command import ParameterValue
from gen_smtp.protocol.text.replies import StandardReply


class Known(NamedTuple):
    """A parameter.

    Attributes:
        extension: whose it is; it is known to a client that was offered that.
        read: reads its value.
    """

    extension: str
    read: Reader


Table = Mapping[str, Known]


def _table(families: Mapping[str, Family]) -> Table:
    return {
        keyword: Known(extension, read)
        for extension, family in families.items()
        for keyword, read in family.items()
    }


MAIL: Table = _table(
    {
        "DSN": dsn.MAIL,
        "DELIVERBY": deliver_by.MAIL,
        "FUTURERELEASE": future_release.MAIL,
        "MT-PRIORITY": marks.PRIORITY,
        "REQUIRETLS": marks.REQUIRE_TLS,
    }
)
RCPT: Table = _table({"DSN": dsn.RCPT, "RRVS": marks.VALID_SINCE})


def fault_of(
    known: Known, keyword: str, value: ParameterValue, offered: object, mail: Mapping[str, ParameterValue]
) -> StandardReply | None:
    """The reply to a value that is not as it must be.

    ``offered`` is what EHLO has announced behind the name of the extension, True for nothing; ``mail`` are
    all parameters of its transaction's MAIL.
    """
    read = known.read(Given(keyword, value, "" if offered is True else str(offered), mail))
    return read if isinstance(read, StandardReply) else None
