"""Telling a service manager, systemd say, how a process is doing: sd_notify(3).

Its protocol is one datagram with lines of `NAME=value` to the socket that `NOTIFY_SOCKET` names: too little
to depend on a library for.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import time
from collections.abc import Mapping

from actors import events
from gen_smtp.process.events import NotifyFailed

MARGIN = 5.0
"""Seconds that a stop may take beyond its grace."""


class ServiceManager:
    """The service manager that has started this process, if it has said where it wants to be told.

    Args:
        environment: where `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are looked for.

    Attributes:
        listens: whether there is such a service manager.
        heartbeat: seconds after which it wants to hear again that the process is alive: half of what it
            waits for; None if it does not care.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # A name of Linux's abstract space is written with an @.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self.listens = self._address[:1] in ("/", "\0")
        self.heartbeat = _heartbeat(environment) if self.listens else None

    def ready(self, status: str) -> None:
        """All that was asked for is there; also: the reload is over."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Certificates and code are read again; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, grace: float) -> None:
        """The end has begun, and may take so many seconds, even if the manager would not wait so long."""
        microseconds = int((grace + MARGIN) * 1_000_000)
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={microseconds}", "STATUS=finishing the mail in hand")

    def hand_over(self, pid: int) -> None:
        """Another process is the service's main process from now on, and alive."""
        self._tell(f"MAINPID={pid}", "WATCHDOG=1")

    def alive(self) -> None:
        """A sign of life. It never waits, so the hub may call it."""
        self._tell("WATCHDOG=1", flags=_socket.MSG_DONTWAIT)

    def _tell(self, *lines: str, flags: int = 0) -> None:
        if not self.listens:
            return
        try:
            with contextlib.closing(_socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)) as notifier:
                notifier.sendto("\n".join(lines).encode(), flags | _socket.MSG_NOSIGNAL, self._address)
        except OSError as error:
            events.emit(NotifyFailed(lines[0], error))


def _heartbeat(environment: Mapping[str, str]) -> float | None:
    """Half of the time within which the manager wants a sign of life, if it wants it of this process."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    of_process = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdecimal() or int(microseconds) == 0 or of_process != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000
