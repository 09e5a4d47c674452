"""A node in this process, for the tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import beam as cluster
from actors import GeventActor, GeventRef
from tests.beam.beams import COOKIE, Beam, Epmd

Start = Callable[..., cluster.Node]


@pytest.fixture(scope="session")
def cookie_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookie of all nodes of the tests."""
    path = tmp_path_factory.mktemp("cookie") / "cookie"
    path.write_text(f"{COOKIE}\n", encoding="utf-8")
    path.chmod(0o400)
    return path


@pytest.fixture
def start_node(epmd: Epmd, cookie_file: Path) -> Iterator[Start]:
    """`start_node(name, **options)`: makes this process a node, until the end of the test."""
    nodes = []

    def start(name: str = "py@127.0.0.1", **options: Any) -> cluster.Node:
        node = cluster.start(name, **{"cookie_file": cookie_file, "epmd_port": epmd.port, **options})
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.stop()


@pytest.fixture(scope="module")
def node(epmd: Epmd, cookie_file: Path, beam: Beam) -> Iterator[cluster.Node]:
    """A node in this process that is connected with `beam`."""
    running = cluster.start("py@127.0.0.1", cookie_file=cookie_file, epmd_port=epmd.port)
    assert running.connect(beam.name)
    yield running
    running.stop()


class Keeper(GeventActor):
    """Keeps what it gets, and answers some of it.

    Attributes:
        kept: all messages that were no calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if not self.is_asked:
            self.kept.append(message)
            return None
        match message:
            case "kept":
                return list(self.kept)
            case ("run", function):
                return function(self)
            case "fail":
                raise ValueError("no")
        return message


@pytest.fixture
def keeper() -> Iterator[GeventRef[Keeper]]:
    """An actor that keeps what it gets."""
    ref = Keeper.start()
    yield ref
    ref.stop()
