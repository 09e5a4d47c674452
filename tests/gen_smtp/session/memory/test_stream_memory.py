"""A message of any size takes next to no memory when it is streamed. `make memory` has a bigger one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.big_message import MEBIOCTET, STREAMS, measure


@pytest.mark.parametrize("way", STREAMS)
def test_a_streamed_message_of_64_mib_takes_less_than_8(way: str) -> None:
    assert measure(way, 64).growth < 8 * MEBIOCTET


def test_one_that_is_not_streamed_takes_its_size_once() -> None:
    """So the measure would show it; a little of it may fit where something was freed before."""
    assert 30 * MEBIOCTET <= measure("memory", 32).growth < 48 * MEBIOCTET


def test_make_measures_a_bigger_one() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "memory", "MEMORY_ARGS=--mib 64"],
        cwd=Path(__file__).parents[4],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "-m benchmarks.big_message --mib 64\n" in said.stdout
