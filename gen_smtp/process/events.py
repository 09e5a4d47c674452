"""What happens to a server's processes, as typed events; subscribe with `actors.events.subscribe`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from actors import events as actor_events

_logger = logging.getLogger("gen_smtp")


@dataclass(frozen=True, slots=True)
class ProcessEvent(actor_events.Event):
    """The base of this module's events."""

    logger: ClassVar[logging.Logger] = _logger


@dataclass(frozen=True, slots=True)
class WorkerStarted(ProcessEvent):
    """The parent has forked a worker."""

    text: ClassVar[str] = "worker {pid} started"
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerNotStarted(ProcessEvent):
    """The system had no process or descriptor left for a worker: the others serve, and it is tried again."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "no worker started: {error}; the next try is in {seconds} s"
    error: BaseException
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerEnded(ProcessEvent):
    """A worker has ended though nobody stops the server; another one takes its place."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "worker {pid} ended: {how}"
    pid: int
    how: str


@dataclass(frozen=True, slots=True)
class Reloaded(ProcessEvent):
    """SIGHUP had something read again, and it is in use."""

    text: ClassVar[str] = "{what} reloaded"
    what: str


@dataclass(frozen=True, slots=True)
class ReloadSkipped(ProcessEvent):
    """SIGHUP could not have the callback's code loaded again, for what it is or where it stands."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "{what} not reloaded: {why}"
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ReloadFailed(ProcessEvent):
    """What SIGHUP had read again can't be used; the server goes on with what it had."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{what} not reloaded: {error}"
    what: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error


@dataclass(frozen=True, slots=True)
class SessionKeptCode(ProcessEvent):
    """A session goes on with the old callback code, at least for now."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "{session} goes on with the old code: {error}"
    session: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class MetricsServed(ProcessEvent):
    """Prometheus finds the metrics there."""

    text: ClassVar[str] = "metrics at http://{address}/metrics"
    address: str


@dataclass(frozen=True, slots=True)
class SuccessorStarted(ProcessEvent):
    """SIGUSR2 had a process started that is to take over."""

    text: ClassVar[str] = "process {pid} was started to take over"
    pid: int


@dataclass(frozen=True, slots=True)
class SuccessorNotStarted(ProcessEvent):
    """SIGUSR2 could not have a process started that is to take over."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "no process was started to take over: {why}"
    why: str


@dataclass(frozen=True, slots=True)
class SuccessorFailed(ProcessEvent):
    """No process takes over; this one goes on as if nothing had been asked of it."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "no other process takes over, this one goes on: {why}"
    why: str


@dataclass(frozen=True, slots=True)
class HandedOver(ProcessEvent):
    """Another process has taken over; this one ends with its last session."""

    text: ClassVar[str] = "process {pid} has taken over, this one ends with its last session"
    pid: int


@dataclass(frozen=True, slots=True)
class SocketDropped(ProcessEvent):
    """The predecessor listened where this process has no listener: nobody does any more."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "no listener for {address}, where the predecessor listened"
    address: str


@dataclass(frozen=True, slots=True)
class CutShort(ProcessEvent):
    """Told to end at once, the process could not: something blocks it. It dies by the signal."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "something still runs {seconds} s after the second signal: ending without it"
    seconds: float


@dataclass(frozen=True, slots=True)
class NotifyFailed(ProcessEvent):
    """The service manager could not be told how the process is doing."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "the service manager was not told {what}: {error}"
    what: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class AtEndFailed(ProcessEvent):
    """What `on_serving` had returned failed when it was called at the end."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "what was to be called at the end failed: {error}"
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error
