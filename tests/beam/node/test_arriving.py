"""Packets that come in: the short way of the usual ones, and mutants of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import actors
import beam as cluster
from actors import GeventRef
from actors.runtime import names
from actors.runtime.hub import Hub
from beam.node import arriving, quick
from beam.node.arriving import Malformed, take, take_all
from beam.node.home import Home
from beam.node.mailbox import CALL_HEAD, CAST_HEAD, TAG_HEAD
from beam.node.peer import Peer
from beam.wire import packets
from beam.wire.encoder import atom_octets, encode
from tests.beam.node.conftest import Keeper, Start

FAR = b"X" + atom_octets("far@127.0.0.1") + bytes(7) + b"\5" + bytes(3) + b"\7"
REFERENCE = b"Z\0\3" + atom_octets("far@127.0.0.1") + bytes(15) + b"\1"
TAG = TAG_HEAD + REFERENCE


SIGNALS = (1, 3, 8, 13, 18, 24, 25, 26, 27)
"""The control messages of links and exit signals."""


class Recorder:
    """Stands for a connection: keeps what is sent."""

    is_busy = False
    is_open = True

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, packet: bytes) -> None:
        self.sent.append(packet)

    def close(self) -> None:
        """Nothing is open."""


class Waiting:
    """Stands for a call that waits."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def settle(self, message: Any) -> None:
        self.heard.append(message)

    def end(self, reason: Any) -> None:
        self.heard.append(("end", reason))


@pytest.fixture
def home(start_node: Start) -> Home:
    return start_node()._home


@pytest.fixture
def keepers(home: Home) -> Iterator[list[GeventRef[Keeper]]]:
    """An actor named `keeper`, and one that is dead."""
    refs = [Keeper.start(), Keeper.start()]
    actors.register("keeper", refs[0])
    refs[1].stop()
    yield refs
    refs[0].stop()


def usual(home: Home, keepers: list[GeventRef[Keeper]]) -> list[bytes]:
    """Packets of all kinds that have a short way, and a few that look like them."""
    pids = [home.octets_of(ref) for ref in keepers]
    name, nobody = atom_octets("keeper"), atom_octets("nobody")
    call = CALL_HEAD + FAR + TAG + encode({1: [2, "x"]})[1:]
    old_call = CALL_HEAD + FAR + REFERENCE + encode("old")[1:]
    cast = encode((cluster.Atom("$gen_cast"), (1, "x")))
    bodies = [cast, call, old_call, encode("info"), encode((cluster.Atom("$gen_cast"),)), call + b"j"]
    made = [packets.send(FAR, pid, body) for pid in [*pids, home.own, FAR] for body in bodies]
    made += [packets.send_to_name(FAR, each, body) for each in (name, nobody) for body in bodies]
    made += [packets.send_to_name(FAR, atom_octets("undefined"), cast)]
    for watched in [*pids, name, nobody, atom_octets("net_kernel"), atom_octets("undefined"), home.own]:
        made.append(packets.monitor(FAR, watched, REFERENCE))
        made.append(packets.demonitor(FAR, watched, REFERENCE))
    made.append(packets.send_to_alias(FAR, REFERENCE, b"\x83h\x02" + TAG + b"a\x05"))
    made.append(packets.send_to_alias(FAR, REFERENCE, b"\x83h\x02" + REFERENCE + b"a\x06"))
    made.append(packets.send_to_alias(FAR, REFERENCE[:-1] + b"\2", b"\x83h\x02" + TAG + b"a\x07"))
    return [packet[4:] for packet in made]


def effects(home: Home, keeper: GeventRef[Keeper], *received: bytes, at_once: bool = False) -> Any:
    """All that packets do: messages, packets that go out, what is kept; or that one is refused."""
    peer = Peer("far@127.0.0.1", lambda peer: None, Hub.current().run_soon)
    recorder, waiting = Recorder(), Waiting()
    peer.channel = recorder  # type: ignore[assignment]
    peer.waiting[REFERENCE] = waiting

    def run() -> Any:
        try:
            if at_once:
                take_all(home, peer, recorder, received)  # type: ignore[arg-type]
            else:
                for packet in received:
                    take(home, peer, packet)
        except Malformed:
            return "malformed"
        return None

    outcome = Hub.current().spawn(run).get(timeout=10)
    kept = keeper.ask(("run", lambda actor: (list(actor.kept), actor.kept.clear())[0]), timeout=10)
    watches = {key: (each.watcher, each.watched) for key, each in peer.watches.items()}
    served = set(peer.serving)
    Hub.current().spawn(peer.fail, "over").get(timeout=10)
    return outcome, kept, recorder.sent, waiting.heard, watches, served


def test_the_short_way_of_a_packet_does_what_the_long_one_does(
    home: Home, keepers: list[GeventRef[Keeper]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = usual(home, keepers)
    made += [packet[:cut] for packet in made for cut in range(5, len(packet), 9)]
    short = [effects(home, keepers[0], packet) for packet in made]
    monkeypatch.setattr(quick, "_QUICK", {})
    for packet, effect in zip(made, short, strict=True):
        assert effects(home, keepers[0], packet) == effect, packet


def test_packets_that_come_at_once_do_what_they_do_one_by_one(
    home: Home, keepers: list[GeventRef[Keeper]]
) -> None:
    made = usual(home, keepers)
    cast = next(packet for packet in made if CAST_HEAD in packet)
    made += [packet[:cut] for packet in made for cut in range(5, len(packet), 23)]
    made += [cast[:-3] + b"\0" + cast[-2:], cast + b"j"]
    for packet in made:
        many = (cast, packet, packet, cast, cast)
        assert effects(home, keepers[0], *many, at_once=True) == effects(home, keepers[0], *many), packet


def test_casts_that_come_at_once_are_looked_at_once(
    home: Home, keepers: list[GeventRef[Keeper]], monkeypatch: pytest.MonkeyPatch
) -> None:
    casts = [
        packets.send_to_name(FAR, atom_octets("keeper"), CAST_HEAD + b"a" + bytes((n,)))[4:] for n in range(9)
    ]
    looked_up: list[str] = []
    whereis = names.whereis
    monkeypatch.setattr(names, "whereis", lambda name: (looked_up.append(name), whereis(name))[1])
    assert effects(home, keepers[0], *casts, at_once=True)[1] == list(range(9))
    assert looked_up == ["keeper", "keeper"]


def test_the_usual_packets_take_the_short_way(
    home: Home, keepers: list[GeventRef[Keeper]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = usual(home, keepers[:1])[:2]
    assert all(packet[5] == 22 for packet in made)
    monkeypatch.setattr(arriving, "_TABLE", {})
    for packet in made:
        assert effects(home, keepers[0], packet)[0] is None


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=3),
)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_mutants_of_packets_end_a_connection_and_nothing_else(
    home: Home, keepers: list[GeventRef[Keeper]], which: int, changes: list[tuple[int, int]]
) -> None:
    made = usual(home, keepers[:1])
    pid = home.octets_of(keepers[0])
    made += [
        each[4:]
        for each in (
            packets.link(FAR, pid),
            packets.unlink(5, FAR, pid),
            packets.exit_signal(FAR, home.own, encode(cluster.Atom("boom"))),
            packets.down(FAR, pid, REFERENCE, encode(1)),
            packets.spawn_request(REFERENCE, FAR, "erpc", "execute_call", 4, b"j", encode([1, "m", "f", []])),
            packets.spawn_reply(REFERENCE, FAR, 0, atom_octets("notsup")),
        )
    ]
    mutant = bytearray(made[which % len(made)])
    for at, octet in changes:
        mutant[at % len(mutant)] = octet
    if mutant[5] in SIGNALS:
        return  # an actor that is sent a signal, or is linked to what is lost, may end
    assert effects(home, keepers[0], bytes(mutant))[0] in (None, "malformed")
    assert keepers[0].is_alive()


def test_the_end_of_a_monitor_is_told_but_not_of_one_that_is_part_of_a_call(
    home: Home, keepers: list[GeventRef[Keeper]]
) -> None:
    told: list[Any] = []
    home.demonitor_hooks.append(lambda *what: told.append(what))
    pid = home.octets_of(keepers[0])
    watch, unwatch = packets.monitor(FAR, pid, REFERENCE), packets.demonitor(FAR, pid, REFERENCE)
    call = packets.send(FAR, pid, CALL_HEAD + FAR + TAG + b"a\x05")
    peer = Peer("far@127.0.0.1", lambda peer: None, Hub.current().run_soon)
    peer.channel = Recorder()  # type: ignore[assignment]

    def run() -> None:
        for packet in (watch, call, unwatch, watch, unwatch):
            take(home, peer, packet[4:])

    Hub.current().spawn(run).get(timeout=10)
    assert told == [(keepers[0], home.ref_of(FAR), "far@127.0.0.1")]
    home.demonitor_hooks.clear()
