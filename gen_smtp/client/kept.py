"""Connections that are kept for the next message, and a bound to their number. All of it is on the hub."""

from __future__ import annotations

import math
import time
from collections import deque

import gevent
from gevent.event import Event

from actors.runtime.hub import Hub
from actors.runtime.timers import Timer
from gen_smtp.client.driver import Driver
from gen_smtp.client.hops import Hop
from gen_smtp.client.opening import open_perhaps_in_clear
from gen_smtp.client.options import ClientOptions
from gen_smtp.client.protocol.errors import NetworkFailure


class _Host:
    """What there is of a host: connections that wait for mail, the latest last; how many are in use.

    Attributes:
        idle: those that wait, and since when.
        used: how many are in use.
        waiting: who waits for one.
    """

    __slots__ = ("idle", "used", "waiting")

    def __init__(self) -> None:
        self.idle: list[tuple[float, Driver]] = []
        self.used = 0
        self.waiting: deque[Event] = deque()


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

    def take(self, hop: Hop) -> Driver:
        """A connection to a host: one that was kept, or a new one. `give_back` must follow.

        Raises:
            DeliveryError: there is none, or no place for one in time.
        """
        here = self._hosts.get(hop)
        if here is None:
            here = self._hosts[hop] = _Host()
        if here.used < self._options.connections:
            here.used += 1
        else:
            self._wait(hop, here)
        try:
            return self._kept(here) or open_perhaps_in_clear(hop, self._options)
        except BaseException:
            self._release(hop, here)
            raise

    def give_back(self, hop: Hop, driver: Driver) -> None:
        """Keep a connection for the next message, or close it if it is of no use."""
        here = self._hosts[hop]
        if not driver.alive:
            driver.abort()
        elif self._closed or driver.delivered >= self._options.messages:
            gevent.spawn(driver.quit)
        else:
            here.idle.append((time.monotonic(), driver))
            self._set_sweep()
        self._release(hop, here)

    def _wait(self, hop: Hop, here: _Host) -> None:
        """Wait for the place of another, which is handed over. Raises: NetworkFailure: it takes too long."""
        seconds = self._options.timeouts.exchange
        event = Event()
        here.waiting.append(event)
        try:
            event.wait(None if seconds == math.inf else seconds)
        except BaseException:  # the caller is killed
            if event in here.waiting:
                here.waiting.remove(event)
            else:
                self._release(hop, here)
            raise
        if event in here.waiting:
            here.waiting.remove(event)
            raise NetworkFailure(TimeoutError("no connection to the host has become free"), hop.host)

    def _release(self, hop: Hop, here: _Host) -> None:
        """Give up a place: the first who waits has it."""
        if here.waiting:
            here.waiting.popleft().set()
            return
        here.used -= 1
        self._forget_if_empty(hop, here)

    def _kept(self, here: _Host) -> Driver | None:
        while here.idle:
            _, driver = here.idle.pop()
            driver.look()
            if driver.alive:
                return driver
        return None

    def _forget_if_empty(self, hop: Hop, here: _Host) -> None:
        if not here.used and not here.idle and self._hosts.get(hop) is here:
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
