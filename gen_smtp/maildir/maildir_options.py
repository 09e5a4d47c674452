"""The callback options of `MaildirHandler`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gen_smtp.maildir.mailbox_names import MailboxNamer
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    file_path,
    flag,
    one_of,
    read_record,
    shown_option,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MaildirOptions:
    """What the session option `callbackoptions` says to `MaildirHandler`.

    Attributes:
        maildir: the Maildir that all messages go to, made if it is not there; with `mailboxes` the folder
            that holds one Maildir for each mailbox.
        mailboxes: None, `"address"` (the folder of a recipient has the address for its name), or a function
            that gives the folder's name for a recipient, None for an unknown one. It may block.
        create_mailboxes: make the Maildir of a recipient that has none. Without it such a recipient is
            refused, as it should be where strangers may send: they would make folders as they like.
        crlf: keep the line ends of the wire; else a line ends with LF, as readers of Maildirs expect.
        protocol: taken since the command line's `--lmtp` sets it; what the session speaks is what counts.

    Raises:
        OptionsError: for a value of the wrong type.
    """

    maildir: Path = field(default=None)  # type: ignore[assignment] # its check wants one
    mailboxes: Literal["address"] | MailboxNamer | None = None
    create_mailboxes: bool = False
    crlf: bool = False
    protocol: Literal["smtp", "lmtp"] = "smtp"

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)


def read_maildir_options(given: Any) -> MaildirOptions:
    """The options from a mapping or an Erlang-like list of (key, value) pairs.

    Raises:
        OptionsError: names the option that is unknown, wrong or missing, and what is allowed.
    """
    try:
        return read_record(MaildirOptions, given)
    except OptionsError as error:
        raise (error.within("callbackoptions") if error.option else error) from error.__cause__


def _path(value: Any) -> Path:
    # Absolute: the current folder may change while the server runs.
    return Path(file_path(value)).absolute()


def _mailboxes(value: Any) -> Any:
    if value is None or value == "address" or callable(value):
        return value
    raise OptionsError(
        f"not a way to find mailboxes: {shown_option(value)}",
        allowed='None, "address", or a function from an address to the name of a folder',
    )


_CHECKS: dict[str, Check] = {
    "maildir": _path,
    "mailboxes": _mailboxes,
    "create_mailboxes": flag,
    "crlf": flag,
    "protocol": one_of("smtp", "lmtp"),
}
