"""What has the name of several workers: it answers for the servers of all of them.

Every worker has one. The first to start gets the name, the others stand by for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pykka

from actors import GeventActor, GeventRef, call, cast, spawn
from beam import Atom
from gen_smtp.cluster.answers import question_of

SERVER = "gen_smtp_server"
"""The local name of each worker's server."""

SIBLING_TIME = 2.0
"""Seconds that each worker gets to answer; without an answer its sessions are left out."""


class Front(GeventActor):
    """Answers for the servers of all workers.

    Args:
        server: the server of this worker.
        siblings: the names of the nodes of the other workers that are connected.
        parent: the process to end when the server is to stop.
    """

    stands_for_server = True

    def __init__(self, server: GeventRef[Any], siblings: Callable[[], Sequence[str]], parent: int) -> None:
        super().__init__()
        self._server = server
        self._siblings = siblings
        self._parent = parent

    def on_receive(self, message: Any) -> Any:
        if not self.is_asked:
            cast(self._server, message)
            return None
        answer = _ANSWERS.get(question_of(message) or "")
        return call(self._server, message) if answer is None else answer(self)

    def on_stop_request(self, reason: Any) -> None:
        """As `gen_server:stop` asks for it: all workers are meant."""
        self.stop_all()
        super().on_stop_request(reason)

    def sessions(self) -> list[Any]:
        """The live sessions of all workers that answer in time, those of this one first."""
        return [ref for sessions in self._of_all("sessions") for ref in sessions]

    def info(self) -> dict[Atom, Any]:
        """The facts of all workers, summed up, and how many these are."""
        infos = self._of_all("info")
        sums = {Atom(key): sum(info[key] for info in infos) for key in ("sessions", "connections")}
        return {**infos[0], **sums, Atom("workers"): len(infos)}

    def stop_all(self) -> Atom:
        """Have the parent stop all workers; the answer comes before they have."""
        os.kill(self._parent, signal.SIGTERM)
        return Atom("ok")

    def _of_all(self, question: str) -> list[Any]:
        answers = [spawn(call, (SERVER, node), Atom(question), SIBLING_TIME) for node in self._siblings()]
        found = [call(self._server, Atom(question))]
        for answer in answers:
            try:
                found.append(answer.get())
            except (pykka.ActorDeadError, pykka.Timeout):
                continue
        return found


_ANSWERS: dict[str, Callable[[Front], Any]] = {
    "sessions": Front.sessions,
    "info": Front.info,
    "stop": Front.stop_all,
}
