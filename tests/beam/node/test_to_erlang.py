"""Processes of a BEAM, as actors and threads here see them: references like any other."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

import actors
import beam as cluster
from actors import ActorDeadError, GeventRef
from beam import Atom, RemoteRef, RpcError
from tests.beam.beams import Beam, Beams
from tests.beam.node.conftest import Keeper
from tests.beam.node.helpers import nothing_left, until

SERVER = """
-module(srv).
-behaviour(gen_server).
-export([start/0, start/1, many/1, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
start() -> {ok, P} = gen_server:start(?MODULE, [], []), P.
start(Name) -> {ok, P} = gen_server:start({local, Name}, ?MODULE, [], []), P.
many(N) -> [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)].
init([]) -> {ok, []}.
handle_call(seen, _, S) -> {reply, lists:reverse(S), []};
handle_call(crash, _, _) -> exit(crashed);
handle_call(silent, _, S) -> {noreply, S};
handle_call({link, P}, _, S) -> {reply, link(P), S};
handle_call(trap, _, S) -> {reply, process_flag(trap_exit, true), S};
handle_call(monitors, _, S) -> {reply, length(element(2, process_info(self(), monitored_by))), S};
handle_call(links, _, S) -> {reply, length(element(2, process_info(self(), links))), S};
handle_call({watch, P}, _, S) -> {reply, monitor(process, P), S};
handle_call({stop, R}, _, S) -> {stop, R, bye, S};
handle_call(M, _, S) -> {reply, {echo, M}, S}.
handle_cast(M, S) -> {noreply, [{cast, M} | S]}.
handle_info({reply, To, M}, S) -> To ! M, {noreply, S};
handle_info(M, S) -> {noreply, [{info, M} | S]}.
terminate(_, _) -> ok.
"""


@pytest.fixture(scope="module", autouse=True)
def loaded(beam: Beam, node: cluster.Node) -> None:
    beam.load(SERVER)


@pytest.fixture(autouse=True)
def nothing_is_left(node: cluster.Node) -> Iterator[None]:
    yield
    nothing_left(node)


@pytest.fixture
def server(beam: Beam) -> Iterator[RemoteRef]:
    """A gen_server of the BEAM."""
    ref = cluster.rpc(beam.name, "srv", "start", [])
    assert isinstance(ref, RemoteRef)
    yield ref
    ref.kill()


def seen(ref: RemoteRef) -> Any:
    return ref.ask(Atom("seen"))


def test_a_reference_is_an_actor_reference(beam: Beam, server: RemoteRef) -> None:
    assert isinstance(server, pykka.ActorRef)
    assert isinstance(server, GeventRef)
    assert server.is_alive()
    assert server.node == beam.name
    assert beam.name in str(server)
    assert beam.name in server.actor_urn
    assert {server: 1}[server] == 1
    assert server.ask([server, {server: 1}]) == ("echo", [server, {server: 1}])
    with pytest.raises(TypeError, match="no attributes"):
        server.proxy()


def test_equal_process_identifiers_are_one_reference(beam: Beam, node: cluster.Node) -> None:
    """Trap D8: a table that holds them weakly."""
    first = cluster.rpc(beam.name, "erlang", "whereis", [Atom("init")])
    assert cluster.rpc(beam.name, "erlang", "whereis", [Atom("init")]) is first
    octets = first.mailbox.to
    assert octets in node._home._fars
    del first
    gc.collect()
    until(lambda: octets not in node._home._fars)


def test_calls_casts_and_messages(server: RemoteRef) -> None:
    assert actors.call(server, "text") == ("echo", b"text")
    assert server.ask(1, block=False).get(timeout=5) == ("echo", 1)
    actors.cast(server, 1)
    actors.send(server, 2)
    server.tell(3)
    assert seen(server) == [("cast", 1), ("info", 2), ("info", 3)]


def test_many_calls_at_once_share_one_monitor(server: RemoteRef) -> None:
    futures = [server.ask(number, block=False) for number in range(1000)]
    assert [future.get(timeout=20) for future in futures] == [("echo", number) for number in range(1000)]
    assert server.ask(Atom("monitors")) == 1


def test_ten_thousand_messages_come_in_order(server: RemoteRef) -> None:
    for number in range(10_000):
        server.tell(number)
    assert seen(server) == [("info", number) for number in range(10_000)]


def test_a_name_on_another_node(beam: Beam) -> None:
    named = (f"srv_{beam.pid}", beam.name)
    ref = cluster.rpc(beam.name, "srv", "start", [Atom(named[0])])
    assert actors.call(named, 1) == ("echo", 1)
    actors.cast(named, 1)
    actors.send(named, 2)
    assert seen(ref) == [("cast", 1), ("info", 2)]
    by_name = actors.whereis(named)
    assert by_name is not None
    assert by_name == actors.whereis(named)
    assert ref.ask(by_name) == ("echo", (Atom(named[0]), Atom(beam.name)))
    with pytest.raises(ValueError, match="only a process"):
        actors.send_exit(by_name, "x")
    by_name.stop()
    assert actors.wait_down(by_name, 5) == "noproc"
    with pytest.raises(ActorDeadError) as caught:
        actors.call(named, 1)
    assert caught.value.reason == "noproc"


def test_a_server_that_ends_in_a_call(beam: Beam) -> None:
    ref = cluster.rpc(beam.name, "srv", "start", [])
    with pytest.raises(ActorDeadError) as caught:
        ref.ask(Atom("crash"))
    assert caught.value.reason == "crashed"
    with pytest.raises(ActorDeadError) as caught:
        ref.ask(1)
    assert caught.value.reason == "noproc"
    ref = cluster.rpc(beam.name, "srv", "start", [])
    assert ref.ask((Atom("stop"), Atom("normal"))) == "bye"
    assert actors.wait_down(ref, 5) in ("normal", "noproc")


def test_a_call_that_times_out_or_is_dropped_leaves_nothing(server: RemoteRef, node: cluster.Node) -> None:
    with pytest.raises(pykka.Timeout):
        actors.call(server, Atom("silent"), timeout=0.05)
    future = server.ask(Atom("silent"), block=False)
    assert node._home.peers[server.node].waiting
    del future
    nothing_left(node)
    assert server.ask(Atom("monitors")) == 1  # that of this very call


@pytest.mark.parametrize("reason", ["normal", "shutdown", "boom"])
def test_stop(beam: Beam, reason: str) -> None:
    ref = cluster.rpc(beam.name, "srv", "start", [])
    assert ref.stop(reason=Atom(reason), timeout=5) is True
    assert actors.wait_down(ref, 5) == "noproc"
    assert ref.stop(timeout=5) is False


def test_wait_down_and_monitors(beam: Beam, keeper: GeventRef[Keeper]) -> None:
    ref = cluster.rpc(beam.name, "srv", "start", [])
    waiting = actors.spawn(actors.wait_down, ref)
    monitors = [actors.monitor(ref, keeper) for _ in range(3)]
    undone = actors.monitor(ref, keeper)
    assert actors.demonitor(undone)
    assert not actors.demonitor(undone)
    with pytest.raises(pykka.Timeout):
        actors.wait_down(ref, 0.01)
    assert ref.ask(Atom("monitors")) == 3 + 1 + 1  # that of the thread which waits, that of this call
    actors.send_exit(ref, Atom("boom"))
    assert waiting.get(timeout=5) == "boom"
    until(lambda: len(keeper.ask("kept")) == 3)
    assert set(keeper.ask("kept")) == {actors.Down(monitor, ref, "boom") for monitor in monitors}
    assert not ref.is_alive()
    assert ref.exit_reason == "boom"
    with pytest.raises(ActorDeadError):
        ref.tell(1)
    actors.cast(ref, 1)


def test_links_both_ways(beam: Beam) -> None:
    for ends in ("here", "there"):
        ref = cluster.rpc(beam.name, "srv", "start", [])
        actor = Keeper.start()
        actors.link(actor, ref)
        assert ref.ask(Atom("links")) == 1
        if ends == "here":
            actor.stop(reason=Atom("over"))
            assert actors.wait_down(ref, 5) in ("over", "noproc")
        else:
            actors.send_exit(ref, "kill")
            assert actors.wait_down(actor, 5) == "killed"


def test_unlinked_actors_end_alone(beam: Beam, server: RemoteRef, keeper: GeventRef[Keeper]) -> None:
    actors.link(keeper, server)
    actors.unlink(keeper, server)
    assert server.ask(Atom("links")) == 0
    actors.link(keeper, server)
    actors.unlink(server, keeper)
    assert server.ask(Atom("links")) == 0
    server.ask((Atom("link"), keeper))
    assert keeper.bonds.links == (server,)
    actors.unlink(keeper, server)
    assert server.ask(Atom("links")) == 0


def test_an_actor_that_traps_exits_hears_of_a_process(beam: Beam, keeper: GeventRef[Keeper]) -> None:
    keeper.ask(("run", lambda actor: setattr(actor, "trap_exits", True)))
    ref = cluster.rpc(beam.name, "srv", "start", [])
    actors.link(keeper, ref)
    ref.stop(reason=Atom("boom"))
    until(lambda: keeper.ask("kept") == [actors.Exit(ref, "boom")])
    actors.link(keeper, ref)  # it is known to be dead
    until(lambda: keeper.ask("kept")[1:] == [actors.Exit(ref, "noproc")])


def test_two_processes_of_elsewhere_cannot_be_linked(beam: Beam, server: RemoteRef) -> None:
    other = cluster.rpc(beam.name, "srv", "start", [])
    with pytest.raises(ValueError, match="both of other nodes"):
        actors.link(server, other)
    with pytest.raises(ValueError, match="only an actor here"):
        actors.monitor(other, server)
    other.kill()


def test_an_actor_is_the_sender_of_what_it_sends(server: RemoteRef, keeper: GeventRef[Keeper]) -> None:
    server.tell((Atom("reply"), keeper, (1, "x")))
    until(lambda: keeper.ask("kept") == [(1, b"x")])
    assert keeper.ask(("run", lambda actor: server.ask(actor.actor_ref))) == ("echo", keeper)


def test_rpc(beam: Beam) -> None:
    assert cluster.rpc(beam.name, "lists", "seq", [1, 3]) == [1, 2, 3]
    assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name
    for arguments, kind, reason in (
        (["erlang", "error", [Atom("bad")]], "error", "bad"),
        (["erlang", "exit", [Atom("left")]], "exit", "left"),
        (["erlang", "throw", [Atom("ball")]], "throw", "ball"),
        (["no_such", "function", []], "error", "undef"),
    ):
        with pytest.raises(RpcError) as caught:
            cluster.rpc(beam.name, *arguments)  # type: ignore[arg-type]
        assert (caught.value.kind, caught.value.reason) == (kind, reason)
    with pytest.raises(pykka.Timeout):
        cluster.rpc(beam.name, "timer", "sleep", [60_000], timeout=0.05)
    with pytest.raises(cluster.TermError):
        cluster.rpc(beam.name, "erlang", "abs", [object()])


def test_what_a_function_writes_is_an_event(beam: Beam) -> None:
    heard: list[Any] = []
    end = actors.events.subscribe(cluster.RemoteOutput, heard.append)
    try:
        assert cluster.rpc(beam.name, "io", "put_chars", ["hello\n"]) == "ok"
    finally:
        end()
    assert [event.output for event in heard] == ["hello"]


def test_what_is_no_term_is_not_sent(server: RemoteRef) -> None:
    for send in (server.tell, server.cast, server.ask, lambda value: actors.send_exit(server, value)):
        with pytest.raises(cluster.TermError):
            send(object)
    assert seen(server) == []


def test_ten_thousand_monitors_leave_nothing(
    beam: Beam, node: cluster.Node, keeper: GeventRef[Keeper]
) -> None:
    pids = cluster.rpc(beam.name, "srv", "many", [10_000], timeout=20)
    for pid in pids:
        actors.monitor(pid, keeper)
    for pid in pids:
        pid.tell(Atom("stop"))
    until(lambda: len(keeper.ask("kept")) == 10_000)
    assert {down.reason for down in keeper.ask("kept")} <= {"normal", "noproc"}
    nothing_left(node)
    keeper.ask(("run", lambda actor: actor.kept.clear()))
    del pid
    pids.clear()
    gc.collect()
    until(lambda: len(node._home._fars) < 100)


def test_bonds_that_cannot_be_told_of_yet_hold_nobody_up(
    beams: Beams, node: cluster.Node, beam: Beam
) -> None:
    """Trap D3: the end of an actor with links and monitors of a node that takes nothing waits for nothing."""
    stopped = beams.start()
    stopped.load(SERVER)
    ref = cluster.rpc(stopped.name, "srv", "start", [])
    linked = [Keeper.start() for _ in range(50)]
    for each in linked:
        actors.link(each, ref)
        actors.monitor(ref, each)
        ref.ask((Atom("watch"), each))
    stopped.pause()
    try:  # more than the kernel's buffers, which grow to some 36 MiB
        filling = actors.spawn(lambda: [actors.send(ref, b"x" * 500_000) for _ in range(100)])
        until(lambda: node._home.peers[stopped.name].is_busy)
        for each in linked:
            assert each.stop(timeout=5, reason=Atom("over"))
        assert cluster.rpc(beam.name, "erlang", "node", []) == beam.name
    finally:
        stopped.resume()
    filling.get(timeout=20)
    assert actors.wait_down(ref, 20) in ("over", "noproc")


def test_an_idle_node_does_nothing_but_tick(beams: Beams, beam: Beam, cookie_file: Path) -> None:
    """It ticks four times in a net_ticktime; with 4 s that is once a second."""
    idle = beams.start_python()
    idle(
        "import beam, time\n"
        f"node = beam.start('idle@127.0.0.1', cookie_file={str(cookie_file)!r}, net_ticktime=4)"
    )
    assert idle(f"node.connect({beam.name!r})") == "True"
    idle("wait = lambda: (time.process_time(), time.sleep(2), time.process_time())")
    begin, _, end = ast.literal_eval(idle("wait()"))
    assert end - begin < 0.02
