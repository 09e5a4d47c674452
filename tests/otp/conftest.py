"""A BEAM for the comparisons, and nothing left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

import pytest

import actors
from tests.actors.helpers import live_actors
from tests.otp.beam import Beam
from tests.otp.judge import Judge


@pytest.fixture(scope="session")
def beam(require_tool: Callable[[str], str]) -> Generator[Beam]:
    """A running BEAM."""
    with Beam(require_tool("erl")) as running:
        yield running


@pytest.fixture
def judge(beam: Beam) -> Generator[Judge]:
    """Compares scenarios."""
    log = logging.getLogger("actors")
    log.disabled = True  # the crashes are meant
    yield Judge(beam)
    log.disabled = False
    assert live_actors() == []
    assert actors.registered() == []
