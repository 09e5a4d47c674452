"""Asks all processes that serve, and puts their answers together; in the thread of the poll loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from actors.errors import StartError
from gen_smtp.control.messages import VERSION, ControlError, Message
from gen_smtp.control.requests import REQUESTS, Request, set_log_level
from gen_smtp.control.site import Line
from gen_smtp.process.poll import PollLoop

ANSWER_TIME = 5.0
"""Seconds that the processes get to answer; those that have not by then are named as missing."""


class Fleet(Protocol):
    """The processes that serve, as a station sees them."""

    def lines(self) -> Sequence[Line]:
        """A line to each of them."""

    def prepare(self, request: str, arguments: Mapping[str, Any]) -> int | None:
        """Do what has to be done once, before the processes are asked.

        Returns:
            a descriptor that is to go along to each; it is closed by the caller.

        Raises:
            StartError, LookupError: it can't be done, and no process is asked.
        """


class Steering(Protocol):
    """The service that the process is."""

    def request_stop(self) -> None:
        """Begin to end; a second time at once."""

    def request_reload(self) -> None:
        """Read certificates and code again."""


class Station:
    """Answers requests.

    Args:
        fleet: the processes that serve.
        poll_loop: what the thread waits for.
    """

    def __init__(self, fleet: Fleet, poll_loop: PollLoop) -> None:
        self._fleet = fleet
        self._poll_loop = poll_loop
        self._steering: Steering | None = None

    def attach(self, steering: Steering) -> None:
        """Say what is to be stopped and reloaded."""
        self._steering = steering

    def answer(self, message: Message, done: Callable[[Message], object]) -> None:
        """Answer a request.

        Args:
            message: the request.
            done: called once with the answer.
        """
        reply = partial(_reply, message.get("id"), done)
        try:
            name, request, arguments = _parse(message)
            descriptor = self._fleet.prepare(name, arguments)
        except ControlError as error:
            reply(error.as_message())
            return
        except (StartError, LookupError) as error:
            reply(ControlError("refused", str(error)).as_message())
            return
        try:
            self._ask(name, request, arguments, descriptor, reply)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _ask(
        self,
        name: str,
        request: Request,
        arguments: Mapping[str, Any],
        descriptor: int | None,
        reply: Callable[[Message], object],
    ) -> None:
        gathering = _Gathering(self._poll_loop, partial(self._finish, name, request, arguments, reply))
        lines = self._fleet.lines()
        gathering.await_all([each.process for each in lines])
        if not request.asks:
            for each in lines:
                gathering.hear(each.process, {"answer": None})
            return
        question = {"version": VERSION, "request": name, "arguments": dict(arguments)}
        for each in lines:
            copy = None if descriptor is None else os.dup(descriptor)
            each.ask(question, partial(gathering.hear, each.process), copy)

    def _finish(
        self,
        name: str,
        request: Request,
        arguments: Mapping[str, Any],
        reply: Callable[[Message], object],
        answers: Mapping[int, Message | None],
    ) -> None:
        reply(self._merged(name, request, arguments, answers))

    def _merged(
        self,
        name: str,
        request: Request,
        arguments: Mapping[str, Any],
        answers: Mapping[int, Message | None],
    ) -> Message:
        missing = sorted(process for process, each in answers.items() if each is None)
        errors = [each["error"] for each in answers.values() if each is not None and "error" in each]
        if errors:
            return {"version": VERSION, "error": errors[0]}
        if missing and len(missing) == len(answers):
            return ControlError(
                "no_answer", f"no process answered within {ANSWER_TIME:g} s: something blocks them"
            ).as_message()
        found = {process: each["answer"] for process, each in answers.items() if each is not None}
        try:
            answer = request.merge(arguments, found)
            self._steer(name, arguments)
        except ControlError as error:
            return error.as_message()
        return {"version": VERSION, "answer": answer, **({"missing": missing} if missing else {})}

    def _steer(self, name: str, arguments: Mapping[str, Any]) -> None:
        """What concerns this process, as the parent of workers too."""
        if name == "log-level":
            set_log_level(arguments)
        if self._steering is None:
            return
        if name == "reload":
            self._steering.request_reload()
        if name == "stop":
            self._steering.request_stop()
            if arguments.get("now"):
                self._steering.request_stop()


class _Gathering:
    """Waits for the answers of several processes.

    Args:
        poll_loop: what the thread waits for.
        on_all: called once, with the answers by process; None for one that gave none.
    """

    def __init__(self, poll_loop: PollLoop, on_all: Callable[[Mapping[int, Message | None]], object]) -> None:
        self._poll_loop = poll_loop
        self._on_all = on_all
        self._answers: dict[int, Message | None] = {}
        self._awaited: set[int] = set()
        self._alarm = poll_loop.later(ANSWER_TIME, self._end)
        self._over = False

    def await_all(self, processes: Sequence[int]) -> None:
        """Say whose answers are awaited."""
        self._answers = dict.fromkeys(processes)
        self._awaited = set(processes)
        if not processes:
            self._end()

    def hear(self, process: int, answer: Message | None) -> None:
        """A process has answered, or is gone."""
        self._answers[process] = answer
        self._awaited.discard(process)
        if not self._awaited:
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._poll_loop.cancel(self._alarm)
            self._on_all(self._answers)


def _parse(message: Message) -> tuple[str, Request, Mapping[str, Any]]:
    if message.get("version") != VERSION:
        raise ControlError(
            "bad_version", f"this server speaks version {VERSION}, not {message.get('version')!r}"
        )
    name = message.get("request")
    request = REQUESTS.get(name) if isinstance(name, str) else None
    if request is None or not isinstance(name, str):
        raise ControlError(
            "unknown_request", f"there is no request {name!r}; there are: {', '.join(REQUESTS)}"
        )
    return name, request, request.check(message.get("arguments", {}))


def _reply(number: Any, done: Callable[[Message], object], answer: Message) -> None:
    done(answer if number is None else {**answer, "id": number})
