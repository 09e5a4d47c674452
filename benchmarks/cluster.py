"""A node in Python beside BEAMs: calls and casts in each direction, with BEAM to BEAM as the measure.

A process of its own, `python -m benchmarks.cluster SCALE [IDLE]`; what is printed, as JSON, are the figures.
In each round everything is measured once, so that what slows the machine down slows all of it; the medians
count. At last the node is idle for IDLE seconds, connected with two BEAMs: only its ticks may cost something.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from statistics import median
from typing import Any

import actors
import beam
from benchmarks.clients import ClientError
from benchmarks.processes import all_cores, running, search_path

CLUSTER = "cluster"
"""The name of the measurement, as of a scenario."""

BEAM_TO_BEAM = "call, from a BEAM to a BEAM, µs"
BEAM_TO_US = "call, from a BEAM to an actor, µs"
TIMES = "call, from a BEAM to an actor, times that of BEAM to BEAM"
US_TO_BEAM = "call, from an actor to a BEAM, µs"
PIPELINED = "calls a second, from an actor to a BEAM, 200 under way"
CASTS_IN = "100,000 casts from a BEAM to an actor, s"
CASTS_OUT = "100,000 casts from an actor to a BEAM, s"

IDLE = "CPU of an idle node, ms a minute"

FIGURES = (BEAM_TO_BEAM, BEAM_TO_US, TIMES, US_TO_BEAM, PIPELINED, CASTS_IN, CASTS_OUT, IDLE)
REACHES = {TIMES: "at most 2.5", PIPELINED: "at least 30,000", CASTS_IN: "below 1", IDLE: "nothing but ticks"}

ROUNDS = 5
UNDER_WAY = 200
IDLE_TIME = 20.0
"""Seconds for which the node is idle, unless told otherwise. It ticks every 15."""
PATIENCE = 120.0

SERVER = """
-module(bench).
-behaviour(gen_server).
-export([start/0, calls/2, casts/2, init/1, handle_call/3, handle_cast/2]).
start() -> {ok, _} = gen_server:start({local, bench}, ?MODULE, [], []).
init([]) -> {ok, 0}.
handle_call(count, _, Casts) -> {reply, Casts, 0};
handle_call(Message, _, Casts) -> {reply, Message, Casts}.
handle_cast(_, Casts) -> {noreply, Casts + 1}.
calls(Node, Count) -> timed(fun() -> call({bench, Node}, Count) end).
call(_, 0) -> ok;
call(Server, Count) -> hello = gen_server:call(Server, hello), call(Server, Count - 1).
casts(Node, Count) -> timed(fun() -> cast({bench, Node}, Count) end).
cast(Server, Count) ->
    [gen_server:cast(Server, Number) || Number <- lists:seq(1, Count)],
    Count = gen_server:call(Server, count, infinity).
timed(Fun) ->
    Begin = erlang:monotonic_time(microsecond),
    Fun(),
    (erlang:monotonic_time(microsecond) - Begin) / 1.0e6.
"""


class Bench(actors.GeventActor):
    """What the module above is, in Python; a function that it gets it calls."""

    def __init__(self) -> None:
        super().__init__()
        self._casts = 0

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message()
        if not self.is_asked:
            self._casts += 1
            return None
        if message == "count":
            casts, self._casts = self._casts, 0
            return casts
        return message


def measured(scale: float, idle: float = IDLE_TIME) -> dict[str, float]:
    """The figures, measured in a process of its own, with the node idle for so many seconds.

    Raises:
        ClientError: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.cluster", str(scale), str(idle)]
    with running(command, all_cores(), pipes=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
    if not line:
        raise ClientError("the cluster could not be measured")
    figures: dict[str, float] = json.loads(line)
    return figures


def main() -> None:
    """Start epmd, two BEAMs and a node; measure; end them."""
    scale = float(sys.argv[1])
    idle = float(sys.argv[2]) if len(sys.argv) > 2 else IDLE_TIME
    with tempfile.TemporaryDirectory() as folder, _cluster(Path(folder)) as (one, other):
        ref = Bench.start()
        actors.register("bench", ref)
        rounds = [_round(ref, one, other, scale) for _ in range(ROUNDS)]
        figures = {name: median(each[name] for each in rounds) for name in rounds[0]}
        figures[IDLE] = _idle_cpu(idle)
    print(json.dumps(figures), flush=True)


def _idle_cpu(seconds: float) -> float:
    """The milliseconds of CPU that this process takes in a minute in which nobody asks it for anything."""
    begin = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - begin) * 1000 * 60 / seconds


def _round(ref: actors.GeventRef[Bench], one: str, other: str, scale: float) -> dict[str, float]:
    calls, casts = max(round(3000 * scale), 100), max(round(100_000 * scale), 1000)
    server = beam.rpc(one, "erlang", "whereis", [beam.Atom("bench")])
    here = beam.Atom("bench@127.0.0.1")
    between = _ask(one, "calls", beam.Atom(other), calls) / calls
    to_us = _ask(one, "calls", here, calls) / calls
    return {
        BEAM_TO_BEAM: between * 1e6,
        BEAM_TO_US: to_us * 1e6,
        TIMES: to_us / between,
        US_TO_BEAM: _timed(ref, lambda: _call(server, calls)) / calls * 1e6,
        PIPELINED: 5 * calls / _timed(ref, lambda: _pipeline(server, 5 * calls)),
        CASTS_IN: _ask(one, "casts", here, casts) * (100_000 / casts),
        CASTS_OUT: _timed(ref, lambda: _cast(server, casts)) * (100_000 / casts),
    }


def _ask(node: str, function: str, *arguments: Any) -> float:
    seconds: float = beam.rpc(node, "bench", function, list(arguments), timeout=PATIENCE)
    return seconds


def _timed(ref: actors.GeventRef[Bench], work: Callable[[], object]) -> float:
    """The seconds that an actor takes for something."""

    def run() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    seconds: float = ref.ask(run)
    return seconds


def _call(server: beam.RemoteRef, count: int) -> None:
    for number in range(count):
        server.ask(number)


def _pipeline(server: beam.RemoteRef, count: int) -> None:
    under_way: deque[Any] = deque()
    for number in range(count):
        under_way.append(server.ask(number, block=False))
        if len(under_way) >= UNDER_WAY:
            under_way.popleft().get()
    for future in under_way:
        future.get()


def _cast(server: beam.RemoteRef, count: int) -> None:
    for number in range(count):
        server.cast(number)
    assert server.ask(beam.Atom("count"), timeout=PATIENCE) == count


@contextlib.contextmanager
def _cluster(folder: Path) -> Generator[tuple[str, str]]:
    """A node here and two BEAMs, on an epmd of their own. Gives the names of the two."""
    cookie = folder / "cookie"
    cookie.write_text(secrets.token_hex(16))
    cookie.chmod(0o400)
    (folder / "bench.erl").write_text(SERVER)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    names = ("one@127.0.0.1", "other@127.0.0.1")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended(["epmd", "-port", str(port), "-address", "127.0.0.1"], folder, port))
        for name in names:
            command = [
                "erl",
                "-noshell",
                "-name",
                name,
                "-setcookie",
                cookie.read_text(),
                "-start_epmd",
                "false",
            ]
            prepare = "{ok, _} = compile:file(bench), {module, _} = code:load_file(bench), bench:start()."
            stack.enter_context(_ended([*command, "-eval", prepare], folder, port))
        node = _start(cookie, port)
        stack.callback(node.stop)
        for name in names:
            _until(lambda name=name: node.connect(name))  # type: ignore[misc]
            _until(lambda name=name: beam.rpc(name, "erlang", "whereis", [beam.Atom("bench")]))  # type: ignore[misc]
        yield names


def _start(cookie: Path, port: int) -> beam.Node:
    nodes: list[beam.Node] = []

    def start() -> bool:
        with contextlib.suppress(actors.StartError):
            nodes.append(beam.start("bench@127.0.0.1", cookie_file=cookie, epmd_port=port))
        return bool(nodes)

    _until(start)
    return nodes[0]


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise ClientError("the cluster does not come up")
        time.sleep(0.05)


@contextlib.contextmanager
def _ended(command: list[str], folder: Path, port: int) -> Generator[None]:
    """A process that is ended with the block."""
    environment = {"PATH": search_path(), "HOME": str(folder), "ERL_EPMD_PORT": str(port)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
