"""The listeners of one server: started, asked, changed while it runs, and restarted within limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import gevent

from actors.errors import ActorExit, StartError
from actors.messages import OwnsFile, Pause, Resume
from actors.net.listener import Capacity, ListenerActor
from actors.net.sockets import Endpoint
from actors.otp.messaging import cast
from actors.otp.restart_intensity import RestartIntensity
from actors.runtime import links
from actors.runtime.launch import launch
from actors.runtime.refs import GeventRef

RESTART_INTENSITY, RESTART_PERIOD = 5, 10.0
"""A listener that dies more often than so many times in so many seconds takes the server down."""

RESTART_PAUSE = 0.1


@dataclass(slots=True)
class Listening:
    """A listener as it runs.

    Attributes:
        endpoint: where it was told to listen.
        ref: its actor; None between its death and its restart.
        address: the address really bound.
        socket: the listening socket, to look at.
    """

    endpoint: Endpoint
    ref: GeventRef[ListenerActor] | None
    address: Any
    socket: Any


class Listeners:
    """A server's listeners, by their number, in the order they were added. For the server's turns alone.

    Args:
        server: the server, which monitors them.
        capacity: what they take a place of for each connection.
        make: makes the actor for an endpoint and its number.
    """

    def __init__(
        self, server: GeventRef[Any], capacity: Capacity, make: Callable[[Endpoint, int], ListenerActor]
    ) -> None:
        self._server = server
        self._capacity = capacity
        self._make = make
        self._by_number: dict[int, Listening] = {}
        self._next_number = 0
        self._intensity = RestartIntensity(RESTART_INTENSITY, RESTART_PERIOD)
        self._paused = False

    def __iter__(self) -> Iterator[Listening]:
        return iter(self._by_number.values())

    @property
    def next_number(self) -> int:
        """The number that the next one gets."""
        return self._next_number

    def items(self) -> list[tuple[int, Listening]]:
        """The numbers and what listens under them."""
        return list(self._by_number.items())

    def add(self, endpoint: Endpoint) -> Listening:
        """Start a listener.

        Raises:
            StartError: its socket could not be opened.
        """
        number = self._next_number
        self._next_number += 1
        listening = self._by_number[number] = self._start(endpoint, number)
        return listening

    def remove(self, number: int) -> None:
        """Stop a listener; the sessions that came by it go on."""
        ref = self._by_number.pop(number).ref
        if ref is not None:
            ref.stop()

    def remove_all(self) -> None:
        """Stop all listeners."""
        for number in list(self._by_number):
            self.remove(number)

    @property
    def paused(self) -> bool:
        """Whether they leave clients in the backlogs."""
        return self._paused

    def pause(self) -> None:
        """Stop accepting; the kernel's backlogs hold what comes."""
        self._paused = True
        self._tell_all(Pause())

    def resume(self) -> None:
        """Accept again."""
        self._paused = False
        self._tell_all(Resume())

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this server's, to be removed at its end."""
        for each in self._by_number.values():
            if each.ref is not None and each.endpoint.family == "unix":
                cast(each.ref, OwnsFile(owns))

    def refs(self) -> list[GeventRef[ListenerActor]]:
        """The actors that live."""
        return [each.ref for each in self._by_number.values() if each.ref is not None]

    def hear_end(self, ref: GeventRef[Any], reason: Any) -> None:
        """One of the listeners may have ended: restart it where it was, so many times at the most.

        Raises:
            ActorExit: it died too often.
        """
        for number, listening in self._by_number.items():
            if listening.ref is ref:
                listening.ref = None
                self._restart(number, listening, reason)
                return

    def _restart(self, number: int, dead: Listening, reason: Any) -> None:
        endpoint = dead.endpoint
        if endpoint.family != "unix":
            # Port 0 was the system's choice at first: clients know the port by now.
            endpoint = replace(endpoint, port=dead.address[1])
        while self._intensity.allows_another():
            try:
                self._by_number[number] = self._start(endpoint, number)
            except StartError as error:
                reason = error
                gevent.sleep(RESTART_PAUSE)
            else:
                return
        raise ActorExit(reason)

    def _start(self, endpoint: Endpoint, number: int) -> Listening:
        listener = self._make(endpoint, number)
        listener.capacity, listener.paused = self._capacity, self._paused
        try:
            ref = launch(listener, owner=self._server)
            if not self._server.is_alive():
                raise ActorExit("killed")
        except BaseException:
            # The server was killed while it waited here: nobody else knows of the listener.
            listener.actor_ref.kill()
            raise
        links.monitor(ref, self._server)
        return Listening(endpoint, ref, listener.address, listener.socket)

    def _tell_all(self, message: Any) -> None:
        for ref in self.refs():
            cast(ref, message)
