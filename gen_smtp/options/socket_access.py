"""Who may connect to a unix socket: checks of the permissions and the group of its file."""

from __future__ import annotations

import grp
import re
from typing import Any

from gen_smtp.options.checks import OptionsError, shown

_MOST = 0o777
_OCTAL = re.compile(r"(?:0o)?[0-7]{1,4}", re.ASCII)
_ALLOWED_MODE = "octal permissions up to 0o777, such as 0o660; as text '660'"


def file_mode(value: Any) -> int:
    """The permissions of a file, as a number or as the text that chmod takes."""
    mode = int(value, 8) if isinstance(value, str) and _OCTAL.fullmatch(value) else value
    if isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= _MOST:
        return mode
    raise OptionsError(f"no file has such a mode: {shown(value)}", allowed=_ALLOWED_MODE)


def file_group(value: Any) -> int:
    """The number of a group, from that or from its name."""
    try:
        if isinstance(value, str):
            return grp.getgrgid(int(value)).gr_gid if value.isdecimal() else grp.getgrnam(value).gr_gid
        if isinstance(value, int) and not isinstance(value, bool):
            return grp.getgrgid(value).gr_gid
    except (KeyError, OverflowError, ValueError):
        pass
    raise OptionsError(
        f"there is no such group: {shown(value)}", allowed="the name or the number of a group of this machine"
    )


def no_access(value: Any) -> None:
    """Neither is for a socket that has no file."""
    if value is not None:
        raise OptionsError("only a unix socket has a file", allowed="family unix, or no such option")
