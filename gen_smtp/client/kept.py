"""Connections that are kept for the next message, and a bound to their number. All of it is on the hub."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

import gevent
from gevent.lock import BoundedSemaphore

from actors.runtime.hub import Hub
from actors.runtime.timers import Timer
from gen_smtp.client.driver import Driver
from gen_smtp.client.hops import Hop
from gen_smtp.client.opening import open_perhaps_in_clear
from gen_smtp.client.options import ClientOptions
from gen_smtp.client.protocol.errors import NetworkFailure


class _Host:
    """What there is of a host: places for connections, and those that wait for mail, the latest last."""

    __slots__ = ("idle", "places", "users")

    def __init__(self, connections: int) -> None:
        self.places = BoundedSemaphore(connections)
        self.idle: list[tuple[float, Driver]] = []
        self.users = 0


class KeptConnections:
    """The connections of a client.

    Args:
        options: the client's.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._hosts: dict[Hop, _Host] = {}
        self._sweep: Timer | None = None
        self._closed = False

    @contextmanager
    def lent(self, hop: Hop) -> Generator[Driver]:
        """A connection to a host for a `with` block: one that was kept, or a new one.

        Raises:
            DeliveryError: there is none, or no place for one in time.
        """
        here = self._hosts.setdefault(hop, _Host(self._options.connections))
        here.users += 1
        try:
            places = here.places
            if not places.acquire(blocking=False) and not places.acquire(timeout=_patience(self._options)):
                raise NetworkFailure(TimeoutError("no connection to the host has become free"), hop.host)
            try:
                driver = self._kept(here) or open_perhaps_in_clear(hop, self._options)
                try:
                    yield driver
                finally:
                    self._take_back(here, driver)
            finally:
                here.places.release()
        finally:
            here.users -= 1
            self._forget_if_empty(hop, here)

    def _kept(self, here: _Host) -> Driver | None:
        while here.idle:
            _, driver = here.idle.pop()
            driver.look()
            if driver.alive:
                return driver
        return None

    def _take_back(self, here: _Host, driver: Driver) -> None:
        if not driver.alive:
            driver.abort()
        elif self._closed or driver.delivered >= self._options.messages:
            gevent.spawn(driver.quit)
        else:
            here.idle.append((time.monotonic(), driver))
            self._set_sweep()

    def _forget_if_empty(self, hop: Hop, here: _Host) -> None:
        if not here.users and not here.idle and self._hosts.get(hop) is here:
            del self._hosts[hop]

    # -- connections that nobody needs ------------------------------------------------------------------

    def _set_sweep(self) -> None:
        if self._sweep is None:
            self._sweep = Hub.current().timers.call_later(self._options.idle, self._close_idle)

    def _close_idle(self) -> None:
        self._sweep = None
        due = time.monotonic() - self._options.idle
        for hop, here in list(self._hosts.items()):
            old = [driver for since, driver in here.idle if since <= due]
            here.idle = [entry for entry in here.idle if entry[0] > due]
            for driver in old:
                gevent.spawn(driver.quit)
            self._forget_if_empty(hop, here)
        if any(here.idle for here in self._hosts.values()):
            self._set_sweep()

    def close(self) -> None:
        """Say QUIT to all that have no mail now; the others do so when they are done."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        idle = [driver for here in self._hosts.values() for _, driver in here.idle]
        for here in self._hosts.values():
            here.idle.clear()
        for hop, here in list(self._hosts.items()):
            self._forget_if_empty(hop, here)
        gevent.joinall([gevent.spawn(driver.quit) for driver in idle])


def _patience(options: ClientOptions) -> float | None:
    seconds = options.timeouts.exchange
    return None if seconds == float("inf") else seconds
