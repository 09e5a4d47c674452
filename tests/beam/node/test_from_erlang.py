"""Actors, as an Erlang shell sees them: what a process can do with another, and what OTP's behaviours do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import actors
import beam as cluster
from actors import ActorExit, GeventActor, GeventRef
from actors.runtime.mailbox import Envelope
from actors.runtime.refs import Stop
from tests.beam.beams import Beam, BeamError
from tests.beam.node.conftest import Keeper
from tests.beam.node.helpers import nothing_left, until

pytestmark = pytest.mark.usefixtures("node")

AT = "'py@127.0.0.1'"

RECEIVE_EXIT = "V = get(v), receive {'EXIT', V, W} -> W after 5000 -> nothing end"
RECEIVE_DOWN = "R = get(r), receive {'DOWN', R, _, _, W} -> W after 5000 -> nothing end"


@pytest.fixture
def named(keeper: GeventRef[Keeper]) -> GeventRef[Keeper]:
    """The keeper, by the name `keeper`."""
    actors.register("keeper", keeper)
    return keeper


@pytest.fixture(autouse=True)
def nothing_is_left(node: cluster.Node) -> Iterator[None]:
    yield
    nothing_left(node)


def kept(ref: GeventRef[Keeper]) -> list[Any]:
    value = ref.ask("kept")
    assert isinstance(value, list)
    return value


def test_a_ping_is_answered(beam: Beam) -> None:
    assert beam(f"net_adm:ping({AT})") == "pong"
    assert beam("nodes()") == "[]"
    assert beam("nodes(hidden)") == "['py@127.0.0.1']"


def test_a_call_by_name_and_by_pid(beam: Beam, named: GeventRef[Keeper]) -> None:
    assert beam(f'gen_server:call({{keeper, {AT}}}, {{hello, [1, 2.5, <<"x">>, #{{}}]}})') == (
        '{hello,[1,2.5,<<"x">>,#{}]}'
    )
    assert beam(f"element(2, gen_server:call({{keeper, {AT}}}, {{me, self()}})) =:= self()") == "true"
    cluster.expose("test", "ref", lambda: named)
    by_pid = f"""fun() -> P = rpc:call({AT}, test, ref, []),
        {{is_pid(P), gen_server:call(P, x), P =:= rpc:call({AT}, test, ref, [])}} end()"""
    assert beam(by_pid) == "{true,x,true}"


def test_messages_and_casts_come_in_order(beam: Beam, named: GeventRef[Keeper]) -> None:
    beam(f"[{{keeper, {AT}}} ! N || N <- lists:seq(1, 10000)], ok")
    beam(f"gen_server:cast({{keeper, {AT}}}, last)")
    assert beam(f"gen_server:call({{keeper, {AT}}}, sync)") == "sync"
    assert kept(named) == [*range(1, 10001), "last"]


def test_an_actor_that_raises_fails_the_call_and_lives(beam: Beam, named: GeventRef[Keeper]) -> None:
    """Trap D1: the caller exits as for a crash, since its own monitor fires."""
    cluster.expose("test", "ref", lambda: named)
    for target in (f"{{keeper, {AT}}}", f"rpc:call({AT}, test, ref, [])"):
        with pytest.raises(BeamError) as caught:
            beam(f"gen_server:call({target}, fail)")
        assert caught.value.kind == "exit"
        assert caught.value.term.startswith('{{python,<<"ValueError">>,<<"no">>},{gen_server,call,')
    assert named.is_alive()
    assert beam(f"gen_server:call({{keeper, {AT}}}, still)") == "still"


def test_a_reply_that_is_no_term_is_an_error_of_the_call(beam: Beam, named: GeventRef[Keeper]) -> None:
    cluster.expose("test", "object", object)
    with pytest.raises(BeamError, match="TermError"):
        beam(f"erpc:call({AT}, test, object, [])")

    class Odd(GeventActor):
        def on_receive(self, message: Any) -> Any:
            return object()

    odd = Odd.start()
    actors.register("odd", odd)
    with pytest.raises(BeamError, match="TermError"):
        beam(f"gen_server:call({{odd, {AT}}}, x)")
    assert odd.is_alive()
    odd.stop()


def test_nobody_there_is_noproc_at_once(beam: Beam) -> None:
    with pytest.raises(BeamError, match="noproc"):
        beam(f"gen_server:call({{nobody, {AT}}}, x, infinity)")
    assert beam(
        f"R1 = monitor(process, {{nobody, {AT}}}), receive {{'DOWN', R1, _, O1, W1}} -> {{O1, W1}} end"
    ) == ("{{nobody,'py@127.0.0.1'},noproc}")
    assert beam(f"{{nobody, {AT}}} ! lost") == "lost"


def test_a_dead_actor_is_noproc(beam: Beam) -> None:
    ref = Keeper.start()
    cluster.expose("test", "dead", lambda: ref)
    beam(f"put(dead, rpc:call({AT}, test, dead, []))")
    ref.stop()
    with pytest.raises(BeamError, match="noproc"):
        beam("gen_server:call(get(dead), x, infinity)")
    assert beam("get(dead) ! lost, ok") == "ok"
    assert beam("process_flag(trap_exit, true)") == "false"
    assert beam("fun() -> link(get(dead)), receive {'EXIT', _, W} -> W end end()") == "noproc"
    assert beam("process_flag(trap_exit, false)") == "true"


@pytest.mark.parametrize(
    ("reason", "seen"),
    [
        ("normal", "normal"),
        ("shutdown", "shutdown"),
        (("shutdown", "text of a mail"), '{shutdown,<<"text of a mail">>}'),
        ("text of a mail", '<<"text of a mail">>'),
        (cluster.Atom("boom"), "boom"),
        (("shutdown", ("global_name_conflict", "x")), '{shutdown,{global_name_conflict,<<"x">>}}'),
        (object, "<<\"<class 'object'>\">>"),
    ],
)
def test_a_monitor_and_a_link_hear_the_reason(beam: Beam, reason: Any, seen: str) -> None:
    ref = Keeper.start()
    cluster.expose("test", "victim", lambda: ref)
    beam(f"""fun() -> V = rpc:call({AT}, test, victim, []), process_flag(trap_exit, true),
        R = monitor(process, V), link(V), gen_server:call(V, sync), put(r, R), put(v, V) end()""")
    ref.stop(reason=reason)
    assert beam(f"fun() -> {RECEIVE_EXIT} end()") == seen
    assert beam(f"fun() -> {RECEIVE_DOWN} end()") == seen
    beam("process_flag(trap_exit, false)")


def test_exit_signals_end_an_actor(beam: Beam) -> None:
    for signal, seen in (("kill", "killed"), ("boom", "boom"), ("shutdown", "shutdown")):
        ref = Keeper.start()
        cluster.expose("test", "victim", lambda ref=ref: ref)
        down = f"""fun() -> V = rpc:call({AT}, test, victim, []), R = monitor(process, V), exit(V, normal),
            exit(V, {signal}), receive {{'DOWN', R, _, _, W}} -> W after 5000 -> nothing end end()"""
        assert beam(down) == seen
        assert ref.exit_reason == seen


def test_an_actor_that_traps_exits_gets_them(beam: Beam, keeper: GeventRef[Keeper]) -> None:
    cluster.expose("test", "victim", lambda: keeper)
    keeper.ask(("run", lambda actor: setattr(actor, "trap_exits", True)))
    pid = beam(f"""fun() -> V = rpc:call({AT}, test, victim, []),
        P = spawn(fun() -> link(V), exit(bye) end), exit(V, signal), P end()""")
    until(lambda: len(kept(keeper)) == 2)
    reasons = {each.reason for each in kept(keeper)}
    assert reasons == {"bye", "signal"}
    assert all(isinstance(each, actors.Exit) and each.ref.node == beam.name for each in kept(keeper))
    assert pid.startswith("<0.")


def test_unlink_and_demonitor(beam: Beam, keeper: GeventRef[Keeper]) -> None:
    cluster.expose("test", "victim", lambda: keeper)
    beam(f"""put(v, rpc:call({AT}, test, victim, [])), put(r, monitor(process, get(v))), link(get(v)),
        unlink(get(v)), demonitor(get(r)), gen_server:call(get(v), sync)""")
    keeper.stop(reason="boom")
    beam(f"net_adm:ping({AT})")
    assert (
        beam("receive {'DOWN', _, _, _, _} -> heard; {'EXIT', _, _} -> heard after 0 -> nothing end")
        == "nothing"
    )


@pytest.mark.parametrize("ends", ["actor", "process"])
def test_a_linked_process_ends_with_the_actor_and_the_other_way(beam: Beam, ends: str) -> None:
    ref = Keeper.start()
    cluster.expose("test", "victim", lambda: ref)
    beam(f"""fun() -> V = rpc:call({AT}, test, victim, []),
        {{P, R}} = spawn_monitor(fun() -> link(V), receive stop -> exit(boom) end end),
        put(p, P), put(r, R) end()""")
    until(lambda: ref.bonds.links)
    if ends == "actor":
        ref.stop(reason=cluster.Atom("over"))
    else:
        beam("get(p) ! stop")
    seen = beam(f"fun() -> {RECEIVE_DOWN} end()")
    assert seen == ("over" if ends == "actor" else "boom")
    assert actors.wait_down(ref, 5) in (seen, "noproc")


def test_stop_gives_ok_after_the_end(beam: Beam) -> None:
    """Also `proc_lib:stop` with a reason of one's own, and of nobody."""
    for reason, seen in ((None, "normal"), ("boom", "boom")):
        ref = Keeper.start()
        actors.register("victim", ref)
        more = "" if reason is None else f", {reason}, 5000"
        assert beam(f"gen_server:stop({{victim, {AT}}}{more})") == "ok"
        assert ref.exit_reason == seen
    with pytest.raises(BeamError, match="noproc"):
        beam(f"gen_server:stop({{victim, {AT}}})")


def test_the_answer_to_stop_comes_before_the_end(beam: Beam) -> None:
    """Trap D2: an actor's end tells its monitors before the replies of `stop`."""

    class Stopping(GeventActor):
        def on_receive(self, message: Any) -> Any:
            if message == "stop":
                raise ActorExit("normal", reply=cluster.Atom("ok"))
            self.mailbox.put(Envelope(Stop(), self._reply_future))
            self._reply_future = None
            return None

    for message, answer in (("stop", "ok"), ("later", "true")):
        ref = Stopping.start()
        actors.register("stopping", ref)
        assert beam(f"gen_server:call({{stopping, {AT}}}, {message})") == answer
        assert actors.wait_down(ref, 5) in ("normal", "noproc")


def test_calls_behind_the_end_hear_of_it_once(beam: Beam) -> None:
    class Ending(GeventActor):
        def on_receive(self, message: Any) -> Any:
            raise ActorExit("text")

    ref = Ending.start()
    actors.register("ending", ref)
    actors.sys.suspend(ref)
    beam(f"""fun() -> Me = self(), T = {{ending, {AT}}},
        [spawn(fun() -> Me ! (catch gen_server:call(T, N)) end) || N <- [1, 2, 3]] end()""")
    until(lambda: ref.mailbox.length == 3)
    actors.sys.resume(ref)
    reasons = "[receive {'EXIT', {W, _}} -> W after 5000 -> nothing end || _ <- [1, 2, 3]]"
    assert beam(reasons) == '[<<"text">>,<<"text">>,<<"text">>]'
    assert beam("receive Other -> Other after 0 -> nothing end") == "nothing"


@pytest.mark.usefixtures("named")
def test_send_request_and_many_calls_at_once(beam: Beam) -> None:
    many = f"""fun() -> T = {{keeper, {AT}}}, Rs = [gen_server:send_request(T, N) || N <- lists:seq(1, 100)],
        [gen_server:receive_response(R, 5000) || R <- Rs] =:=
        [{{reply, N}} || N <- lists:seq(1, 100)] end()"""
    assert beam(many) == "true"
    labelled = f"""fun() -> T = {{keeper, {AT}}}, Add = fun(N, C) -> gen_server:send_request(T, N, N, C) end,
        C1 = lists:foldl(Add, gen_server:reqids_new(), [1, 2, 3]),
        {{{{reply, 1}}, 1, C2}} = gen_server:receive_response(C1, 5000, true),
        gen_server:reqids_size(C2) end()"""
    assert beam(labelled) == "2"


def test_a_call_that_times_out_leaves_nothing(beam: Beam, named: GeventRef[Keeper]) -> None:
    actors.sys.suspend(named)
    with pytest.raises(BeamError, match="timeout"):
        beam(f"gen_server:call({{keeper, {AT}}}, x, 50)")
    actors.sys.resume(named)


def test_sys_works_on_actors(beam: Beam, named: GeventRef[Keeper]) -> None:
    target = f"{{keeper, {AT}}}"
    beam(f"{target} ! one")
    assert beam(f"sys:get_state({target})") == "#{kept => [one]}"
    assert beam(f"sys:suspend({target})") == "ok"
    with pytest.raises(BeamError, match="timeout"):
        beam(f"gen_server:call({target}, x, 50)")
    assert beam(f"sys:resume({target})") == "ok"
    assert beam(f"gen_server:call({target}, y)") == "y"
    assert "unknown_system_msg" in beam(f"sys:statistics({target}, true)")


def test_sys_get_status(beam: Beam, named: GeventRef[Keeper]) -> None:
    target = f"{{keeper, {AT}}}"
    beam(f"{{status, Pid, {{module, Module}}, [[], Sys, Parent, [], Data]}} = sys:get_status({target})")
    assert beam("Pid =:= rpc:call('py@127.0.0.1', erlang, whereis, [keeper]) orelse is_pid(Pid)") == "true"
    assert beam("{Module, Sys, is_pid(Parent)}") == "{'tests.beam.node.conftest.Keeper',running,true}"
    assert beam('proplists:get_value("Messages", lists:append([D || {data, D} <- Data]))') == "0"
    assert beam('proplists:get_value("State", lists:append([D || {data, D} <- Data]))') == "#{kept => []}"
    actors.sys.suspend(named)
    assert beam(f"lists:nth(2, element(4, sys:get_status({target})))") == "suspended"
    actors.sys.resume(named)


def test_sys_replace_state(beam: Beam, named: GeventRef[Keeper]) -> None:
    """The fun runs on the node that it comes from; what is no term stays what it is."""
    target, lock = f"{{keeper, {AT}}}", threading.Lock()
    named.ask(("run", lambda actor: setattr(actor, "lock", lock)))
    beam(f"{target} ! one")
    more = f"sys:replace_state({target}, fun(S) -> S#{{kept := [two | maps:get(kept, S)], new => 1}} end)"
    assert beam(f"maps:remove(lock, {more}) =:= #{{kept => [two, one], new => 1}}") == "true"
    assert named.ask("kept") == ["two", "one"]
    assert actors.sys.get_state(named) == {"kept": ["two", "one"], "new": 1, "lock": lock}
    for function, reason in (("fun(_) -> 5 end", "{badmap,5}"), ("fun(_) -> exit(no) end", "{exit,no}")):
        with pytest.raises(BeamError, match=r"callback_failed") as caught:
            beam(f"sys:replace_state({target}, {function})")
        assert reason in caught.value.term
    assert beam(f"map_size(sys:replace_state({target}, fun(S) -> maps:with([kept], S) end))") == "1"
    assert actors.sys.get_state(named) == {"kept": ["two", "one"]}
    assert beam(f"gen_server:call({target}, y)") == "y"


def test_functions_that_are_exposed_and_others(beam: Beam) -> None:
    cluster.expose("test", "add", lambda one, other: one + other)

    def leave() -> None:
        raise ActorExit(cluster.Atom("left"))

    cluster.expose("test", "leave", leave)
    cluster.expose("test", "fail", lambda: 1 // 0)
    assert beam(f"rpc:call({AT}, test, add, [1, 2])") == "3"
    assert beam(f"erpc:call({AT}, test, add, [1, 2])") == "3"
    assert beam(f"erpc:multicall([{AT}, node()], erlang, abs, [-1])") == (
        "[{error,{exception,undef,[{erlang,abs,[-1],[]}]}},{ok,1}]"
    )
    assert beam(f'rpc:call({AT}, os, cmd, ["ls"])') == "{badrpc,{'EXIT',{undef,[{os,cmd,[\"ls\"],[]}]}}}"
    assert "left" in beam(f"rpc:call({AT}, test, leave, [])")
    assert '{python,<<"ZeroDivisionError">>' in beam(f"rpc:call({AT}, test, fail, [])")
    assert beam(f"rpc:call({AT}, test, add, [1])").startswith("{badrpc,{'EXIT',{{python,<<\"TypeError\">>")
    assert beam(f"erpc:cast({AT}, test, add, [1, 2])") == "ok"
    assert beam(f"gen_server:call({{rex, {AT}}}, {{call, test, add, [1, 2], self()}})") == "3"


def test_nothing_can_be_spawned(beam: Beam) -> None:
    """Trap D6."""
    assert (
        beam(f"""fun() -> R = spawn_request({AT}, os, cmd, ["ls"], []),
        receive {{spawn_reply, R, E, W}} -> {{E, W}} after 5000 -> nothing end end()""")
        == "{error,notsup}"
    )


def test_ten_thousand_monitors_leave_nothing(beam: Beam, node: cluster.Node) -> None:
    refs = [Keeper.start() for _ in range(10_000)]
    cluster.expose("test", "all", lambda: refs)
    beam(f"""put(rs, [monitor(process, P) || P <- rpc:call({AT}, test, all, [])]), length(get(rs))""")
    beam(f"net_adm:ping({AT})")
    for ref in refs:
        ref.stop(block=False)
    heard = "receive {'DOWN', R, _, _, normal} -> true after 20000 -> false end"
    assert beam(f"fun() -> length([1 || R <- get(rs), {heard}]) end()") == "10000"
    del ref
    refs.clear()
    nothing_left(node)
    until(lambda: len(node._home._locals) < 100)


def test_large_messages_go_there_and_back(beam: Beam, named: GeventRef[Keeper]) -> None:
    assert (
        beam(f"""fun() -> B = binary:copy(<<"x">>, 5000000),
        gen_server:call({{keeper, {AT}}}, B) =:= B end()""")
        == "true"
    )
