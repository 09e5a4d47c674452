"""Methods that actors run for others: what they get, and what mypy says of wrong ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pykka
import pytest

import actors
from actors.otp.messaging import invoke, invoke_later
from tests.actors.helpers import SECONDS, hold, start_probe

ROOT = Path(__file__).parents[3]


class Adder(actors.GeventActor):
    """Adds to what it was started with."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.base = base

    def add(self, number: int, times: int = 1) -> int:
        return self.base + number * times

    def add_in_turn(self, number: int) -> int:
        return invoke(self.actor_ref, 0.0, Adder.add, number)

    def fail(self) -> None:
        raise LookupError("no")


class Doubler(Adder):
    """Adds twice."""

    def add(self, number: int, times: int = 1) -> int:
        return super().add(number, 2 * times)


class Threaded(pykka.ThreadingActor):
    """One of Pykka's own."""

    def add(self, number: int) -> int:
        return number + 1


def test_an_actor_runs_a_method_with_its_arguments() -> None:
    ref = Adder.start(1)
    assert invoke(ref, SECONDS, Adder.add, 2) == 3
    assert invoke(ref, SECONDS, Adder.add, 2, times=3) == 7
    assert invoke_later(ref, Adder.add, 2).get(timeout=SECONDS) == 3
    ref.stop()


def test_it_runs_the_method_of_a_subclass() -> None:
    ref = Doubler.start(1)
    assert invoke(ref, SECONDS, Adder.add, 2) == 5
    ref.stop()


def test_it_runs_the_method_of_the_class_that_it_was_changed_to() -> None:
    ref = Adder.start(1)
    actors.sys.suspend(ref)
    actors.sys.change_code(ref, Doubler)
    actors.sys.resume(ref)
    assert invoke(ref, SECONDS, Adder.add, 2) == 5
    ref.stop()


def test_in_its_own_turn_it_does_not_wait_for_itself() -> None:
    ref = Doubler.start(1)
    assert invoke(ref, SECONDS, Adder.add_in_turn, 2) == 5
    ref.stop()


def test_an_actor_of_pykkas_own_runs_methods_too() -> None:
    ref = Threaded.start()
    assert invoke(ref, SECONDS, Threaded.add, 1) == 2
    ref.stop()


def test_what_a_method_raises_goes_to_the_caller() -> None:
    ref = Adder.start(1)
    with pytest.raises(LookupError, match="no"):
        invoke(ref, SECONDS, Adder.fail)
    assert ref.is_alive()
    ref.stop()


def test_a_busy_actor_is_waited_for_only_so_long() -> None:
    ref, _ = start_probe()
    gate = hold(ref)
    with pytest.raises(pykka.Timeout):
        invoke(ref, 0.0, actors.GeventActor.is_urgent, None)
    gate.open()
    ref.stop()


def test_a_dead_actor_runs_nothing() -> None:
    ref = Adder.start(1)
    ref.stop()
    with pytest.raises(actors.ActorDeadError):
        invoke(ref, SECONDS, Adder.add, 2)


SNIPPET = """
import actors
from actors.otp.messaging import invoke, invoke_later
from actors.otp.supervisor import Supervisor
from actors.otp.supervisor_base import request


class Adder(actors.GeventActor):
    def add(self, number: int) -> int:
        return number


class Other(actors.GeventActor):
    def other(self) -> None: ...


ref = Adder.start()
right: int = invoke(ref, 1.0, Adder.add, 1)
invoke(ref, 1.0, Adder.ad, 1)  # wrong
invoke(ref, 1.0, Adder.add, "1")  # wrong
invoke(ref, 1.0, Adder.add)  # wrong
invoke(ref, 1.0, Other.other)  # wrong
result: str = invoke(ref, 1.0, Adder.add, 1)  # wrong
invoke_later(ref, Adder.add, "1")  # wrong
request("name", Supervisor.delete_child)  # wrong
"""


@pytest.mark.timeout(300)  # mypy reads the whole of gevent when it has no cache
def test_mypy_sees_the_method_and_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(SNIPPET)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            tmp_path / "snippet.py",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    found = re.findall(r"^\S*snippet\.py:(\d+): error: ", ended.stdout, re.M)
    expected = [str(number) for number, line in enumerate(SNIPPET.splitlines(), start=1) if "# wrong" in line]
    assert found == expected, ended.stdout + ended.stderr
