"""epmd and the handshake, with a real BEAM and with peers that are none."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gevent
import pytest
from gevent import socket
from hypothesis import given, settings
from hypothesis import strategies as st

from beam.wire import epmd as port_mapper
from beam.wire.flags import MANDATORY, OURS, Flag
from beam.wire.handshake import HandshakeError, Identity, Peer, accept, connect, digest
from beam.wire.stream import Stream
from tests.beam.beams import COOKIE, Beam, Epmd, free_port

ME = Identity("me@127.0.0.1", 7, b"secret")
OTHER = Identity("other@127.0.0.1", 8, b"secret")
PATIENCE = 20.0


@pytest.fixture
def pair() -> Iterator[tuple[Stream, Stream]]:
    one, other = socket.socketpair()
    with closing(one), closing(other):
        yield Stream(one), Stream(other)


def both(
    pair: tuple[Stream, Stream],
    *,
    me: Identity = ME,
    other: Identity = OTHER,
    decide: Callable[[str], str] = lambda name: "ok",
    meant: str = OTHER.name,
) -> tuple[Any, Any]:
    """A handshake of both sides; of each the peer, or the error."""

    def outcome(stream: Stream, function: Callable[..., Peer], *args: Any) -> Any:
        try:
            return function(stream, *args)
        except (HandshakeError, OSError) as error:
            stream.close()
            return error

    tasks = [
        gevent.spawn(outcome, pair[0], connect, me, meant),
        gevent.spawn(outcome, pair[1], accept, other, decide),
    ]
    # joinall's own timeout counts from when this thread's loop last ran, which may be long ago.
    with gevent.Timeout(PATIENCE):
        gevent.joinall(tasks, raise_error=True)
    return tasks[0].value, tasks[1].value


def test_two_sides_introduce_themselves(pair: tuple[Stream, Stream]) -> None:
    assert both(pair) == (Peer(OTHER.name, 8, OURS), Peer(ME.name, 7, OURS))


def test_the_node_is_hidden_and_asks_for_no_headers() -> None:
    """Trap G4, and without the atom cache come no fragments."""
    assert not OURS & (Flag.PUBLISHED | Flag.DIST_HDR_ATOM_CACHE | Flag.FRAGMENTS)
    assert OURS & MANDATORY == MANDATORY


@pytest.mark.parametrize("status", ["nok", "not_allowed"])
def test_a_refused_side_hears_why(pair: tuple[Stream, Stream], status: str) -> None:
    mine, others = both(pair, decide=lambda name: status)
    assert isinstance(mine, HandshakeError)
    assert isinstance(others, HandshakeError)
    assert mine.status == others.status == status


@pytest.mark.parametrize("status", ["ok_simultaneous", "alive"])
def test_a_connection_may_take_the_place_of_another(pair: tuple[Stream, Stream], status: str) -> None:
    mine, others = both(pair, decide=lambda name: status)
    assert (mine.name, others.name) == (OTHER.name, ME.name)


def test_the_accepting_side_proves_nothing_to_who_does_not_know_the_cookie(
    pair: tuple[Stream, Stream],
) -> None:
    sent: list[bytes] = []
    send = pair[1].send
    pair[1].send = lambda octets: (sent.append(octets), send(octets))[1]  # type: ignore[method-assign]
    mine, others = both(pair, me=ME._replace(cookie=b"guess"))
    assert "another cookie" in str(others)
    assert "does not take the cookie" in str(mine)
    assert [octets[2:3] for octets in sent] == [b"s", b"N"]  # no `a`, which holds its digest


def test_who_connects_finds_that_the_other_does_not_know_the_cookie(pair: tuple[Stream, Stream]) -> None:
    challenge = b"N" + int(OURS).to_bytes(8) + bytes(8) + len(OTHER.name).to_bytes(2) + OTHER.name.encode()
    for packet in (b"sok", challenge, b"a" + digest(b"guess", 1)):
        pair[1].send(len(packet).to_bytes(2) + packet)
    with pytest.raises(HandshakeError, match="another cookie"):
        connect(pair[0], ME, OTHER.name)


def test_another_node_than_the_one_that_is_meant(pair: tuple[Stream, Stream]) -> None:
    mine, _ = both(pair, meant="third@127.0.0.1")
    assert "other@127.0.0.1 is where third@127.0.0.1 should be" in str(mine)


def test_a_node_of_the_same_name_is_refused(pair: tuple[Stream, Stream]) -> None:
    _, others = both(pair, me=ME._replace(name=OTHER.name))
    assert "the same name" in str(others)


HELLO = b"N" + int(OURS).to_bytes(8) + (7).to_bytes(4) + len(ME.name).to_bytes(2) + ME.name.encode()


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"n" + HELLO[1:],
        b"N",
        HELLO.replace(b"@", b"."),
        HELLO.replace(b"me@", b"\xff@\xff"),
        HELLO.replace(b"me", b"\n\n"),
        HELLO[:13] + b"\xff\xff" + HELLO[15:],
        HELLO[:13] + b"\0\0",
        b"N" + bytes(8) + HELLO[9:],
        HELLO + bytes(3000),
    ],
)
def test_what_is_no_hello_is_one_kind_of_error(pair: tuple[Stream, Stream], packet: bytes) -> None:
    pair[0].send(len(packet).to_bytes(2) + packet)
    with pytest.raises(HandshakeError):
        accept(pair[1], OTHER, lambda name: "ok")


def test_what_stands_behind_the_name_is_for_other_versions(pair: tuple[Stream, Stream]) -> None:
    packet = HELLO + b"more"
    pair[0].send(len(packet).to_bytes(2) + packet + b"\0\x15r" + bytes(20))
    with pytest.raises(HandshakeError, match="another cookie"):
        accept(pair[1], OTHER, lambda name: "ok")


ANSWERS = [
    b"sok",
    b"N" + int(OURS).to_bytes(8) + bytes(8) + len(OTHER.name).to_bytes(2) + OTHER.name.encode(),
    b"r" + bytes(20),
    b"a" + bytes(16),
    HELLO,
]


@given(
    st.lists(st.sampled_from(ANSWERS), max_size=3),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_mutants_of_a_handshake_raise_one_kind_of_error(
    packets: list[bytes], changes: list[tuple[int, bytes]], connecting: bool
) -> None:
    octets = bytearray(b"".join(len(packet).to_bytes(2) + packet for packet in packets))
    for at, others in changes:
        octets[at % (len(octets) or 1) :][: len(others)] = others
        octets[at % (len(octets) or 1) : at % (len(octets) or 1) + 1] = others
    one, other = socket.socketpair()
    with closing(one), closing(other):
        other.sendall(octets)
        other.shutdown(socket.SHUT_WR)
        with pytest.raises((HandshakeError, OSError)):
            if connecting:
                connect(Stream(one), ME, OTHER.name)
            else:
                accept(Stream(one), ME, lambda name: "ok")


def test_a_long_packet_is_not_waited_for(pair: tuple[Stream, Stream]) -> None:
    pair[0].send(b"\xff\xff")
    tracemalloc.start()
    try:
        with pytest.raises(HandshakeError, match="65535 octets"):
            accept(pair[1], OTHER, lambda name: "ok")
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


# -- a real BEAM, a real epmd -----------------------------------------------------------------------------


def test_a_beam_is_found_and_takes_the_handshake(epmd: Epmd, beam: Beam) -> None:
    entry = port_mapper.look_up("127.0.0.1", epmd.port, beam.name.partition("@")[0], 5)
    assert entry is not None
    assert entry.highest == port_mapper.VERSION
    me = ME._replace(cookie=COOKIE.encode(), creation=5)
    with closing(Stream(socket.create_connection(("127.0.0.1", entry.port)))) as stream:
        peer = connect(stream, me, beam.name)
        assert peer.name == beam.name
        assert Flag.PUBLISHED in peer.flags
        beam.wait_until("nodes(hidden)", "['me@127.0.0.1']")
    beam.wait_until("nodes(hidden)", "[]")


def test_a_beam_connects(epmd: Epmd, beam: Beam) -> None:
    listener = socket.socket()
    with closing(listener):
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        registered = port_mapper.register("127.0.0.1", epmd.port, "reg", listener.getsockname()[1], 5)
        with closing(registered.sock):
            assert registered.creation > 3
            asked = beam.begin("net_kernel:connect_node('reg@127.0.0.1')")
            with closing(Stream(listener.accept()[0])) as stream:
                me = Identity("reg@127.0.0.1", registered.creation, COOKIE.encode())
                assert accept(stream, me, lambda name: "ok").name == beam.name
                assert beam.result(asked) == "true"


def test_names_of_epmd(epmd: Epmd) -> None:
    with closing(port_mapper.register("127.0.0.1", epmd.port, "taken", 1234, 5).sock):
        assert epmd.names()["taken"] == 1234
        with pytest.raises(port_mapper.EpmdError, match="'taken' is registered by another node"):
            port_mapper.register("127.0.0.1", epmd.port, "taken", 1235, 5)
    assert port_mapper.look_up("127.0.0.1", epmd.port, "nobody", 5) is None


def test_where_no_epmd_is() -> None:
    with pytest.raises(OSError):
        port_mapper.look_up("127.0.0.1", free_port(), "x", 5)
    listener = socket.socket()
    with closing(listener):
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(port_mapper.EpmdError, match="does not answer within"):
            port_mapper.look_up("127.0.0.1", listener.getsockname()[1], "x", 0.05)


def test_the_port_of_epmd_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERL_EPMD_PORT", raising=False)
    assert port_mapper.port_of_epmd() == 4369
    monkeypatch.setenv("ERL_EPMD_PORT", "1234")
    assert port_mapper.port_of_epmd() == 1234
    monkeypatch.setenv("ERL_EPMD_PORT", "no")
    with pytest.raises(port_mapper.EpmdError, match="ERL_EPMD_PORT"):
        port_mapper.port_of_epmd()
