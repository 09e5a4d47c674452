"""Giving up root, once the ports that only root may bind are bound."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Identity:
    """A user to become.

    Attributes:
        user: the user's name, for the groups that the user belongs to.
        uid: the user's number.
        gid: the number of the group to run as.
    """

    user: str
    uid: int
    gid: int

    def may_be_assumed(self) -> bool:
        """Whether this process is root's, or runs as this user and group already."""
        return os.geteuid() == 0 or self._is_current()

    def assume(self) -> None:
        """Become this user, in every thread and for good.

        Raises:
            PermissionError: only root can become another user.
        """
        if self._is_current():
            return
        # The groups first: a process that is no longer root can't change them.
        os.initgroups(self.user, self.gid)
        os.setgid(self.gid)
        os.setuid(self.uid)

    def _is_current(self) -> bool:
        return (os.geteuid(), os.getegid()) == (self.uid, self.gid)


def find_identity(user: str, group: str | None = None) -> Identity:
    """The identity of a user.

    Args:
        user: a user's name or number.
        group: a group's name or number; None is the user's own group.

    Raises:
        LookupError: there is no such user or group; its text says which.
    """
    entry = _find("user", user, pwd.getpwnam, pwd.getpwuid)
    gid = entry.pw_gid if group is None else _find("group", group, grp.getgrnam, grp.getgrgid).gr_gid
    return Identity(entry.pw_name, entry.pw_uid, gid)


def _find(
    kind: str, wanted: str, by_name: Callable[[str], Entry], by_number: Callable[[int], Entry]
) -> Entry:
    try:
        return by_number(int(wanted)) if wanted.isdecimal() else by_name(wanted)
    except (KeyError, OverflowError):
        raise LookupError(f"there is no {kind} {wanted!r} on this machine") from None
