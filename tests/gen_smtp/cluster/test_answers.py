"""What a server answers to `gen_server:call` of Erlang, asked by `actors.call`, which does the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from actors import ActorDeadError, call, send, wait_down
from actors.messages import StopTimes
from beam import Atom, decode, encode
from gen_smtp import gen_smtp_server
from gen_smtp.cluster.answers import erlang_address, python_address, stop_times_of
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.gen_smtp.live import DATA, PATIENCE, listener, serving


def test_sessions_are_those_of_gen_smtp_server() -> None:
    with serving() as server, server.greeted(), server.greeted():
        assert call(server.ref, Atom("sessions")) == gen_smtp_server.sessions(server.ref)
        assert len(server.sessions) == 2


def test_addresses_are_those_of_inet() -> None:
    with serving() as server:
        ((host, port),) = server.addresses
        assert host == "127.0.0.1"
        assert call(server.ref, Atom("addresses")) == [((127, 0, 0, 1), port)]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (("127.0.0.1", 25), ((127, 0, 0, 1), 25)),
        (("::1", 2525, 0, 0), ((0, 0, 0, 0, 0, 0, 0, 1), 2525)),
        (("2001:db8::ff00:42%eth0", 25, 0, 2), ((0x2001, 0xDB8, 0, 0, 0, 0, 0xFF00, 0x42), 25)),
        ("/run/mail.sock", (Atom("local"), "/run/mail.sock")),
        (b"\0abstract", (Atom("local"), b"\0abstract")),
    ],
)
def test_an_address_goes_there_and_back(here: Any, there: Any) -> None:
    assert erlang_address(here) == there
    back = python_address(decode(encode(there)))
    if isinstance(here, tuple):
        assert back == (here[0].partition("%")[0], here[1])
    else:
        assert back == (here if isinstance(here, str) else here.decode())


def test_listeners_are_maps_without_a_secret(tmp_path: Path) -> None:
    with serving(sessionoptions={"protocol": "lmtp"}) as server:
        assert call(server.ref, Atom("listeners")) == [
            {
                "hostname": "mx.test",
                "address": ((127, 0, 0, 1), server.addresses[0][1]),
                "family": "inet",
                "protocol": "tcp",
                "mode": "lmtp",
            }
        ]


def test_info_says_how_many_there_are() -> None:
    with serving() as server, server.greeted():
        info = call(server.ref, Atom("info"))
        assert (info["sessions"], info["connections"], info["process"]) == (1, 1, os.getpid())
        assert info["listeners"] == call(server.ref, Atom("listeners"))


@pytest.mark.parametrize("question", ["addresses", "listeners", "info"])
def test_all_that_is_answered_is_a_term(question: str) -> None:
    with serving() as server:
        answer = call(server.ref, Atom(question))
        keys = answer if isinstance(answer, dict) else {}
        assert all(type(key) is Atom for key in keys)
        assert decode(encode(answer)) is not None


def test_stop_is_answered_when_the_server_is_gone() -> None:
    server = gen_smtp_server.start(Behaviour, [listener()])
    assert call(server, Atom("stop")) == Atom("ok")
    assert wait_down(server, PATIENCE) in ("normal", "noproc")
    assert server.exit_reason == "normal"


def test_sessions_hear_421_at_such_a_stop() -> None:
    with serving() as server, server.greeted() as client:
        assert call(server.ref, Atom("stop")) == "ok"
        assert client.rest() == "421 mx.test Service shutting down\r\n"


def test_the_grace_can_be_said_before() -> None:
    with serving() as server, server.greeted(*DATA):
        send(server.ref, (Atom("stop_times"), 0.05, 0))
        assert call(server.ref, Atom("stop")) == "ok"
        assert not server.ref.is_alive()


@pytest.mark.parametrize(
    ("message", "times"),
    [
        (("stop_times", 2, 1.5), StopTimes(2, 1.5)),
        (("stop_times", None, 0), StopTimes(None, 0)),
        (("stop_times", -1, 0), None),
        (("stop_times", 1, float("inf")), None),
        (("stop_times", True, 0), None),
        (("stop_times", None, "x"), None),
        (("stop_times", 1), None),
        ("stop_times", None),
    ],
)
def test_stop_times_are_times(message: Any, times: StopTimes | None) -> None:
    assert stop_times_of(message) == times


def test_an_unknown_question_changes_nothing() -> None:
    with serving() as server:
        assert call(server.ref, Atom("nonsense")) is None
        send(server.ref, Atom("sessions"))  # no question, a message
        send(server.ref, ("hello", "from", "erlang"))
        assert call(server.ref, Atom("sessions")) == []
    with pytest.raises(ActorDeadError):
        call(server.ref, Atom("sessions"))
