"""Fixtures: this process as a node beside BEAMs, and servers that it gives names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import beam as erlang
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.beam.beams import Beam, Epmd, write_cookie
from tests.gen_smtp.live import Server, listener

Serve = Callable[..., Server]


@pytest.fixture
def join(epmd: Epmd, tmp_path: Path) -> Iterator[Callable[..., erlang.Node]]:
    """`join(*beams)`: make this process a node that is connected to BEAMs, until the end of the test."""
    with ExitStack() as stack:

        def start(*beams: Beam, name: str = "py", **settings: Any) -> erlang.Node:
            node = erlang.start(
                f"{name}@127.0.0.1",
                cookie_file=write_cookie(tmp_path),
                seeds=[each.name for each in beams],
                epmd_port=epmd.port,
                **settings,
            )
            stack.callback(node.stop)
            for each in beams:
                assert node.connect(each.name)
            return node

        yield start


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(name, Module)`: a server with a name, stopped after the test."""
    with ExitStack() as stack:

        def start(name: Any = ("global", "mx"), module: Any = Behaviour, **options: Any) -> Server:
            ref = gen_smtp_server.start(name, module, [listener(**options)])
            stack.callback(gen_smtp_server.stop, ref, grace=0)
            return Server(ref)

        yield start
