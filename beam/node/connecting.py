"""Connections of a node: its listening socket, its place at epmd, and who connects to whom."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from typing import Any

import gevent
from gevent import socket

from actors import events
from beam.events import (
    ConnectionFailed,
    ConnectionRefused,
    EpmdFound,
    EpmdLost,
    NodeConnected,
    NodeLost,
)
from beam.node.arriving import Malformed, take_all
from beam.node.home import Home
from beam.node.options import NodeOptions, NodeStartError
from beam.node.peer import Peer
from beam.wire import epmd
from beam.wire.channel import Channel
from beam.wire.flags import Flag
from beam.wire.handshake import HandshakeError, Identity, accept, connect
from beam.wire.handshake import Peer as Introduced
from beam.wire.stream import Stream, TlsPair

SETUP_TIME = 7.0
"""Seconds for a handshake, with TLS and all: OTP's net_setuptime."""

MOST_HANDSHAKES = 100
"""How many may be under way at a time; who comes then is turned away."""

EPMD_ADDRESS = "127.0.0.1"
UNREGISTER_TIME = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


class SetupTimeError(OSError):
    """A handshake took too long."""


class Connections:
    """All connections of a node. Everything here is for the hub's thread alone.

    Args:
        options: the node's.

    Attributes:
        port: where the node listens.
        creation: which life of the node it is.
        changed: told of each node that is connected or lost: its name, and the reason or None.
    """

    def __init__(self, options: NodeOptions) -> None:
        self._options = options
        self._home: Home | None = None
        self._listener: Any = None
        self._registration: Any = None
        self._tasks: set[Any] = set()
        self._handshakes = 0
        self._identity: Identity | None = None
        self.port = 0
        self.creation = 0
        self.changed: Any = None

    # -- beginning and end ----------------------------------------------------------------------------

    def open(self) -> None:
        """Listen and register.

        Raises:
            StartError: the port is in use, there is no epmd, or the name is taken.
        """
        options = self._options
        try:
            self._listener = _listen(options.address, options.port)
        except OSError as error:
            raise NodeStartError(
                _option_of(error),
                f"the node cannot listen on {options.address} port {options.port}: {error.strerror or error}",
            ) from error
        self.port = self._listener.getsockname()[1]
        try:
            self._registration = self._register()
        except OSError as error:
            self._listener.close()
            hint = "; `epmd -daemon` starts one" if isinstance(error, ConnectionRefusedError) else ""
            raise NodeStartError(
                "name",
                f"{options.name} cannot be registered at epmd, port {options.epmd_port}: "
                f"{error.strerror or error}{hint}",
            ) from error
        self.creation = self._registration.creation
        self._identity = Identity(options.name, self.creation, options.cookie)

    def begin(self, home: Home) -> None:
        """Take connections from now on, and stay registered."""
        self._home = home
        self._spawn(self._accept_all)
        self._spawn(self._stay_registered)

    def close(self) -> None:
        """Close everything. All that waits for other nodes hears that there is no connection."""
        gevent.killall(list(self._tasks))
        self._listener.close()
        if self._registration is not None:
            _unregister(self._registration.sock)
        if self._home is not None:
            for peer in list(self._home.peers.values()):
                if peer.channel is not None:
                    peer.channel.close()
                peer.attempt = True  # nobody connects any more
                peer.fail("the node stops")

    def leave_behind(self) -> None:
        """In a forked child: close what belongs to the parent, and say nothing."""
        for sock in (self._listener, self._registration and self._registration.sock):
            if sock is not None:
                with contextlib.suppress(OSError):
                    os.close(sock.detach())
        for peer in [] if self._home is None else list(self._home.peers.values()):
            if peer.channel is not None:
                peer.channel.leave_behind()

    def _spawn(self, function: Any, *args: Any) -> Any:
        task = gevent.spawn(function, *args)
        self._tasks.add(task)
        task.rawlink(self._tasks.discard)
        return task

    # -- epmd -------------------------------------------------------------------------------------------

    def _register(self) -> epmd.Registration:
        options = self._options
        return epmd.register(EPMD_ADDRESS, options.epmd_port, options.short, self.port, SETUP_TIME)

    def _stay_registered(self) -> None:
        """Register again whenever epmd was gone. The node keeps its creation: connections go on."""
        options = self._options
        while True:
            with contextlib.suppress(OSError):
                self._registration.sock.recv(1)
            self._registration.sock.close()
            events.emit(EpmdLost(options.name, options.epmd_port))
            pause = FIRST_PAUSE
            while True:
                gevent.sleep(pause)
                with contextlib.suppress(OSError):
                    self._registration = self._register()
                    break
                pause = min(2 * pause, LONGEST_PAUSE)
            events.emit(EpmdFound(options.name, options.epmd_port))

    # -- being connected to -----------------------------------------------------------------------------

    def _accept_all(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError as error:
                events.emit(ConnectionRefused("somebody", str(error)))
                gevent.sleep(FIRST_PAUSE)  # no descriptors are left, for one
                continue
            if self._handshakes >= MOST_HANDSHAKES:
                sock.close()
                continue
            self._handshakes += 1
            self._spawn(self._accept, sock, f"{address[0]} port {address[1]}")

    def _accept(self, sock: Any, where: str) -> None:
        """Introduce this node to who has connected, if that is one that may."""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with gevent.Timeout(SETUP_TIME, SetupTimeError("the handshake took too long")):
                context = self._options.server_tls
                stream = Stream(sock, None if context is None else TlsPair(context, True, None))
                stream.start_tls()
                assert self._identity is not None
                introduced = accept(stream, self._identity, self._decide)
        except BaseException as error:
            sock.close()
            if not isinstance(error, HandshakeError | OSError):
                raise
            if getattr(error, "status", "") not in ("nok", "alive"):
                events.emit(ConnectionRefused(where, str(error)))
        else:
            self._attach(introduced, stream)
        finally:
            self._handshakes -= 1

    def _decide(self, name: str) -> str:
        """The status for a node that connects: of two that connect to each other the lesser name wins."""
        assert self._home is not None
        if not self._options.allows(name):
            return "not_allowed"
        peer = self._home.peer(name)
        if peer.channel is not None:
            return "alive"
        if peer.attempt is None:
            return "ok"
        return "nok" if self._options.name > name else "ok_simultaneous"

    # -- connecting ---------------------------------------------------------------------------------------

    def connect(self, peer: Peer) -> None:
        """Begin to connect to a node."""
        if peer.attempt is None:
            peer.attempt = self._spawn(self._connect, peer)

    def _connect(self, peer: Peer) -> None:
        this = gevent.getcurrent()
        try:
            introduced, stream = self._introduce(peer.name)
        except HandshakeError as error:
            if error.status == "nok":
                gevent.sleep(SETUP_TIME)  # the other side connects to us, which ends this attempt
            self._failed(peer, this, str(error))
        except OSError as error:
            self._failed(peer, this, error.strerror or str(error))
        else:
            if peer.attempt is this:
                self._attach(introduced, stream)
            else:
                stream.close()

    def _failed(self, peer: Peer, attempt: Any, reason: str) -> None:
        if peer.attempt is attempt:
            peer.attempt = None
            events.emit(ConnectionFailed(peer.name, reason))
            peer.fail(reason)

    def _introduce(self, name: str) -> tuple[Introduced, Stream]:
        """Connect to a node. Raises: HandshakeError, OSError."""
        short, _, host = name.partition("@")
        if name == self._options.name or not self._options.allows(name):
            raise HandshakeError(f"{name} is not allowed")
        with gevent.Timeout(SETUP_TIME, SetupTimeError("the connection took too long")):
            entry = epmd.look_up(host, self._options.epmd_port, short, SETUP_TIME)
            if entry is None:
                raise HandshakeError(f"epmd at {host} knows no node {short}")
            if not entry.lowest <= epmd.VERSION <= entry.highest:
                raise HandshakeError(f"{name} speaks versions {entry.lowest} to {entry.highest} only")
            sock = socket.create_connection((host, entry.port))
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                context = self._options.client_tls
                stream = Stream(sock, None if context is None else TlsPair(context, False, host))
                stream.start_tls()
                assert self._identity is not None
                return connect(stream, self._identity, name), stream
            except BaseException:
                sock.close()
                raise

    # -- connections that are up -----------------------------------------------------------------------

    def _attach(self, introduced: Introduced, stream: Stream) -> None:
        """A handshake is done: from now on packets go both ways."""
        assert self._home is not None
        home, peer = self._home, self._home.peer(introduced.name)
        attempt, peer.attempt = peer.attempt, None
        if attempt is not None and attempt is not gevent.getcurrent():
            attempt.kill(block=False)
        if peer.channel is not None:
            peer.channel.close()
            self._lost(peer, "the node has connected anew")

        def on_packets(received: Sequence[bytes]) -> None:
            try:
                take_all(home, peer, channel, received)
            except Malformed as error:
                self.give_up(peer, channel, str(error))

        channel = Channel(
            stream,
            on_packets,
            lambda reason: self._lost(peer, reason),
            peer.make_room,
            net_ticktime=self._options.net_ticktime,
            busy=self._options.busy,
            full=self._options.full,
        )
        peer.attach(channel, introduced.flags)
        channel.start()
        events.emit(NodeConnected(peer.name))
        self.changed(peer.name, None)

    def give_up(self, peer: Peer, channel: Channel, reason: str) -> None:
        """Close a connection of one's own accord."""
        channel.close()
        if peer.channel is channel:
            self._lost(peer, reason)

    def _lost(self, peer: Peer, reason: str) -> None:
        events.emit(NodeLost(peer.name, reason))
        peer.fail(reason)
        self.changed(peer.name, reason)


def is_visible(flags: Flag) -> bool:
    """Whether a node is one of those that `nodes()` lists: a BEAM that is not hidden."""
    return Flag.PUBLISHED in flags


def _unregister(sock: Any) -> None:
    """Leave epmd, and wait until it has noticed: the name is free for the next node at once."""
    with contextlib.suppress(OSError), gevent.Timeout(UNREGISTER_TIME, False):
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
    sock.close()


def _option_of(error: OSError) -> str:
    """The option that is at fault where a node cannot listen."""
    is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
    return "port" if is_port else "address"


def _listen(address: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock
