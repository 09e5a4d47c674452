"""The options of a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gen_smtp.options.checks import OptionsError
from gen_smtp.options.node import NodeOptions, parse_node_options

NEEDED = {"node": "mx1@10.0.0.5", "cookie_file": "/etc/cookie"}


def test_none_is_no_node() -> None:
    assert parse_node_options(None) is None


def test_what_is_not_said_has_a_default_on_loopback() -> None:
    options = parse_node_options(NEEDED)
    assert options == NodeOptions(node="mx1@10.0.0.5", cookie_file="/etc/cookie")
    assert options is not None
    assert (options.address, options.port, options.only, options.tls) == ("127.0.0.1", 0, None, None)


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("global:mx", ("global", "mx")),
        ("local:mx", ("local", "mx")),
        (("global", ("mx", 1)), ("global", ("mx", 1))),
        (None, None),
    ],
)
def test_names(name: Any, registered: Any) -> None:
    assert NodeOptions(**NEEDED, name=name).name == registered


def test_lists_may_be_texts() -> None:
    options = NodeOptions(**NEEDED, seeds="a@h, b@h", only=["c@h"])  # type: ignore[arg-type]
    assert (options.seeds, options.only) == (("a@h", "b@h"), ("c@h",))


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("node", "mx1", "not the name of a node"),
        ("node", "mx 1@host", "not the name of a node"),
        ("node", None, "not the name of a node"),
        ("cookie_file", "", "not a path"),
        ("name", "mx", "not a name to register"),
        ("name", "global:", "not a name to register"),
        ("name", ("via", "mx"), "not a name to register"),
        ("seeds", "app", "not the name of a node"),
        ("seeds", 7, "not a list of nodes"),
        ("port", 70_000, "not a whole number"),
        ("only", ["x"], "not the name of a node"),
        ("net_ticktime", 0, "not a time"),
        ("tls", {"certfile": "a"}, "not the files of TLS"),
        ("tls", {"certfile": "a", "cafile": "b", "password": "c"}, "not the files of TLS"),
        ("cookie", "secret", "there is no such option"),
    ],
)
def test_an_error_names_the_option(option: str, value: Any, problem: str) -> None:
    with pytest.raises(OptionsError, match=problem) as caught:
        parse_node_options({**NEEDED, option: value})
    assert caught.value.option == f"node.{option}"
    assert "secret" not in str(caught.value)


def test_its_name_is_needed() -> None:
    with pytest.raises(OptionsError, match="the name of the node is needed"):
        parse_node_options({"cookie_file": "/etc/cookie"})
    assert NodeOptions(node="mx1@h").cookie_file is None


def test_a_path_may_be_an_object(tmp_path: Path) -> None:
    options = NodeOptions(node="a@b", cookie_file=tmp_path / "cookie")  # type: ignore[arg-type]
    assert options.cookie_file == str(tmp_path / "cookie")


class TestPlaces:
    def test_a_process_and_its_successor_take_turns(self) -> None:
        options = NodeOptions(**NEEDED, port=9100)
        assert options.places() == [("mx1@10.0.0.5", 9100), ("mx1-b@10.0.0.5", 9101)]

    def test_each_worker_has_a_name_and_a_port_of_its_own(self) -> None:
        options = NodeOptions(**NEEDED, port=9100)
        assert options.places(0, 3) == [("mx1-1@10.0.0.5", 9100), ("mx1-b-1@10.0.0.5", 9103)]
        assert options.places(2, 3) == [("mx1-3@10.0.0.5", 9102), ("mx1-b-3@10.0.0.5", 9105)]

    def test_the_system_chooses_all_of_them_or_none(self) -> None:
        assert NodeOptions(**NEEDED).places(1, 2) == [("mx1-2@10.0.0.5", 0), ("mx1-b-2@10.0.0.5", 0)]

    @pytest.mark.parametrize(
        ("node", "is_family"),
        [
            ("mx1@10.0.0.5", True),
            ("mx1-b@10.0.0.5", True),
            ("mx1-12@10.0.0.5", True),
            ("mx1-b-2@10.0.0.5", True),
            ("mx1@10.0.0.6", False),
            ("mx2@10.0.0.5", False),
            ("mx1-c@10.0.0.5", False),
            ("mx1@10.0.0.5x", False),
            ("mx11@10.0.0.5", False),
        ],
    )
    def test_the_family_is_a_matter_of_names(self, node: str, is_family: bool) -> None:
        assert NodeOptions(**NEEDED).is_family(node) is is_family
