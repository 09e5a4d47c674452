"""Children for the tests of supervisors, and what is asked of their supervisors."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import actors
from actors import ChildSpec
from tests.actors.helpers import SECONDS, raise_


class Worker(actors.GeventActor):
    """Writes its starts and ends into a journal; runs the functions that it gets."""

    def __init__(
        self, name: str, journal: list[Any], *, traps: bool = False, plan: Callable[[], Any] | None = None
    ) -> None:
        super().__init__()
        self.name = name
        self.journal = journal
        self.trap_exits = traps
        self.plan = plan

    def on_start(self) -> Any:
        result = None if self.plan is None else self.plan()
        self.journal.append(f"start {self.name}")
        return result

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else None

    def on_stop(self) -> None:
        self.journal.append(f"stop {self.name}")

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self.journal.append(f"fail {self.name}")


def worker(
    name: str, journal: list[Any], *, plan: Callable[[], Any] | None = None, **fields: Any
) -> ChildSpec:
    """The specification of a worker; `plan` runs at each of its starts."""
    return ChildSpec(name, lambda: Worker.start_link(name, journal, plan=plan), **fields)


class Plan:
    """What the starts of a worker do, one after the other; when none is left, they succeed."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.starts = 0

    def __call__(self) -> Any:
        self.starts += 1
        step = self.steps.pop(0) if self.steps else None
        return raise_(step) if isinstance(step, BaseException) else step


@contextmanager
def supervised(*children: ChildSpec, **options: Any) -> Generator[actors.GeventRef[actors.Supervisor]]:
    """A supervisor, stopped at the end if it lives."""
    supervisor = actors.Supervisor.start(list(children), **options)
    try:
        yield supervisor
    finally:
        supervisor.stop(timeout=SECONDS)


def child(supervisor: Any, child_id: Any) -> Any:
    """The reference of a child, None, or `"restarting"`."""
    (found,) = [each["ref"] for each in actors.which_children(supervisor) if each["id"] == child_id]
    return found


def end(supervisor: Any, child_id: Any, reason: Any = "boom") -> Any:
    """End a child with a reason and return its reference; its supervisor's next answer comes after that."""
    ref = child(supervisor, child_id)
    ref.tell(lambda _: raise_(reason if isinstance(reason, BaseException) else actors.ActorExit(reason)))
    actors.wait_down(ref, SECONDS)
    return ref


def settle(supervisor: Any) -> None:
    """Wait until a supervisor has no child to start again."""
    while any(each["ref"] == "restarting" for each in actors.which_children(supervisor)):
        pass
