"""Fixtures: servers that collect what real clients send them, and the clients' side of TLS."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from actors import GeventRef
from gen_smtp import gen_smtp_server
from tests.certificates import Certificates
from tests.real_clients.tools.collector import PATIENCE, Collector


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: its reference and the address of its one listener."""

    server: GeventRef[Any]
    address: Any

    @property
    def host(self) -> str:
        """The address without port."""
        return str(self.address[0])

    @property
    def port(self) -> int:
        """The port the system chose."""
        return int(self.address[1])


Serve = Callable[..., Served]


@pytest.fixture
def collector() -> Collector:
    """What the servers of `serve` take."""
    return Collector()


@pytest.fixture
def serve(collector: Collector) -> Iterator[Serve]:
    """`serve(session={...}, **listener_options)`: a server with one listener, stopped after the test."""
    with ExitStack() as stack:

        def start(session: dict[str, Any] | None = None, **listener: Any) -> Served:
            options = {"domain": "mx.example", "sessionoptions": session or {}, **listener}
            if options.get("family") != "unix":
                options = {"address": "127.0.0.1", "port": 0, **options}
            server = stack.enter_context(gen_smtp_server.running(collector.make, [options]))
            return Served(server, gen_smtp_server.addresses(server)[0])

        yield start


@pytest.fixture
def with_certificate(certificates: Certificates) -> dict[str, Any]:
    """Session options for a server that has a certificate for localhost."""
    return {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}


@pytest.fixture
def client_tls(certificates: Certificates) -> ssl.SSLContext:
    """The TLS of a client that trusts the tests' authority and checks names."""
    return ssl.create_default_context(cafile=certificates.cafile)


@pytest.fixture
def run_client(require_tool: Callable[[str], str]) -> Callable[..., str]:
    """`run_client(command, *arguments, input=b"", exit_code=0)`: run a command; its output, checked exit."""

    def run(command: str, *arguments: str, input: bytes = b"", exit_code: int = 0) -> str:
        path = require_tool(command)
        done = subprocess.run(
            [path, *arguments],
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * PATIENCE,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        assert done.returncode == exit_code, output
        return output

    return run
