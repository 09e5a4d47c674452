"""`stop` with its times: who hears 421, who may finish, who is cut off, and when."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from actors import Accepted, Connection
from actors import sys as actor_sys
from actors.runtime.hub import Hub
from gen_smtp import gen_smtp_server
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, RCPT, behaviour, serving

GOODBYE = "421 mx.test Service shutting down"
LONG = 600.0
"""Seconds that no test waits for."""


def stop(server: Any, **times: Any) -> Any:
    """Begin to stop a server; the future of its end."""
    return gen_smtp_server.stop(server.ref, block=False, **times)


class TestGrace:
    def test_is_what_a_message_in_hand_gets(self) -> None:
        with serving(behaviour()) as server, server.greeted() as idle, server.greeted(*DATA) as busy:
            stopped = stop(server, grace=LONG)
            assert idle.rest() == f"{GOODBYE}\r\n"
            busy.send(MESSAGE)
            assert busy.reply() == "250 taken"
            assert busy.say("NOOP") == GOODBYE
            assert busy.rest() == ""
            assert stopped.get(timeout=PATIENCE) is True

    def test_cuts_off_what_is_left_at_its_end(self) -> None:
        with serving(behaviour()) as server, server.greeted(*DATA) as busy:
            busy.send("half a message")
            assert stop(server, grace=0.05).get(timeout=PATIENCE) is True
            assert "250" not in busy.rest()

    def test_of_nothing_cuts_off_at_once(self) -> None:
        taken: list[bytes] = []
        module = behaviour(handle_DATA=lambda self, sender, recipients, data: taken.append(data))
        with serving(module) as server, server.greeted(*DATA) as busy:
            busy.send("half a message")
            assert gen_smtp_server.stop(server.ref, grace=0, timeout=PATIENCE) is True
            assert "250" not in busy.rest()
        assert taken == []

    def test_can_be_shortened_while_the_server_stops(self) -> None:
        with serving(behaviour()) as server, server.greeted(*DATA) as busy:
            first = stop(server, grace=LONG)
            second = stop(server, grace=0)
            assert first.get(timeout=PATIENCE) is second.get(timeout=PATIENCE) is True
            assert "250" not in busy.rest()

    def test_cannot_be_lengthened_while_the_server_stops(self) -> None:
        with serving(behaviour()) as server, server.greeted(*DATA) as busy:
            first = stop(server, grace=0.2)
            second = stop(server, grace=LONG)
            assert first.get(timeout=PATIENCE) is second.get(timeout=PATIENCE) is True
            assert "250" not in busy.rest()

    def test_reaches_a_server_that_is_suspended(self) -> None:
        with serving(behaviour()) as server, server.greeted(*DATA) as busy:
            actor_sys.suspend(server.ref)
            assert stop(server, grace=0).get(timeout=PATIENCE) is True
            assert "250" not in busy.rest()

    @pytest.mark.parametrize("name", ["grace", "drain"])
    @pytest.mark.parametrize("value", [-1, -0.001, float("inf"), float("nan"), True, "5"])
    def test_must_be_a_time_that_has_an_end(self, name: str, value: Any) -> None:
        with serving() as server:
            with pytest.raises(gen_smtp_server.OptionsError) as wrong:
                stop(server, **{name: value})
            assert (wrong.value.option, wrong.value.allowed) == (name, "a number of seconds, 0 or more")
            assert server.ref.is_alive()


class TestDraining:
    def test_lets_sessions_go_on_and_nobody_in(self) -> None:
        with serving(behaviour()) as server, ExitStack() as clients:
            first, second = (clients.enter_context(server.greeted()) for _ in range(2))
            stopped = stop(server, drain=LONG)
            gen_smtp_server.sessions(server.ref)  # it has closed its listeners by now
            with pytest.raises(ConnectionRefusedError):
                server.client()
            for client in (first, second, first):
                client.say(*DATA)
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
            assert first.say("QUIT") == "221 Bye"
            assert second.say("NOOP") == "250 Ok"
            assert not stopped.done()
            assert second.say("QUIT") == "221 Bye"
            assert stopped.get(timeout=PATIENCE) is True

    def test_ends_with_the_grace_for_who_is_left(self) -> None:
        with serving(behaviour()) as server, server.greeted(*RCPT) as idle, server.greeted(*DATA) as busy:
            stopped = stop(server, drain=0.05, grace=LONG)
            assert idle.rest() == f"{GOODBYE}\r\n"
            busy.send(MESSAGE)
            assert busy.reply() == "250 taken"
            assert busy.say("NOOP") == GOODBYE
            assert busy.rest() == ""
            assert stopped.get(timeout=PATIENCE) is True

    def test_is_over_when_the_server_is_stopped_once_more(self) -> None:
        with serving(behaviour()) as server, server.greeted() as idle:
            draining = stop(server, drain=LONG)
            stopped = stop(server)
            assert idle.rest() == f"{GOODBYE}\r\n"
            assert draining.get(timeout=PATIENCE) is stopped.get(timeout=PATIENCE) is True

    def test_can_be_shortened_and_not_lengthened(self) -> None:
        with serving(behaviour()) as server, server.greeted() as idle:
            stops = [stop(server, drain=seconds) for seconds in (LONG, 0.1, LONG)]
            assert idle.rest() == f"{GOODBYE}\r\n"
            assert [each.get(timeout=PATIENCE) for each in stops] == [True] * 3

    def test_does_not_begin_again_where_the_grace_has_begun(self) -> None:
        with serving(behaviour()) as server, server.greeted(*DATA) as busy:
            stops = [stop(server, grace=LONG), stop(server, drain=LONG, grace=0)]
            assert "250" not in busy.rest()
            assert [each.get(timeout=PATIENCE) for each in stops] == [True, True]

    def test_of_a_server_without_sessions_is_over_at_once(self) -> None:
        with serving() as server:
            assert gen_smtp_server.stop(server.ref, drain=LONG, timeout=PATIENCE) is True


class TestAConnectionAcceptedJustNow:
    """Its client can't be refused any more: it hears why it is not served."""

    @pytest.mark.parametrize(
        ("accepted_first", "heard"),
        [(True, f"220 mx.test ESMTP\r\n{GOODBYE}\r\n"), (False, f"{GOODBYE}\r\n")],
        ids=["before the stop", "while the listeners close"],
    )
    def test_hears_421(self, accepted_first: bool, heard: str) -> None:
        with serving(behaviour()) as server, bare_pair() as (ours, theirs):
            [listening] = server.ref.actor().listener_group  # type: ignore[union-attr]
            accepted = Accepted((Connection(theirs, "", 0, listening.endpoint),))
            stops: list[Any] = []
            messages = [lambda: server.ref.tell(accepted), lambda: stops.append(stop(server))]
            if not accepted_first:
                messages.reverse()
            # From the hub itself: both are in the mailbox before the server has its turn.
            Hub.current().spawn(lambda: [message() for message in messages]).get(timeout=PATIENCE)
            with ours.makefile("rb") as file:
                assert file.read() == heard.encode()
            assert stops[0].get(timeout=PATIENCE) is True


@contextmanager
def bare_pair() -> Generator[tuple[socket.socket, _socket.socket]]:
    """A connected pair: one for a test, and one as a listener hands it over."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours:
        accepted = _socket.socket(fileno=theirs.detach())
        accepted.setblocking(False)
        yield ours, accepted
