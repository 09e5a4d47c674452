"""Every fault is over when its test is: nothing of it is left, and it was no crash."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Generator

import pytest

from tests.actors.conftest import _nothing_is_left
from tests.certificates import Certificates
from tests.faults.place import Place
from tests.gen_smtp.conftest import clock

__all__ = ["_nothing_is_left", "clock"]


@pytest.fixture(autouse=True)
def _nothing_crashed(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """No error is logged: what clients and networks do is weather. A test of errors clears them away."""
    yield
    assert [
        record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR
    ] == []


@pytest.fixture
def place(certificates: Certificates) -> Place:
    """A server, not yet started."""
    files = certificates.ecdsa
    context = ssl.create_default_context(cafile=certificates.cafile)
    return Place({"certfile": files.certfile, "keyfile": files.keyfile}, context)
