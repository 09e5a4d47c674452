"""Fixtures: an epmd of the tests' own, and nodes of Erlang's.

`erl` starts in about a second: tests share a node for a module (`beam`), or start their own (`beams`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.beam.beams import Beam, Beams, Epmd


@pytest.fixture(scope="session")
def epmd(require_tool: Callable[[str], str]) -> Iterator[Epmd]:
    """The one epmd of a run. Tests that kill it start one of their own."""
    require_tool("erl")
    running = Epmd()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def beam(epmd: Epmd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beam]:
    """A node that the tests of a module share."""
    with closing(Beams(epmd, tmp_path_factory.mktemp("beam"))) as nodes:
        yield nodes.start()


@pytest.fixture(scope="module")
def two_beams(epmd: Epmd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Beam, Beam]]:
    """Two nodes, connected, that the tests of a module share."""
    with closing(Beams(epmd, tmp_path_factory.mktemp("beams"))) as nodes:
        one, other = nodes.start(), nodes.start()
        one.connect(other.name)
        yield one, other


@pytest.fixture
def beams(epmd: Epmd, tmp_path: Path) -> Iterator[Beams]:
    """Starts nodes that end with the test."""
    with closing(Beams(epmd, tmp_path)) as nodes:
        yield nodes
