"""Debuggers, coverage and profilers see what actors do, as they see the threads of `threading`."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest

from tests.actors.helpers import ROOT, SECONDS

SCRIPT = """
import sys, threading

lines, functions = set(), set()


def trace(frame, event, arg):
    if frame.f_code.co_filename != "<string>":
        return None
    if event == "line":
        lines.add(frame.f_lineno)
    return trace


def profile(frame, event, arg):
    if event == "call" and frame.f_code.co_filename == "<string>":
        functions.add(frame.f_code.co_name)


threading.settrace(trace if "trace" in sys.argv else None)
threading.setprofile(profile if "profile" in sys.argv else None)

import gevent, actors


class Traced(actors.GeventActor):
    def on_receive(self, message):
        seen = 1  # here
        if message == "wait":
            gevent.sleep(0.001)
            seen = 2  # here
        if message == "block":
            actors.run_blocking(work)
            seen = 3  # here
        return seen  # here


def work():
    return 5  # here


refs = [Traced.start() for _ in range(3)]
futures = [ref.ask(message, block=False) for message in ("wait", "block", "", "wait") for ref in refs]
assert [future.get(timeout=10) for future in futures] == [2] * 3 + [3] * 3 + [1] * 3 + [2] * 3
print(sorted(lines))
print(sorted(functions & {"on_receive", "work"}))
"""
HERE = [number for number, line in enumerate(SCRIPT.splitlines(), 1) if line.endswith("# here")]


def seen_by(*tools: str) -> list[Any]:
    """The lines and the functions that a tracer and a profiler saw."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *tools],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=3 * SECONDS,
    )
    return [ast.literal_eval(line) for line in ended.stdout.splitlines()]


@pytest.mark.parametrize("tools", [("trace",), ("trace", "profile"), ()], ids="+".join)
def test_a_tracer_sees_each_line_also_behind_a_wait(tools: tuple[str, ...]) -> None:
    lines, _ = seen_by(*tools)
    assert [number for number in HERE if number in lines] == (HERE if tools else [])


def test_a_profiler_sees_each_call() -> None:
    assert seen_by("profile") == [[], ["on_receive", "work"]]
