"""Turns for a socket alone, of which a mailbox knows nothing: what comes while one waits is not lost."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator
from typing import Any

import actors
from actors.net.transport import FEW_OCTETS, READ
from actors.runtime.hub import Hub
from tests.actors.helpers import (
    SECONDS,
    Echo,
    Gate,
    address_of,
    greeted,
    on_hub,
    read_exactly,
    serving,
    session_of,
    turns_begun,
    turns_under_way,
)


@contextlib.contextmanager
def waiting() -> Generator[tuple[socket.socket, actors.GeventRef[Any], Gate, list[Any]]]:
    """A client whose session waits in a turn for its socket: both, what ends the wait, and what is heard."""
    gate, heard = Gate(), []

    class Waiting(Echo):
        def on_data(self, data: bytes) -> None:
            heard.append(data)
            if len(heard) == 1:
                actors.run_blocking(gate.wait)
            self.send(data)

        def on_receive(self, message: Any) -> Any:
            if isinstance(message, str):
                heard.append(message)
                return message
            return super().on_receive(message)

    with serving(session=Waiting) as server, greeted(address_of(server)) as client:
        client.sendall(b"1")
        gate.reached.get(timeout=SECONDS)
        try:
            yield client, session_of(server), gate, heard
        finally:
            with contextlib.suppress(Exception):
                gate.open()


def test_a_message_that_came_meanwhile_is_handled_behind_it() -> None:
    with waiting() as (client, session, gate, heard):
        answer = session.ask("message", block=False)
        on_hub(lambda: None)  # a round of the hub, in which it could have a turn
        assert heard == [b"1"]
        gate.open()
        assert answer.get(timeout=SECONDS) == "message"
        assert read_exactly(client, 1) == b"1"


def test_data_that_came_meanwhile_are_read_behind_it() -> None:
    with waiting() as (client, _, gate, heard):
        client.sendall(b"2")
        on_hub(lambda: None)
        gate.open()
        assert read_exactly(client, 2) == b"12"
        client.sendall(b"3")  # and the socket is watched on
        assert read_exactly(client, 1) == b"3"
        assert heard == [b"1", b"2", b"3"]


def test_an_exit_signal_that_came_meanwhile_ends_the_session_behind_it() -> None:
    with waiting() as (client, session, gate, _):
        actors.send_exit(session, "boom")
        on_hub(lambda: None)
        assert session.actor() is not None
        gate.open()
        assert actors.wait_down(session, SECONDS) in ("boom", "noproc")
        assert session.exit_reason == "boom"
        assert read_exactly(client, 1) == b"1"


def test_who_always_has_more_to_do_is_in_line_once() -> None:
    """However often it is scheduled besides: each place in the line would bring the next one about."""
    lengths = []

    class Busy(Echo):
        def on_data(self, data: bytes) -> None:
            self.on_continue()

        def on_continue(self) -> None:
            self.more = True
            hub = Hub.current()
            lengths.append(len(hub._line) + len(hub._later))
            if len(lengths) > 200:
                self.more = False
                self.send(b"done")
            elif len(lengths) % 10 == 0:
                self.actor_ref.tell("message")
                hub.run_soon(hub.join_line, self)  # as its watcher does, while it waits for its next turn

        def on_receive(self, message: Any) -> Any:
            return None if isinstance(message, str) else super().on_receive(message)

    with serving(session=Busy) as server, greeted(address_of(server)) as client:
        client.sendall(b"x")
        assert read_exactly(client, 4) == b"done"
        assert max(lengths) == 0


def test_sockets_are_looked_at_between_two_turns_of_who_always_has_more_to_do() -> None:
    turns: list[int] = []
    looked = actors.GeventFuture[int]()
    ours, theirs = socket.socketpair()

    class Busy(Echo):
        def on_data(self, data: bytes) -> None:
            self.on_continue()

        def on_continue(self) -> None:
            turns.append(len(turns))
            if len(turns) == 1:
                watcher = Hub.current().loop.io(ours.fileno(), READ)
                watcher.start(lambda: (watcher.close(), looked.set(len(turns))))
                theirs.sendall(b"x")
            self.more = len(turns) < 100

    with ours, theirs, serving(session=Busy) as server, greeted(address_of(server)) as client:
        client.sendall(b"x")
        assert looked.get(timeout=SECONDS) <= 2


def test_turns_under_way_are_those_that_wait() -> None:
    with waiting() as (client, _, gate, _):
        begun = on_hub(turns_begun)
        assert on_hub(turns_under_way) == 1
        gate.open()
        assert read_exactly(client, 1) == b"1"
        client.sendall(b"2")
        assert read_exactly(client, 1) == b"2"
        assert on_hub(turns_begun) > begun


def test_data_for_a_suspended_session_wait_until_it_goes_on_and_do_not_keep_the_hub_busy() -> None:
    with serving(session=Echo) as server, greeted(address_of(server)) as client:
        session = session_of(server)
        actors.sys.suspend(session)
        client.sendall(b"x")
        begun = on_hub(turns_begun)
        for _ in range(50):
            on_hub(
                lambda: None
            )  # rounds of the hub, in each of which a watcher would announce the data again
        assert on_hub(turns_begun) <= begun + 5
        actors.sys.resume(session)
        assert read_exactly(client, 1) == b"x"
        client.sendall(b"y")
        assert read_exactly(client, 1) == b"y"


def test_who_has_ended_before_its_turn_takes_none() -> None:
    lost = []

    class Losing(Echo):
        def on_lost(self, error: OSError) -> None:
            lost.append(error)

    def announce_and_kill(actor: Any) -> None:
        Hub.current().join_line(actor)
        actor.end_at_once()

    with serving(session=Losing) as server, greeted(address_of(server)):
        session = session_of(server)
        on_hub(announce_and_kill, session.actor())
        assert actors.wait_down(session, SECONDS) in ("killed", "noproc")
        on_hub(lambda: None)
        assert lost == []


def test_who_holds_reading_in_a_turn_that_waits_reads_what_was_announced_and_nothing_more() -> None:
    with waiting() as (client, session, gate, heard):
        actor: Any = session.actor()

        def announce_and_hold() -> None:
            Hub.current().join_line(actor)
            actor.hold_reading()

        client.sendall(b"2")
        on_hub(announce_and_hold)
        gate.open()
        assert read_exactly(client, 2) == b"12"
        client.sendall(b"3")
        assert session.ask("message", timeout=SECONDS) == "message"
        on_hub(lambda: None)
        assert heard == [b"1", b"2", "message"]
        on_hub(actor.read_on)
        assert read_exactly(client, 1) == b"3"


def test_who_expects_few_octets_and_gets_many_reads_them_all_and_then_more_at_a_time() -> None:
    sizes: list[int] = []

    class Modest(Echo):
        def on_connect(self) -> None:
            super().on_connect()
            self.appetite = FEW_OCTETS

        def on_data(self, data: bytes) -> None:
            sizes.append(len(data))
            self.send(data)

    sent = b"0123456789" * 500
    with serving(session=Modest) as server, greeted(address_of(server)) as client:
        client.sendall(sent)
        assert read_exactly(client, len(sent)) == sent
        assert sizes[0] == FEW_OCTETS
        assert len(sizes) < len(sent) // FEW_OCTETS
