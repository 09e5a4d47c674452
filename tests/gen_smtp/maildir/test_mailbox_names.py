"""Names of mailboxes' folders: one for each address, and none that leads out of where it belongs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_smtp.maildir.mailbox_names import folder_in, name_of_address

ROOT = Path("/var/mail/boxes")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("alice@example.com", "alice@example.com"),
        ("Alice@Example.COM", "alice@example.com"),
        ("bob+lists=x_y~z@example.com", "bob+lists=x_y~z@example.com"),
        ("postmaster", "postmaster"),
        ("me@[192.0.2.1]", "me@%5B192.0.2.1%5D"),
        ("me@[IPv6:2001:db8::1]", "me@%5Bipv6%3A2001%3Adb8%3A%3A1%5D"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("/etc/passwd@x", "%2Fetc%2Fpasswd@x"),
        ("..", "%2E."),
        (".hidden@x", "%2Ehidden@x"),
        ("a%2Fb@x", "a%252fb@x"),
        ('"a b"@x', "%22a%20b%22@x"),
        ("a\0b@x", "a%00b@x"),
        ("müller@x", "m%C3%BCller@x"),
        ("mu\u0308ller@x", "m%C3%BCller@x"),
        ("\uff0e\uff0e\uff0fx", "%EF%BC%8E%EF%BC%8E%EF%BC%8Fx"),
    ],
)
def test_what_is_unusual_in_an_address_is_written_in_digits(address: str, name: str) -> None:
    assert name_of_address(address) == name


@given(st.text(min_size=1, max_size=80))
def test_any_text_names_one_folder_right_below_the_root(address: str) -> None:
    try:
        address.encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair: the protocol takes valid UTF-8 alone
    folder = folder_in(ROOT, name_of_address(address))
    if folder is not None:  # else it is too long
        assert Path(os.path.normpath(folder)) == folder
        assert folder.parent == ROOT
        assert not folder.name.startswith(".")
        assert folder.name.isascii()
        assert folder.name.isprintable()


@given(st.text("ab./%@", max_size=6), st.text("ab./%@", max_size=6))
def test_two_addresses_have_two_names(one: str, other: str) -> None:
    assert (name_of_address(one) == name_of_address(other)) is (one == other)


@pytest.mark.parametrize("name", ["alice", "example.com/alice", "a/b/c", "..alice", "a/..b", "./alice"])
def test_a_name_may_have_folders_above_it(name: str) -> None:
    assert folder_in(ROOT, name) == ROOT / name


@pytest.mark.parametrize(
    "name",
    [None, "", ".", "/", "/etc", "..", "../x", "a/../b", "a/..", "a\0b", "//x", f"a/{'x' * 256}", "é" * 128],
)
def test_a_name_that_leads_elsewhere_or_can_not_be_is_none(name: str | None) -> None:
    assert folder_in(ROOT, name) is None


def test_a_name_may_be_as_long_as_the_file_system_takes() -> None:
    assert folder_in(ROOT, "x" * 255) == ROOT / ("x" * 255)
