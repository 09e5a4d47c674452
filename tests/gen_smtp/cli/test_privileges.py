"""Giving up root. That a process really does is test_cli's to show."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

import pytest

from gen_smtp.cli.privileges import Identity, find_identity

ROOT = pwd.getpwuid(0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the system was asked to change, in order; it changes nothing."""
    made: list[tuple[object, ...]] = []

    def recorder(name: str) -> Callable[..., None]:
        return lambda *arguments: made.append((name, *arguments))

    for name in ("initgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, recorder(name))
    return made


@pytest.mark.parametrize("user", ["root", "0"])
def test_a_user_is_found_by_name_and_by_number(user: str) -> None:
    assert find_identity(user) == Identity("root", 0, ROOT.pw_gid)


def test_a_group_takes_the_place_of_the_users_own() -> None:
    other = next(group for group in grp.getgrall() if group.gr_gid != ROOT.pw_gid)
    assert find_identity("root", other.gr_name).gid == other.gr_gid
    assert find_identity("root", str(other.gr_gid)).gid == other.gr_gid


@pytest.mark.parametrize("user", ["no such user", "4294967294000", "", "-1"])
def test_a_user_that_is_not_there(user: str) -> None:
    with pytest.raises(LookupError, match="there is no user"):
        find_identity(user)


def test_a_group_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="there is no group 'no such group'"):
        find_identity("root", "no such group")


def test_groups_go_before_the_user(calls: list[tuple[object, ...]]) -> None:
    Identity("mail", 12345, 54321).assume()
    assert calls == [("initgroups", "mail", 54321), ("setgid", 54321), ("setuid", 12345)]


def test_the_present_user_changes_nothing(calls: list[tuple[object, ...]]) -> None:
    Identity("me", os.geteuid(), os.getegid()).assume()
    assert calls == []


def test_only_root_may_become_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    assert not Identity("mail", 8, 8).may_be_assumed()
    assert Identity("me", 1000, 1000).may_be_assumed()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Identity("mail", 8, 8).may_be_assumed()
