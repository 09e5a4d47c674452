"""Every test of the actor layer leaves nothing behind."""

from __future__ import annotations

from collections.abc import Generator

import pykka
import pytest

import actors
from tests.actors.helpers import live_actors, open_sockets


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Generator[None]:
    """No actor, no name and no socket outlives its test."""
    sockets = open_sockets()
    yield
    assert live_actors() == []
    assert pykka.ActorRegistry.get_all() == []
    assert actors.registered() == []
    assert open_sockets() <= sockets
