"""Every fault is over when its test is: nothing of it is left, and it was no crash."""

from __future__ import annotations

import logging
from collections.abc import Generator

import pytest

from tests.actors.conftest import _nothing_is_left

__all__ = ["_nothing_is_left"]


@pytest.fixture(autouse=True)
def _nothing_crashed(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """No error is logged: what clients and networks do is weather. A test of errors clears them away."""
    yield
    assert [
        record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR
    ] == []
