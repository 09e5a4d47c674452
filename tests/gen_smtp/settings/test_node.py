"""The flags and the table that make a server a node of an Erlang cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gen_smtp.options.checks import option_names
from gen_smtp.options.node import NodeOptions
from gen_smtp.settings.configuration import configuration_from_file, configure
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.layers import Given
from gen_smtp.settings.table import NODE, SETTINGS

NODE_FLAGS = {each.flag: each for each in SETTINGS if each.place.startswith(f"{NODE}.")}

NEEDED: dict[str, Any] = {"--node": "mx1@10.0.0.5", "--cookie-file": "/etc/cookie"}


def node_from_flags(flags: dict[str, Any]) -> NodeOptions | None:
    """The node of a command line with these flags."""
    return configure({NODE_FLAGS[flag].name: Given(value, flag) for flag, value in flags.items()}).node


def test_none_given_is_no_node() -> None:
    assert node_from_flags({}) is None


def test_each_sets_its_option() -> None:
    flags = {
        **NEEDED,
        "--seed": ["app@10.0.0.7", "names@10.0.0.8"],
        "--name": "global:mx",
        "--node-address": "10.0.0.5",
        "--node-port": 9100,
        "--node-only": ["app@10.0.0.7"],
        "--node-tls": "cert.pem,key.pem,ca.pem",
    }
    assert set(flags) == set(NODE_FLAGS)
    assert node_from_flags(flags) == NodeOptions(
        node="mx1@10.0.0.5",
        cookie_file="/etc/cookie",
        seeds=("app@10.0.0.7", "names@10.0.0.8"),
        name=("global", "mx"),
        address="10.0.0.5",
        port=9100,
        only=("app@10.0.0.7",),
        tls={"certfile": "cert.pem", "keyfile": "key.pem", "cafile": "ca.pem"},
    )


def test_every_option_but_one_has_a_flag() -> None:
    assert set(option_names(NodeOptions)) - {
        each.place.partition(".")[2] for each in NODE_FLAGS.values()
    } == {"net_ticktime"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"--name": "global:mx"}, "--node: needed for all"),
        ({**NEEDED, "--node": "mx1"}, "--node: not the name of a node: 'mx1'; allowed: name@host"),
        ({**NEEDED, "--seed": ["app"]}, "--seed: not the name of a node: 'app'"),
        ({**NEEDED, "--name": "mx"}, "--name: not a name to register: 'mx'; allowed: global:NAME"),
        ({**NEEDED, "--node-port": -1}, "--node-port: not a whole number in range: -1"),
        ({**NEEDED, "--node-tls": "cert.pem"}, "--node-tls: three files"),
    ],
)
def test_an_error_names_the_flag(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        node_from_flags(flags)
    assert str(caught.value).startswith(message)


def test_a_file_has_a_table_for_it(tmp_path: Path) -> None:
    path = tmp_path / "mx.toml"
    table = '[node]\nnode = "mx1@h"\ncookie_file = "/etc/cookie"\nseeds = ["a@h"]\nname = "global:mx"\n'
    path.write_text("[[listener]]\nport = 0\n" + table, encoding="utf-8")
    node = configuration_from_file(path).node
    assert node == NodeOptions(node="mx1@h", cookie_file="/etc/cookie", seeds=("a@h",), name="global:mx")


def test_an_error_in_a_file_names_table_and_option(tmp_path: Path) -> None:
    path = tmp_path / "mx.toml"
    path.write_text('[[listener]]\nport = 0\n[node]\nnode = "mx1"\ncookie_file = "c"\n', encoding="utf-8")
    with pytest.raises(CommandLineError, match=r"option node\.node: not the name of a node: 'mx1'"):
        configuration_from_file(path)
