"""This process as a node of an Erlang cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors import events
from actors.errors import StartError
from actors.messages import Down
from actors.runtime import names
from actors.runtime.bonds import Monitor
from actors.runtime.future import GeventFuture, new_native_lock
from actors.runtime.hub import Hub
from actors.runtime.links import watch
from actors.runtime.refs import GeventRef, current
from beam.events import NodeStarted, NodeStopped
from beam.node.connecting import Connections, is_visible
from beam.node.far import NamedRef
from beam.node.home import Home
from beam.node.options import NodeOptions, make_options
from beam.node.spawning import call_function, receive_all

CONNECT_TIME = 8.0


@dataclass(frozen=True, slots=True)
class NodeUp:
    """To actors that called `monitor_nodes`: another node is connected."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeDown:
    """To actors that called `monitor_nodes`: the connection to another node is lost."""

    node: str
    reason: str


class Node:
    """This process as a node; `beam.start` makes it. All methods work from any thread, greenlet or actor.

    Args:
        options: the checked options.

    Attributes:
        name: the full name.
        address, port: where the node listens.
        seeds: the nodes that it connects to at its start.
        creation: which life of the node it is.
        hidden: functions that get what comes to a name which no actor has: the message, and for a call the
            future for the reply, else None. They run in the hub and must not wait.
        served: what other nodes may call, by module, function and number of arguments, or None for any.
    """

    def __init__(self, options: NodeOptions) -> None:
        self.name = options.name
        self.address = options.address
        self.seeds = tuple(options.seeds)
        self._options = options
        self._connections = Connections(options)
        self._connections.changed = self._on_change
        self._ups: dict[object, Callable[[str], object]] = {}
        self._downs: dict[object, Callable[[str, str], object]] = {}
        self._stops: dict[object, Callable[[], object]] = {}
        self._watchers: dict[GeventRef[Any], _NodesWatcher] = {}
        self._is_stopped = False

    def begin(self) -> None:
        """Listen, register, and take connections. Raises: StartError."""
        Hub.current().spawn(self._begin).get()

    def _begin(self) -> None:
        options, connections = self._options, self._connections
        connections.open()
        self.port, self.creation = connections.port, connections.creation
        home = self._home = Home(self.name, self.creation, connections.connect, options.busy, options.full)
        self.hidden, self.served = home.hidden, home.served
        receive_all(home)
        connections.begin(home)
        names.elsewhere = self.named
        events.emit(NodeStarted(self.name, self.address, self.port))
        for seed in options.seeds:
            connections.connect(home.peer(seed))

    def stop(self) -> None:
        """Be no node any more. Links and monitors of processes elsewhere end with `noconnection`."""
        if not self._is_stopped:
            for tell in list(self._stops.values()):
                tell()
            _forget(self)
            Hub.current().spawn(self._stop).get()

    def _stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            names.elsewhere = None
            self._connections.close()
            events.emit(NodeStopped(self.name))

    def leave_behind(self) -> None:
        """In a forked child: the node is the parent's."""
        self._is_stopped = True
        self._connections.leave_behind()

    # -- other nodes ------------------------------------------------------------------------------------

    def nodes(self) -> list[str]:
        """The names of the nodes that are connected."""
        return [peer.name for peer in list(self._home.peers.values()) if peer.channel is not None]

    def failure(self, node: str) -> str | None:
        """Why a node could not be connected, or why its connection was lost; None if that is not known."""
        peer = self._home.peers.get(node)
        return None if peer is None or peer.channel is not None else peer.failure

    def is_visible(self, node: str) -> bool:
        """Tell whether a connected node is none of the hidden ones: a BEAM that takes part in `global`."""
        peer = self._home.peers.get(node)
        return peer is not None and peer.channel is not None and is_visible(peer.flags)

    def connect(self, node: str, timeout: float | None = CONNECT_TIME) -> bool:
        """Connect to a node, if it is not connected, and wait.

        Args:
            node: its name.
            timeout: seconds; None waits as long as it takes.

        Returns:
            whether it is connected.

        Raises:
            pykka.Timeout: that is not known in time.
        """
        outcome: GeventFuture[bool] = GeventFuture()
        peer = self._home.peer(node)
        self._home.run(peer.when_connected, outcome.set)
        return bool(outcome.get(timeout=timeout))

    def disconnect(self, node: str) -> None:
        """Close the connection to a node, if there is one: `erlang:disconnect_node`."""
        self._home.run(self._disconnect, node)

    def _disconnect(self, node: str) -> None:
        peer = self._home.peers.get(node)
        if peer is not None and peer.channel is not None:
            self._connections.give_up(peer, peer.channel, "disconnected")

    def named(self, name: str, node: str) -> NamedRef | GeventRef[Any] | None:
        """The reference that stands for a name on a node, `{Name, Node}`; of this node, the actor itself."""
        if node == self.name:
            ref = names.whereis(name)
            return ref if isinstance(ref, GeventRef) else None
        return self._home.named(str(name), str(node))

    def rpc(
        self, node: str, module: str, function: str, arguments: list[Any], timeout: float | None = 5.0
    ) -> Any:
        """Call a function of another node, as `erpc:call`, and wait for its value. See `beam.rpc`."""
        return call_function(self._home, node, module, function, arguments, timeout)

    def expose(self, module: str, name: str, function: Callable[..., Any]) -> None:
        """Let other nodes call a function. See `beam.expose`."""
        self.served[module, name, None] = function

    # -- what happens -------------------------------------------------------------------------------------

    def on_up(self, tell: Callable[[str], object]) -> Callable[[], None]:
        """Have a function called in the hub with the name of each node that is connected.

        Returns:
            a function that ends that.
        """
        return _add(self._ups, tell)

    def on_down(self, tell: Callable[[str, str], object]) -> Callable[[], None]:
        """Have a function called in the hub with the name of each node that is lost, and the reason."""
        return _add(self._downs, tell)

    def on_stop(self, tell: Callable[[], object]) -> Callable[[], None]:
        """Have a function called before the node stops, where `stop` is called; it may wait."""
        return _add(self._stops, tell)

    def on_link(self, refuses: Callable[[GeventRef[Any], GeventRef[Any], str], bool]) -> Callable[[], None]:
        """Have a function asked, in the hub, whether to refuse a link from another node.

        It gets the actor here, the process there, and the node. A link that is refused is undone at once.
        """
        hooks = self._home.link_hooks
        hooks.append(refuses)
        return lambda: hooks.remove(refuses)

    def on_demonitor(
        self, tell: Callable[[GeventRef[Any] | None, GeventRef[Any], str], object]
    ) -> Callable[[], None]:
        """Have a function called in the hub when a process elsewhere ends its monitor of an actor here.

        It gets the actor (None if a name was monitored, or it is gone), the process, and the node. The
        monitor that is part of a call is left out.
        """
        hooks = self._home.demonitor_hooks
        hooks.append(tell)
        return lambda: hooks.remove(tell)

    def monitor_nodes(self, flag: bool = True) -> None:
        """Have the calling actor told of nodes. See `beam.monitor_nodes`."""
        caller = current()
        if caller is None:
            raise ValueError("monitor_nodes is called outside any actor, where nobody can be told")
        if flag and caller not in self._watchers:
            self._watchers[caller] = watch(_NodesWatcher(caller, self._watchers))
        elif not flag:
            self._watchers.pop(caller, None)

    def _on_change(self, name: str, reason: str | None) -> None:
        if reason is None:
            for tell in list(self._ups.values()):
                tell(name)
        else:
            for tell_lost in list(self._downs.values()):
                tell_lost(name, reason)
        message = NodeUp(name) if reason is None else NodeDown(name, reason)
        for ref in list(self._watchers):
            ref.cast(message)


class _NodesWatcher(Monitor):
    """Forgets an actor that wants to be told of nodes when it ends."""

    __slots__ = ("_watchers",)

    def __init__(self, ref: GeventRef[Any], watchers: dict[GeventRef[Any], _NodesWatcher]) -> None:
        super().__init__(ref, None)
        self._watchers = watchers

    def tell(self, down: Down) -> None:
        assert self.ref is not None
        self._watchers.pop(self.ref, None)


def _add(table: dict[object, Any], tell: Any) -> Callable[[], None]:
    key = object()
    table[key] = tell
    return lambda: table.pop(key, None)


# -- the node of this process -----------------------------------------------------------------------------

at_start: list[Callable[[Node], object]] = []
"""Called with each node that has started: what stands on it."""

_running: Node | None = None
_starting = new_native_lock()


def start(
    name: str,
    *,
    cookie_file: str | os.PathLike[str] | None = None,
    seeds: Sequence[str] = (),
    address: str = "127.0.0.1",
    port: int = 0,
    tls: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    net_ticktime: float = 60,
    epmd_port: int | None = None,
) -> Node:
    """Make this process a node of an Erlang cluster.

    Args:
        name: the full name, such as `mx1@10.0.0.5`. Other nodes find it by the host in it.
        cookie_file: the file with the cluster's cookie; by default `~/.erlang.cookie`. Nobody but its owner
            may have any right to it.
        seeds: names of nodes to connect to.
        address: where the node listens: the loopback address unless told otherwise.
        port: the port; 0 takes a free one.
        tls: for TLS in both directions, a dict with `certfile`, `keyfile`, `cacertfile`, and perhaps
            `check_hostname` (False takes a certificate of the authority for any host).
        only: the names of the nodes that may be connected with; None: all that know the cookie.
        net_ticktime: seconds of silence after which a node is taken for dead; it must be the same in a
            cluster.
        epmd_port: the port of epmd; by default the variable `ERL_EPMD_PORT`, or 4369.

    Returns:
        the node; `stop` ends it.

    Raises:
        ValueError: an option is wrong; the text names it, and the attribute `option`.
        StartError: this process is a node already, the port is in use, there is no epmd, or the name is
            taken.
    """
    global _running
    options = make_options(
        name,
        cookie_file=cookie_file,
        seeds=seeds,
        address=address,
        port=port,
        epmd_port=epmd_port,
        tls=tls,
        only=only,
        net_ticktime=net_ticktime,
    )
    node = Node(options)
    with _starting:
        if _running is not None:
            raise StartError(f"this process is a node already, {_running.name}; stop that first")
        _running = node
    try:
        node.begin()
    except BaseException:
        _forget(node)
        raise
    for each in at_start:
        each(node)
    return node


def check(name: str, **options: Any) -> None:
    """Look at what `start` would be called with, the cookie file and the files of TLS as well. Start nothing.

    Args:
        name, options: as of `start`.

    Raises:
        ValueError: an option is wrong; the text names it, and the attribute `option`.
    """
    make_options(name, **options)


def running() -> Node | None:
    """The node that this process is; None if it is none."""
    return _running


def running_node() -> Node:
    """The node that this process is.

    Raises:
        RuntimeError: it is none.
    """
    if _running is None:
        raise RuntimeError("this process is no node of a cluster: call beam.start first")
    return _running


def _forget(node: Node) -> None:
    global _running
    if _running is node:
        _running = None


def _forget_after_fork() -> None:
    """In a forked child: the node is the parent's, and the child may start its own."""
    global _running, _starting
    node, _running = _running, None
    _starting = new_native_lock()
    if node is not None:
        with contextlib.suppress(Exception):
            node.leave_behind()


os.register_at_fork(after_in_child=_forget_after_fork)
