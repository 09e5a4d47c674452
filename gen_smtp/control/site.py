"""One process that serves, as the control socket asks it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pykka

import actors
from actors import GeventRef
from actors.errors import StartError
from gen_smtp.control.messages import VERSION, ControlError, Message
from gen_smtp.control.requests import REQUESTS
from gen_smtp.facts import Totals

Done = Callable[[Message | None], object]
"""Called with an answer, in the thread of the poll loop; None if there never will be one."""


class Line(Protocol):
    """The way to a process that serves."""

    @property
    def process(self) -> int:
        """Its number."""

    def ask(self, message: Message, done: Done, descriptor: int | None = None) -> None:
        """Ask something, without waiting.

        Args:
            message: the request.
            done: called once with the answer.
            descriptor: a descriptor that goes along; it is closed by whoever gets it.
        """


class Site:
    """What answers in a process that serves; a line to itself.

    Args:
        server: the server.
        process: the number of the process.
        call_soon: has the thread of the poll loop make a call; from any thread.
    """

    def __init__(
        self, server: GeventRef[Any], process: int, call_soon: Callable[[Callable[[], object]], object]
    ) -> None:
        self.server = server
        self.process = process
        self.began = time.time()
        self.totals = Totals()
        self._call_soon = call_soon

    def ask(self, message: Message, done: Done, descriptor: int | None = None) -> None:
        """See `Line`. The answer is made on the hub."""
        future = actors.spawn(self._answer, message, descriptor)
        future.on_done(lambda: self._call_soon(lambda: done(future.get())))

    def close(self) -> None:
        """Count no more."""
        self.totals.close()

    def _answer(self, message: Message, descriptor: int | None) -> Message:
        try:
            request = REQUESTS[message["request"]]
            return {"version": VERSION, "answer": request.run(self, message["arguments"], descriptor)}
        except ControlError as error:
            return error.as_message()
        except pykka.Timeout:
            return ControlError(
                "busy", "the server did not answer in time: a callback may hold it up"
            ).as_message()
        except pykka.ActorDeadError:
            return ControlError("ended", "the server has ended").as_message()
        except (StartError, LookupError) as error:
            return ControlError("refused", str(error)).as_message()
        except Exception as error:
            return ControlError("failed", f"{type(error).__name__}: {error}").as_message()


class LoneFleet:
    """A server in this process, and no other; a `Fleet`.

    Args:
        site: the process.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def lines(self) -> Sequence[Line]:
        """The one line."""
        return [self._site]

    def prepare(self, request: str, arguments: Mapping[str, Any]) -> int | None:
        """Nothing has to be done before."""
        return None
