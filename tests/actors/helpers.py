"""Actors and small tools that the tests of `actors` share."""

from __future__ import annotations

import _socket
import contextlib
import os
import queue
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import Any

import actors
from actors.net.sockets import open_socket
from actors.runtime.hub import Hub

ROOT = Path(__file__).parents[2]
SECONDS = 10.0
"""How long anything may take that should happen at once; long enough for a machine under load."""


class Probe(actors.GeventActor):
    """Puts what it hears into `heard`, for the test to wait for."""

    def __init__(self, *, trap_exits: bool = False) -> None:
        super().__init__()
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.trap_exits = trap_exits

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.heard.put(message)
        return None

    def on_stop(self) -> None:
        self.heard.put(("on_stop", self.exit_reason))

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.heard.put(("on_failure", exception_value))


class OwnRegistry:
    """A registry of one's own, as the module of OTP's `{via, Module, Name}`."""

    def __init__(self) -> None:
        self.refs: dict[Any, Any] = {}

    def register_name(self, name: Any, ref: Any) -> str:
        if self.whereis_name(name) != "undefined":
            return "no"
        self.refs[name] = ref
        return "yes"

    def unregister_name(self, name: Any) -> None:
        del self.refs[name]

    def whereis_name(self, name: Any) -> Any:
        ref = self.refs.get(name)
        return ref if ref is not None and ref.is_alive() else "undefined"

    def send(self, name: Any, message: Any) -> Any:
        ref = self.refs[name]
        ref.tell(message)
        return ref


def start_probe(*, trap_exits: bool = False) -> tuple[actors.GeventRef[Probe], queue.SimpleQueue[Any]]:
    """A running probe's reference, and what it hears."""
    probe = Probe(trap_exits=trap_exits)
    return actors.launch(probe), probe.heard


def hear(heard: queue.SimpleQueue[Any]) -> Any:
    """The next thing heard."""
    return heard.get(timeout=SECONDS)


def raise_(error: BaseException) -> Any:
    """Raise, for use in a lambda."""
    raise error


def exit_with(reason: Any) -> Any:
    """A message that ends a probe with a reason."""
    return lambda _: raise_(actors.ActorExit(reason))


class Scripted(actors.GeventActor):
    """An actor whose hooks are functions."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__()
        self.hooks = hooks

    def on_start(self) -> None:
        self.hooks.get("on_start", lambda: None)()

    def on_receive(self, message: Any) -> Any:
        return self.hooks["on_receive"](message)

    def on_stop(self) -> None:
        self.hooks.get("on_stop", lambda: None)()

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.hooks.get("on_failure", lambda *_: None)(exception_type, exception_value, traceback)


class Gate:
    """A place where a turn waits until the test opens it."""

    def __init__(self) -> None:
        self.reached = actors.GeventFuture[None]()
        self._opened = actors.GeventFuture[Any]()

    def wait(self) -> Any:
        """Say that the gate is reached, and wait for it to open; for a turn."""
        with contextlib.suppress(queue.Full):
            self.reached.set()
        return self._opened.get()

    def open(self, value: Any = None) -> None:
        """Let all pass that wait or come."""
        self._opened.set(value)


def hold(ref: actors.GeventRef[Probe]) -> Gate:
    """Have a probe wait in its turn; returns when it does."""
    gate = Gate()
    ref.tell(lambda _: gate.wait())
    gate.reached.get(timeout=SECONDS)
    return gate


def on_hub(function: Any, *args: Any) -> Any:
    """Run a function in a greenlet of the hub and wait for it."""
    return actors.spawn(function, *args).get(timeout=SECONDS)


def live_actors() -> list[actors.GeventActor]:
    """All actors that run in this process."""
    hub = Hub.running()
    return [] if hub is None else list(hub.actors)


def turns_under_way() -> int:
    """How many turns are not over, those that wait among them; on the hub."""
    hub = Hub.current()
    return hub.greenlets - len(hub.idle)


def turns_begun() -> int:
    """How many turns the hub has begun so far."""
    return Hub.current().turns_begun


def open_sockets() -> set[str]:
    """The sockets this process has open."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{descriptor}")
            if target.startswith("socket:"):
                found.add(target)
    return found


class Echo(actors.SessionActor):
    """Greets, then sends back what comes."""

    greeting = b"hello\n"

    def on_connect(self) -> None:
        self.announce()
        self.send(self.greeting)

    def on_data(self, data: bytes) -> None:
        self.send(data)


LOOPBACK = actors.Endpoint("127.0.0.1", 0)


@contextlib.contextmanager
def serving(
    *endpoints: actors.Endpoint,
    session: type[actors.SessionActor] = Echo,
    server: type[actors.ServerActor] = actors.ServerActor,
) -> Generator[actors.GeventRef[Any]]:
    """A server, stopped at the end."""
    ref = actors.launch(server(list(endpoints) or [LOOPBACK], session))
    try:
        yield ref
    finally:
        ref.stop(timeout=SECONDS)


def address_of(server: actors.GeventRef[Any], index: int = 0) -> Any:
    """Where one of its listeners listens."""
    return server.proxy().addresses().get(timeout=SECONDS)[index]


def sessions_of(server: actors.GeventRef[Any]) -> list[actors.GeventRef[Any]]:
    """The server's live sessions."""
    listed: list[actors.GeventRef[Any]] = server.proxy().sessions().get(timeout=SECONDS)
    return listed


def connect(address: Any) -> socket.socket:
    """A client's connection to a TCP or unix address."""
    if isinstance(address, str | bytes):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(SECONDS)
        try:
            client.connect(address)
        except OSError:
            client.close()
            raise
        return client
    return socket.create_connection(address[:2], timeout=SECONDS)


def wait_until_refused(address: Any) -> None:
    """Return when nobody listens at a TCP address any more."""
    while True:
        try:
            connect(address).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # it was in the backlog when the listener closed


def read_exactly(client: socket.socket, count: int) -> bytes:
    """So many octets; fewer only at the end of the stream."""
    parts = []
    while count > 0:
        part = client.recv(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_all(client: socket.socket) -> bytes:
    """All up to the end of the stream."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


class FlakySocket(_socket.socket):
    """A listening socket whose accept fails as told before it works.

    Attributes:
        errors: the numbers that it fails with, one for each call; more may be put in at any time.
    """

    errors: deque[int]

    def _accept(self) -> Any:
        if self.errors:
            number = self.errors.popleft()
            raise OSError(number, os.strerror(number))
        return super()._accept()  # type: ignore[misc]


def flaky_socket(endpoint: actors.Endpoint, errors: deque[int]) -> FlakySocket:
    """A listening socket whose accept fails with these errors first."""
    real = open_socket(endpoint)
    flaky = FlakySocket(real.family, real.type, 0, real.detach())
    flaky.setblocking(False)
    flaky.errors = errors
    return flaky


def greeted(address: Any) -> socket.socket:
    """A client's connection that has read its greeting."""
    client = connect(address)
    assert read_exactly(client, len(Echo.greeting)) == Echo.greeting
    return client


def session_of(server: actors.GeventRef[Any]) -> actors.GeventRef[Any]:
    """The server's only session."""
    (ref,) = sessions_of(server)
    return ref


def run_python(
    *arguments: str, source: str | None = None, timeout: float = 45.0
) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's folder; `source` is what it reads from its standard input."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=source,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def run_script(source: str, *arguments: str) -> str:
    """Run a script in a process of its own, which must succeed in silence; what it printed."""
    ended = run_python("-c", source, *arguments)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout
