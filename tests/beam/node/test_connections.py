"""Connections that come and go: peers that die, stop or are not welcome, and what else a network brings."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

import actors
import beam as cluster
from actors import ActorDeadError, GeventRef, StartError
from actors.runtime.hub import Hub
from beam import Atom, NodeDown, NodeUp
from beam.node import connecting
from beam.wire import channel
from beam.wire.handshake import Identity, connect
from beam.wire.stream import Stream
from tests.beam.beams import COOKIE, Beam, Beams, Epmd, free_port, write_cookie
from tests.beam.node.conftest import Keeper, Start
from tests.beam.node.helpers import nothing_left, until

AT = "'py@127.0.0.1'"
QUICK = ("-kernel", "net_ticktime", "4")


@pytest.fixture
def refusals() -> Iterator[list[Any]]:
    heard: list[Any] = []
    end = actors.events.subscribe(cluster.ConnectionRefused, heard.append)
    yield heard
    end()


def kept(ref: GeventRef[Keeper]) -> list[Any]:
    value = ref.ask("kept")
    assert isinstance(value, list)
    return value


# -- a peer that dies -----------------------------------------------------------------------------------


def test_a_peer_that_is_killed(beams: Beams, start_node: Start, keeper: GeventRef[Keeper]) -> None:
    """Monitors, links and calls hear `noconnection`. Trap D8: its next life knows nobody of this one."""
    beam = beams.start("mortal")
    node = start_node(seeds=[beam.name])
    until(lambda: node.nodes() == [beam.name])
    assert node.is_visible(beam.name)
    keeper.ask(("run", lambda actor: (cluster.monitor_nodes(), setattr(actor, "trap_exits", True))))
    pid = cluster.rpc(beam.name, "erlang", "whereis", [Atom("user")])
    monitor = actors.monitor(pid, keeper)
    actors.link(keeper, pid)
    call = pid.ask(1, block=False)
    waiting = actors.spawn(actors.wait_down, pid)
    rpc = actors.spawn(cluster.rpc, beam.name, "timer", "sleep", [60_000])
    until(lambda: waiting.done() or len(node._home.peers[beam.name].monitors) == 2)
    until(lambda: len(node._home.peers[beam.name].waiting) >= 3)
    beam.kill()
    assert waiting.get(timeout=5) == "noconnection"
    with pytest.raises(ActorDeadError) as caught:
        call.get(timeout=5)
    assert caught.value.reason == "noconnection"
    with pytest.raises(cluster.RpcError, match="noconnection"):
        rpc.get(timeout=5)
    until(lambda: len(kept(keeper)) == 3)
    messages = {type(message): message for message in kept(keeper)}
    assert messages[actors.Down] == actors.Down(monitor, pid, "noconnection")
    assert messages[actors.Exit] == actors.Exit(pid, "noconnection")
    assert messages[NodeDown].node == beam.name
    nothing_left(node)
    assert pid.is_alive()  # as far as can be known
    with pytest.raises(ActorDeadError) as caught:
        pid.ask(1)
    assert caught.value.reason == "noconnection"
    with pytest.raises(cluster.RpcError, match="noconnection"):
        cluster.rpc(beam.name, "erlang", "node", [])
    assert not node.connect(beam.name)
    again = beams.start("mortal")
    until(lambda: node.connect(again.name))
    until(lambda: NodeUp(again.name) in kept(keeper))
    with pytest.raises(ActorDeadError) as caught:
        pid.ask(1)
    assert caught.value.reason == "noproc"
    nothing_left(node)


def test_our_end_is_heard_there(beam: Beam, start_node: Start, keeper: GeventRef[Keeper]) -> None:
    node = start_node(seeds=[beam.name])
    cluster.expose("test", "ref", lambda: keeper)
    until(node.nodes)
    beam(f"fun() -> P = rpc:call({AT}, test, ref, []), put(r, monitor(process, P)), put(p, P) end()")
    assert beam(f"monitor_node({AT}, true)") == "true"
    node.stop()
    assert (
        beam("fun() -> R = get(r), receive {'DOWN', R, _, _, W} -> W after 5000 -> no end end()")
        == "noconnection"
    )
    assert beam(f"receive {{nodedown, {AT}}} -> down after 5000 -> no end") == "down"
    assert beam("nodes(hidden)") == "[]"
    with pytest.raises(RuntimeError, match=r"call beam\.start first"):
        cluster.rpc(beam.name, "erlang", "node", [])
    time.sleep(1.01)  # epmd counts lives by the second
    start_node(seeds=[beam.name])
    assert beam(f"net_adm:ping({AT})") == "pong"
    assert beam("catch element(1, element(2, catch gen_server:call(get(p), x)))") == "noproc"


def test_a_peer_that_stops_costs_bounded_memory(beams: Beams, start_node: Start) -> None:
    """SIGSTOP. Trap D6: who sends too much waits; after net_ticktime there is no connection."""
    beam = beams.start("stopped", *QUICK)
    node = start_node(seeds=[beam.name], net_ticktime=4)
    until(node.nodes)
    pid = cluster.rpc(beam.name, "erlang", "whereis", [Atom("user")])
    peer = node._home.peers[beam.name]
    beam.pause()
    try:
        sent = 0
        begun = time.monotonic()
        while peer.channel is not None and time.monotonic() - begun < 15:
            pid.tell((sent, b"x" * 100_000))
            sent += 1
            if peer.channel is not None:
                assert peer.channel.queued <= channel.DEFAULT_BUSY + 200_000
        assert peer.channel is None
        assert sent < 600  # the kernel may buffer 36 MiB of them for the connection
        assert 2 < time.monotonic() - begun < 12
    finally:
        beam.resume()
    nothing_left(node)


def test_what_cannot_wait_gives_the_connection_up(beams: Beams, start_node: Start) -> None:
    """Callbacks of the hub can't wait: the queue has an end."""
    beam = beams.start("deaf")
    node = start_node(seeds=[beam.name])
    until(node.nodes)
    pid = cluster.rpc(beam.name, "erlang", "whereis", [Atom("user")])
    peer = node._home.peers[beam.name]
    beam.pause()
    try:
        for _ in range(80):
            Hub.current().run_soon(pid.cast, b"x" * 1_000_000)
        until(lambda: peer.channel is None)
    finally:
        beam.resume()
    assert node.connect(beam.name)


# -- a hub that is blocked ---------------------------------------------------------------------------------


def test_a_hub_that_is_blocked_for_a_while_loses_nothing(beams: Beams, start_node: Start) -> None:
    beam = beams.start(None, *QUICK)
    node = start_node(seeds=[beam.name], net_ticktime=1)
    until(node.nodes)
    Hub.current().run_soon(time.sleep, 2.0)
    assert node.connect(beam.name, timeout=10)
    assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name
    assert node.nodes() == [beam.name]


def test_a_hub_that_is_blocked_for_too_long_loses_the_connection(beams: Beams, start_node: Start) -> None:
    """Trap D7."""
    beam = beams.start(None, *QUICK)
    node = start_node(seeds=[beam.name], net_ticktime=4)
    until(node.nodes)
    beam(f"monitor_node({AT}, true)")
    Hub.current().run_soon(time.sleep, 7.0)
    assert beam(f"receive {{nodedown, {AT}}} -> down after 9000 -> no end") == "down"
    assert beam(f"net_adm:ping({AT})") == "pong"
    assert node.connect(beam.name)


# -- who may ------------------------------------------------------------------------------------------------


def test_another_cookie_is_no_node_in_either_direction(
    beams: Beams, start_node: Start, refusals: list[Any]
) -> None:
    stranger = beams.start(None, cookie="another")
    node = start_node()
    assert stranger(f"net_adm:ping({AT})") == "pang"
    until(lambda: refusals)
    assert "another cookie" in refusals[0].reason
    assert not node.connect(stranger.name)
    assert node.nodes() == []
    assert stranger("nodes(hidden)") == "[]"


def test_only_the_nodes_of_the_list(beams: Beams, start_node: Start, refusals: list[Any]) -> None:
    """Trap D6: an allow-list of node names."""
    friend, other = beams.start(), beams.start()
    node = start_node(only=[friend.name])
    assert other(f"net_adm:ping({AT})") == "pang"
    until(lambda: refusals)
    assert "not_allowed" in refusals[0].reason
    assert not node.connect(other.name)
    assert friend(f"net_adm:ping({AT})") == "pong"
    assert node.nodes() == [friend.name]


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.0\r\n\r\n", b"\0\0", b"\xff\xff", b"\0\x01s", b"\x16\x03\x01\x02\0", b""]
)
def test_a_stranger_learns_nothing(start_node: Start, octets: bytes, refusals: list[Any]) -> None:
    node = start_node()
    # Sending may fail: it may have been sent away already.
    with socket.create_connection(("127.0.0.1", node.port), 5) as sock, contextlib.suppress(OSError):
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    until(lambda: refusals)


def test_a_silent_stranger_is_sent_away(start_node: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "SETUP_TIME", 0.2)
    monkeypatch.setattr(connecting, "MOST_HANDSHAKES", 5)
    node = start_node()
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), 5)) for _ in range(20)
        ]
        for sock in socks:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(100) == b""
    until(lambda: not node._connections._handshakes)


def introduced(node: cluster.Node) -> socket.socket:
    """A connection of somebody who knows the cookie, handshake done, and who may send anything."""

    def introduce() -> Any:
        from gevent import socket as cooperative

        stream = Stream(cooperative.create_connection(("127.0.0.1", node.port)))
        connect(stream, Identity("odd@127.0.0.1", 5, COOKIE.encode()), node.name)
        return stream.sock.detach()

    return socket.socket(fileno=Hub.current().spawn(introduce).get(timeout=5))


PACKETS = [
    b"q",
    b"p",
    b"p\x83",
    b"p\x83j",
    b"p\x83a\x01",
    b"p\x83h\x00",
    b"p\x83h\x01a\x63",
    b"p\x83h\x01a\x01",
    b"p\x83h\x03a\x01a\x02a\x03",
    b"p\x83h\x03a\x16a\x01a\x02",
    b"p\x83h\x03a\x21a\x01jj",
    b"p\x83h\x03a\x16jj\x83P",
    b"p\x83h\x01jj",
    b"p\x83h\x06a\x1djjjjj",
    b"p\x83h\x04a\x15jjj",
]


@pytest.mark.parametrize("packet", PACKETS)
def test_a_packet_that_is_none_ends_its_connection_alone(
    beam: Beam, start_node: Start, packet: bytes
) -> None:
    node = start_node(seeds=[beam.name])
    until(node.nodes)
    lost: list[Any] = []
    end = actors.events.subscribe(cluster.NodeLost, lost.append)
    try:
        with introduced(node) as sock:
            sock.settimeout(5)
            sock.sendall(len(packet).to_bytes(4) + packet)
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(1000):
                    pass
        until(lambda: [event.node for event in lost] == ["odd@127.0.0.1"])
    finally:
        end()
    assert node.nodes() == [beam.name]


def test_packets_are_bounded(start_node: Start) -> None:
    """Trap D6: 128 MiB; and what is announced costs nothing before it comes."""
    node = start_node()
    tracemalloc.start()
    try:
        with introduced(node) as sock:
            sock.settimeout(5)
            sock.sendall((channel.LARGEST_PACKET + 1).to_bytes(4) + b"p")
            assert sock.recv(1000) == b""
        with introduced(node) as sock:
            sock.sendall(channel.LARGEST_PACKET.to_bytes(4) + b"p")
            until(node.nodes)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    until(lambda: not node.nodes())


# -- both at once, and again --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aaa@127.0.0.1", "zzz@127.0.0.1"])
def test_sixty_connections_from_both_sides_at_once(beams: Beams, start_node: Start, name: str) -> None:
    others = [beams.start("mmm")]
    node = start_node(name)
    for beam in others * 60:
        asked = beam.begin(f"net_adm:ping('{name}')")
        connected = actors.spawn(node.connect, beam.name)
        assert beam.result(asked) == "pong"
        assert connected.get(timeout=10)
        assert beam("nodes(hidden)") == f"['{name}']"
        assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name
        node.disconnect(beam.name)
        until(lambda: not node.nodes())
        beam.wait_until("nodes(hidden)", "[]")
        beam("net_kernel:get_net_ticktime()")  # which has noticed by now as well
    assert not node._home.peers[others[0].name].attempt


def test_disconnected_by_the_beam(beam: Beam, start_node: Start) -> None:
    node = start_node(seeds=[beam.name])
    until(node.nodes)
    assert beam(f"erlang:disconnect_node({AT})") == "true"
    until(lambda: not node.nodes())
    assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name


# -- epmd ----------------------------------------------------------------------------------------------------


def test_epmd_may_be_killed(beam: Beam, tmp_path: Path, cookie_file: Path) -> None:
    own = Epmd()
    node = None
    with contextlib.closing(Beams(own, tmp_path)) as beams:
        try:
            beam = beams.start()
            node = cluster.start(
                "py@127.0.0.1", cookie_file=cookie_file, epmd_port=own.port, seeds=[beam.name]
            )
            until(node.nodes)
            own.stop()
            assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name
            own.start()
            until(lambda: own.names().get("py") == node.port)
            node.disconnect(beam.name)
            beam.wait_until(f"net_adm:ping({AT})", "pong")
        finally:
            if node is not None:
                node.stop()
            own.stop()


# -- starting --------------------------------------------------------------------------------------------


def test_what_keeps_a_node_from_starting(start_node: Start, epmd: Epmd, beam: Beam) -> None:
    with pytest.raises(StartError, match=r"epmd -daemon"):
        start_node(epmd_port=free_port())
    with pytest.raises(StartError, match="is registered by another node"):
        start_node(beam.name)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError, match="cannot listen on"):
        start_node(port=taken.getsockname()[1])
    node = start_node()
    assert cluster.running() is node
    with pytest.raises(StartError, match="is a node already"):
        start_node("other@127.0.0.1")
    node.stop()
    node.stop()
    assert cluster.running() is None
    until(lambda: "py" not in epmd.names())


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o777])
def test_a_cookie_that_others_may_read_is_refused(start_node: Start, tmp_path: Path, mode: int) -> None:
    path = tmp_path / "cookie"
    path.write_text("cookie")
    path.chmod(mode)
    with pytest.raises(
        ValueError, match=f"accessible by its owner only, and its mode is {mode:03o}: chmod 400"
    ):
        start_node(cookie_file=path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "py"}, "name: 'py' is no full name"),
        ({"name": "py@host"}, "no full name"),
        ({"name": "a@b@c.d"}, "no full name"),
        ({"name": 5}, "name: a node's name is a text"),
        ({"seeds": "app@10.0.0.7"}, "seeds is a list"),
        ({"seeds": ["app"]}, "seeds: 'app'"),
        ({"only": ["app"]}, "only: 'app'"),
        ({"seeds": ["a@h.x", "b@h.x"], "only": ["a@h.x"]}, "seeds: b@h.x may not connect"),
        ({"port": 70000}, "port"),
        ({"net_ticktime": 0}, "net_ticktime"),
        ({"net_ticktime": float("nan")}, "net_ticktime"),
        ({"cookie_file": "/nowhere"}, "cookie_file: /nowhere cannot be read"),
        ({"cookie_file": "EMPTY"}, "holds no cookie"),
        ({"cookie_file": "WORDS"}, "holds no cookie"),
        ({"tls": {"cert": "x"}}, "tls: 'cert' is none of"),
        ({"tls": {"certfile": "x"}}, "tls: cacertfile is missing"),
        ({"tls": {"certfile": "x", "cacertfile": "y"}}, "tls: certfile 'x' cannot be used"),
    ],
)
def test_wrong_options_are_named(
    start_node: Start, tmp_path: Path, options: dict[str, Any], text: str
) -> None:
    for name, content in (("EMPTY", " \n"), ("WORDS", "two words")):
        path = tmp_path / name
        path.write_text(content)
        path.chmod(0o400)
        if options.get("cookie_file") == name:
            options = {"cookie_file": path}
    given = {"name": "py@127.0.0.1", **options}
    with pytest.raises(ValueError, match=text.replace("(", r"\(")) as caught:
        start_node(**given)
    assert getattr(caught.value, "option", None) in options
    given.setdefault("cookie_file", write_cookie(tmp_path))
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        cluster.check(**given)


def test_a_forked_child_is_no_node(beam: Beam, start_node: Start) -> None:
    node = start_node(seeds=[beam.name])
    until(node.nodes)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if cluster.running() is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name


def test_two_python_nodes_without_a_beam(beams: Beams, start_node: Start, cookie_file: Path) -> None:
    start_node()
    other = beams.start_python()
    other(
        "import actors, beam\n"
        f"node = beam.start('other@127.0.0.1', cookie_file={str(cookie_file)!r}, seeds=['py@127.0.0.1'])\n"
        "class Echo(actors.GeventActor):\n"
        "    def on_receive(self, message):\n"
        "        if message == 'stop': raise actors.ActorExit('shutdown')\n"
        "        if message == b'fail': raise ValueError('no')\n"
        "        return message\n"
        "echo = Echo.start(); actors.register('echo', echo)\n"
        "beam.expose('test', 'echo', lambda: echo)"
    )
    ref = cluster.rpc("other@127.0.0.1", "test", "echo", [])
    assert ref.ask((1, "x", ref)) == (1, b"x", ref)
    assert actors.call(("echo", "other@127.0.0.1"), 5) == 5
    with pytest.raises(ActorDeadError) as caught:
        ref.ask("fail")
    assert caught.value.reason == ("python", b"ValueError", b"no")
    waiting = actors.spawn(actors.wait_down, ref)
    assert ref.ask(1) == 1
    ref.tell(Atom("stop"))
    assert waiting.get(timeout=5) == "shutdown"
    with pytest.raises(cluster.RpcError, match="undef"):
        cluster.rpc("other@127.0.0.1", "os", "getcwd", [])
    other("node.stop()")
    with pytest.raises((ActorDeadError, pykka.Timeout)):
        actors.call(("echo", "other@127.0.0.1"), 5)
