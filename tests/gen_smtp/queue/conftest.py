"""One broker for a whole run of the tests, since it takes seconds to start, and a queue for each test."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import GeventRef
from benchmarks.queue.broker import HOMES, Broker
from gen_smtp import gen_smtp_server
from gen_smtp.queue import Publisher, QueueHandler
from tests.certificates import Certificates
from tests.gen_smtp.queue.lines import Line

Lock = Callable[[int], Any]


@pytest.fixture(scope="session")
def lock_of_brokers(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    """`lock(fcntl.LOCK_SH)`: a context; one that has LOCK_EX is alone with the broker, in all processes."""

    @contextmanager
    def lock(kind: int) -> Generator[None]:
        with open(_common_folder(tmp_path_factory) / "rabbitmq.lock", "w") as file:
            fcntl.flock(file, kind)
            yield

    return lock


@pytest.fixture(scope="session")
def running_broker(
    tmp_path_factory: pytest.TempPathFactory, lock_of_brokers: Lock, certificates: Certificates
) -> Broker:
    """The broker; the first process that needs it starts it, and it ends with the run."""
    if not HOMES:
        pytest.skip("RabbitMQ is not installed")
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    with lock_of_brokers(fcntl.LOCK_EX):
        tls = (certificates.cafile, certificates.rsa.certfile, certificates.rsa.keyfile)
        broker = Broker(_common_folder(tmp_path_factory) / "rabbitmq", owner, tls)
        if not broker.answers():
            broker.start()
    return broker


def _common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def broker(running_broker: Broker, lock_of_brokers: Lock) -> Iterator[Broker]:
    """The broker, with other tests beside this one."""
    with lock_of_brokers(fcntl.LOCK_SH):
        yield running_broker


@pytest.fixture
def lone_broker(running_broker: Broker, lock_of_brokers: Lock) -> Iterator[Broker]:
    """The broker for a test that stops it, or has it stop others."""
    with lock_of_brokers(fcntl.LOCK_EX):
        yield running_broker
        if not running_broker.answers():
            running_broker.start()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker for one test alone, which takes so long that no other should wait for it."""
    if not HOMES:
        pytest.skip("RabbitMQ is not installed")
    broker = Broker(tmp_path / "rabbitmq")
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def queue() -> str:
    """The name of a queue that no other test has."""
    return f"mail.{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_publisher() -> Iterator[Callable[..., Publisher]]:
    """`make_publisher(broker, ...)`: a publisher that is closed after the test."""
    with ExitStack() as stack:

        def make(broker: Broker, **settings: Any) -> Publisher:
            publisher = Publisher(broker.url, **settings)
            stack.callback(publisher.close)
            return publisher

        yield make


@pytest.fixture
def serve(queue: str) -> Iterator[Callable[..., Any]]:
    """`serve(broker, session={...}, **callbackoptions)`: a server in front of the queue; its address."""
    with ExitStack() as stack:

        def start(
            broker: Broker,
            session: dict[str, Any] | None = None,
            module: type[QueueHandler] = QueueHandler,
            **options: Any,
        ) -> Any:
            callbackoptions = {"url": broker.url, "queue": queue, **options}
            sessionoptions = {"callbackoptions": callbackoptions, **(session or {})}
            listener = {
                "port": 0,
                "address": "127.0.0.1",
                "domain": "mx.test",
                "sessionoptions": sessionoptions,
            }
            server: GeventRef[Any] = stack.enter_context(gen_smtp_server.running(module, [listener]))
            return gen_smtp_server.addresses(server)[0]

        yield start


@pytest.fixture
def line(broker: Broker, queue: str) -> Iterator[Line]:
    """A queue with what is needed around it."""
    with ExitStack() as stack:
        yield Line(broker, queue, stack)
