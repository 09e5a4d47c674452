"""A hub that is held up by a callback, when the process asks its server for something."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pykka
import pytest

import actors
from gen_smtp.callbacks.behaviour import Behaviour
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.parsing import parse_options
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.stop_times import stop_times
from gen_smtp.process import single
from gen_smtp.process.serve_job import ServeJob
from gen_smtp.process.signals import SignalPipe
from gen_smtp.process.single import SingleServer
from gen_smtp.server.server import SmtpServer

SECONDS = 10.0
LISTENERS: tuple[ListenerOptions, ...] = parse_options(
    [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}]
)


@contextmanager
def held_up_hub() -> Iterator[None]:
    """No turn, no timer and no socket has its turn."""
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        let_go.wait(SECONDS)

    done = actors.spawn(hold)
    assert held.wait(SECONDS)
    try:
        yield
    finally:
        let_go.set()
        done.get(timeout=SECONDS)


@pytest.fixture
def backend() -> Iterator[SingleServer]:
    actor = SmtpServer(Behaviour, LISTENERS)
    server = actors.launch(actor)
    job = ServeJob(Behaviour, LISTENERS, ServerOptions(), stop_times())
    with SignalPipe(()) as signal_pipe:
        yield SingleServer(server, actor.addresses(), job, signal_pipe)
        server.stop(timeout=SECONDS)


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_its_addresses_are_known_all_the_same(backend: SingleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "SERVER_ANSWER_TIME", 0.01)
    with held_up_hub():
        ((host, port),) = backend.addresses()
    assert (host, port > 0) == ("127.0.0.1", True)


def test_descriptors_that_come_too_late_are_closed(
    backend: SingleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    monkeypatch.setattr(single, "SERVER_ANSWER_TIME", 0.01)
    with held_up_hub(), pytest.raises(pykka.Timeout):
        backend.sockets_to_pass_on()
    monkeypatch.setattr(single, "SERVER_ANSWER_TIME", SECONDS)
    ((_, descriptor),) = backend.sockets_to_pass_on()  # behind the one that came too late
    os.close(descriptor)
    assert open_descriptors() == before
