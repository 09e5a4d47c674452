"""Fixtures of the tests that are about time, and about ends."""

from __future__ import annotations

import queue
import ssl
from collections.abc import Generator
from typing import Any

import pytest

from gen_smtp import events
from gen_smtp.gen_smtp_server_session import ok
from tests.certificates import Certificates
from tests.gen_smtp.clock import Clock
from tests.gen_smtp.live import Queue, behaviour, collected


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stops the time."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


@pytest.fixture
def struck() -> Generator[Queue]:
    """The deadlines that have struck."""
    with collected(events.DeadlineExceeded) as told:
        yield told


@pytest.fixture
def ends() -> Queue:
    """What `handle_error` and `terminate` of `noting` are told."""
    return queue.SimpleQueue()


@pytest.fixture
def noting(ends: Queue) -> Any:
    """A behaviour that notes its errors and its end."""

    def handle_error(self: Any, error_class: str, detail: Any) -> Any:
        ends.put((error_class, detail))
        return ok

    return behaviour(handle_error=handle_error, terminate=lambda self, reason: ends.put(reason))


@pytest.fixture
def tls_options(certificates: Certificates) -> dict[str, Any]:
    """Session options with a certificate."""
    return {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}


@pytest.fixture
def client_tls(certificates: Certificates) -> ssl.SSLContext:
    """A client's context that believes that certificate."""
    return ssl.create_default_context(cafile=certificates.cafile)
