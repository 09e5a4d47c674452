"""What the Erlang side sees of a server with a global name, line by line."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

import beam as erlang
from actors import wait_down
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, noreply, stop
from tests.beam.beams import Beam, BeamError
from tests.beam.names.conftest import Serve
from tests.gen_smtp.live import PATIENCE, Server

# gen_smtp 0.15 asks its server so.
GEN_SMTP = """
-module(gen_smtp_server).
-export([sessions/1, stop/1]).
sessions(Server) -> gen_server:call(Server, sessions).
stop(Server) -> gen_server:call(Server, stop).
"""


class Listening(Behaviour):
    """Tells what its session is told, and ends when it is told to."""

    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def handle_info(self, message: Any) -> Any:
        self.heard.put(message)
        return stop(("why", 7)) if message == "end" else noreply


@pytest.fixture
def served(join: Callable[..., erlang.Node], serve: Serve, two_beams: tuple[Beam, Beam]) -> Server:
    """A server that both BEAMs know as `{global, mx}`."""
    one, other = two_beams
    one("global:sync()")
    join(one, other)
    server = serve(("global", "mx"), Listening)
    for each in two_beams:
        each.wait_until("is_pid(global:whereis_name(mx))")
    return server


def test_whereis_name_is_a_pid_of_ours_on_every_node(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    for each in two_beams:
        assert each("node(global:whereis_name(mx))") == "'py@127.0.0.1'"


def test_a_call_by_its_name_gives_its_sessions(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    assert two_beams[0]("gen_server:call({global, mx}, sessions)") == "[]"
    with served.greeted(), served.greeted():
        for each in two_beams:
            assert each("[is_pid(S_) || S_ <- gen_server:call({global, mx}, sessions)]") == "[true,true]"


def test_the_function_of_gen_smtp_takes_our_pid(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    one, _ = two_beams
    one.load(GEN_SMTP)
    with served.greeted():
        assert one("length(gen_smtp_server:sessions(global:whereis_name(mx)))") == "1"


def test_the_other_questions_have_answers_too(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    one, _ = two_beams
    port = served.addresses[0][1]
    assert one("gen_server:call({global, mx}, addresses)") == f"[{{{{127,0,0,1}},{port}}}]"
    assert one("maps:get(sessions, gen_server:call({global, mx}, info))") == "0"
    assert one("maps:get(hostname, hd(gen_server:call({global, mx}, listeners)))") == '<<"mx.test">>'


def test_a_message_to_a_session_reaches_its_handle_info(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    with served.greeted():
        two_beams[1]("[S_] = gen_server:call({global, mx}, sessions), S_ ! {hello, from, erlang}")
        assert Listening.heard.get(timeout=PATIENCE) == ("hello", "from", "erlang")
        two_beams[1]('hd(gen_server:call({global, mx}, sessions)) ! {self(), <<"octets">>, "text", 1.5}')
        sender, *rest = Listening.heard.get(timeout=PATIENCE)
        assert sender.node == two_beams[1].name
        assert rest == [b"octets", b"text", 1.5] or rest == [b"octets", [116, 101, 120, 116], 1.5]


def test_a_monitor_and_a_link_tell_the_sessions_reason(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    one, _ = two_beams
    with served.greeted():
        one(
            "process_flag(trap_exit, true), [S] = gen_server:call({global, mx}, sessions), "
            "M = monitor(process, S), link(S), S ! 'end'"
        )
        assert Listening.heard.get(timeout=PATIENCE) == "end"
        assert one("receive {'DOWN', M, process, S, Why} -> Why end") == '{<<"why">>,7}'
        assert one("receive {'EXIT', S, Why2} -> Why2 end") == '{<<"why">>,7}'
    one("process_flag(trap_exit, false), ok")


def test_a_hang_up_is_a_normal_end(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    one, _ = two_beams
    with served.greeted():
        one("[S1] = gen_server:call({global, mx}, sessions), M1 = monitor(process, S1), ok")
    assert one("receive {'DOWN', M1, process, S1, Why1} -> Why1 end") == "normal"


def test_the_name_is_taken(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    assert two_beams[1]("global:register_name(mx, self())") == "no"


def test_a_call_to_nobody_ends_at_once(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    with pytest.raises(BeamError) as caught:
        two_beams[0]("gen_server:call({nobody, 'py@127.0.0.1'}, x, 10000)")
    assert caught.value.kind == "exit"
    assert caught.value.term.startswith("{noproc,")


def test_gen_server_stop_stops_it(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    assert two_beams[0]("gen_server:stop({global, mx})") == "ok"
    assert wait_down(served.ref, PATIENCE) in ("normal", "noproc")
    for each in two_beams:
        each.wait_until("global:whereis_name(mx)", "undefined")


def test_the_stop_of_gen_smtp_gives_ok(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    one, _ = two_beams
    one.load(GEN_SMTP)
    with served.greeted() as client:
        assert one("gen_smtp_server:stop(global:whereis_name(mx))") == "ok"
        assert client.rest() == "421 mx.test Service shutting down\r\n"
    assert served.ref.exit_reason == "normal"


def test_exit_kill_kills(served: Server, two_beams: tuple[Beam, Beam]) -> None:
    one, _ = two_beams
    one("P9 = global:whereis_name(mx), M9 = monitor(process, P9), exit(P9, kill)")
    assert one("receive {'DOWN', M9, process, P9, Why9} -> Why9 end") == "killed"
    for each in two_beams:
        each.wait_until("global:whereis_name(mx)", "undefined")


def test_sessions_and_stop_work_on_a_server_of_gen_smtps_on_a_beam(
    join: Callable[..., erlang.Node], beam: Beam
) -> None:
    """The other way: our functions ask a `gen_smtp_server` that is a process of Erlang's."""
    beam.load(
        """
-module(old_server).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
init(Sessions) -> {ok, Sessions}.
handle_call(stop, _From, Sessions) -> {stop, normal, ok, Sessions};
handle_call(sessions, _From, Sessions) -> {reply, Sessions, Sessions}.
handle_cast(_Cast, Sessions) -> {noreply, Sessions}.
handle_info(_Info, Sessions) -> {noreply, Sessions}.
"""
    )
    join(beam)
    beam("{ok, Old} = gen_server:start({global, old}, old_server, [self()], [])")
    (session,) = gen_smtp_server.sessions(("global", "old"))
    assert session.node == beam.name
    assert gen_smtp_server.stop(("global", "old")) is True
    assert beam("is_process_alive(Old)") == "false"
