"""Asking a server by messages, as it is on another node: one of this library's, or gen_smtp's on a BEAM."""

from __future__ import annotations

from typing import Any

import pykka

from actors import call, send
from actors.messages import StopTimes
from beam import Atom
from gen_smtp.cluster.answers import STOP_TIMES, python_address


def sessions(ref: pykka.ActorRef[Any], timeout: float | None) -> list[pykka.ActorRef[Any]]:
    """See `gen_smtp_server.sessions`."""
    return list(call(ref, Atom("sessions"), timeout))


def addresses(ref: pykka.ActorRef[Any], timeout: float | None) -> list[Any]:
    """See `gen_smtp_server.addresses`; gen_smtp 0.x does not answer it."""
    return [python_address(each) for each in call(ref, Atom("addresses"), timeout)]


def set_stop_times(ref: pykka.ActorRef[Any], times: StopTimes) -> None:
    """Say how a server is to stop. gen_smtp 0.x takes no notice."""
    send(ref, (Atom(STOP_TIMES), times.grace, times.drain))
