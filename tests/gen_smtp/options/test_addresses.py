"""Peers that are believed, as options name them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

import pytest

from gen_smtp.options.addresses import TrustedPeers, trusted_peers
from gen_smtp.options.checks import OptionsError

SOME = trusted_peers(["192.0.2.0/24", IPv4Address("198.51.100.1"), IPv6Network("2001:db8::/32")])


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("198.51.100.1", True),
        ("198.51.100.2", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::1", False),
    ],
)
def test_a_peer_is_one_of_them_or_not(peer: str, trusted: bool) -> None:
    assert (ip_address(peer) in SOME) == trusted


def test_peers_of_unix_sockets_are_named_by_a_word() -> None:
    assert None not in SOME
    both = trusted_peers(["unix", "192.0.2.1"])
    assert None in both
    assert IPv4Address("192.0.2.1") in both
    assert trusted_peers(["unix"]) == TrustedPeers((), unix=True)
    assert IPv4Address("192.0.2.1") not in trusted_peers(["unix"])


def test_they_are_shown_as_they_are_written() -> None:
    assert str(SOME) == "192.0.2.0/24, 198.51.100.1/32, 2001:db8::/32"
    assert str(trusted_peers("::/0, unix")) == "::/0, unix"


def test_checked_ones_are_taken_as_they_are() -> None:
    assert trusted_peers(SOME) is SOME


@pytest.mark.parametrize("value", [[], (), "", set()])
def test_none_at_all_is_a_mistake(value: Any) -> None:
    with pytest.raises(OptionsError, match="no peer is named"):
        trusted_peers(value)


@pytest.mark.parametrize("value", [True, 5, {}, None])
def test_anything_but_a_list_is_refused(value: Any) -> None:
    with pytest.raises(OptionsError, match="not a list of networks"):
        trusted_peers(value)


@pytest.mark.parametrize(
    "value", ["mx.test", "192.0.2.0/33", "192.0.2", 3221225985, b"\0\0\0\0", None, "UNIX"]
)
def test_anything_but_a_network_in_it_is_refused(value: Any) -> None:
    with pytest.raises(OptionsError, match="not a network"):
        trusted_peers(["192.0.2.0/24", value])


def test_a_network_with_host_bits_is_refused_because_it_says_two_things() -> None:
    with pytest.raises(OptionsError, match="has host bits set"):
        trusted_peers(["192.0.2.1/24"])
