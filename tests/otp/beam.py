"""One BEAM that plays scenarios: `tests/otp/erlang` in a process of `erl`."""

from __future__ import annotations

import ast
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.otp.language import Scenario, erlang, limit_of

SOURCES = sorted((Path(__file__).parent / "erlang").glob("*.erl"))

SECONDS = 40.0
"""How long a scenario may take; the program in Erlang itself gives up before that."""

# The modules are compiled into memory. Nothing of OTP is to be loaded while a scenario is played: a process
# that waits for the code server looks as if it had nothing to do.
_COMPILE = """
    {ok, OfOtp} = application:get_key(stdlib, modules),
    code:ensure_modules_loaded(OfOtp),
    lists:foreach(fun(File) ->
        {ok, Module, Binary} = compile:file(File, [binary, report, warnings_as_errors]),
        {module, Module} = code:load_binary(Module, File, Binary)
    end, init:get_plain_arguments()),
    otp_play:main().
"""
# Two schedulers, whose threads do not keep a core busy while they have nothing to do. `processes/0` goes
# through the whole table of processes: at its usual size that took 334 microseconds, two thirds of the time.
_FLAGS = "+S 2:2 +P 1024 +sbwt none +sbwtdcpu none +sbwtdio none"


class BeamError(Exception):
    """The BEAM did not play a scenario."""


class Beam:
    """A running BEAM; use it in a `with` statement.

    Args:
        erl: the command.
    """

    def __init__(self, erl: str = "erl") -> None:
        self._process = subprocess.Popen(
            [erl, "-noshell", *_FLAGS.split(), "-eval", _COMPILE, "-extra", *map(str, SOURCES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "ERL_CRASH_DUMP_BYTES": "0", "HOME": os.environ.get("HOME", "/")},
        )
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(5.0)  # it ends at the end of its input
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def begin(self, scenario: Scenario, schedule: str) -> None:
        """Have a scenario played; `result` waits for it. Several may wait for their turn.

        Args:
            scenario: its steps.
            schedule: `one`, `rough` or `many`; see `otp_play.erl`.
        """
        assert self._process.stdin
        line = f"{{{schedule},{limit_of(scenario)},{erlang(scenario)}}}.\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def result(self) -> list[Any]:
        """What was seen in each step of the scenario that was begun first.

        Raises:
            BeamError: there is no result.
        """
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self._rest:
            self._rest += self._read(deadline)
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            seen: list[Any] = ast.literal_eval(line.decode())
        except (SyntaxError, ValueError):
            raise BeamError(line.decode()) from None
        return seen

    def _read(self, deadline: float) -> bytes:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        octets = os.read(self._process.stdout.fileno(), 65536) if ready else b""
        if not octets:
            raise BeamError("the BEAM has ended" if ready else f"nothing came in {SECONDS} seconds")
        return octets

    def play(self, scenario: Scenario, schedule: str) -> list[Any]:
        """Play a scenario and wait for what is seen."""
        self.begin(scenario, schedule)
        return self.result()


if __name__ == "__main__":
    with Beam() as beam:
        for line in sys.stdin:
            print(beam.play(ast.literal_eval(line), "one"))
