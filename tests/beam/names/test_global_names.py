"""Global names on BEAMs: who has them, who loses them, and the traps of `global`."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import actors
import beam as erlang
from actors import AlreadyStarted, StartError, wait_down
from beam.events import NameLost, NameRestored, NameTakenAway
from beam.names.keeper import Look
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.actors.helpers import SECONDS, hear, start_probe
from tests.beam.beams import Beam, Beams, Epmd, write_cookie
from tests.beam.names.conftest import Serve
from tests.gen_smtp.live import PATIENCE, listener

Join = Callable[..., erlang.Node]

UNTIL_FORGOTTEN = "(fun W() -> case global:whereis_name(mx) of undefined -> ok; _ -> W() end end)()"
"""Waits in the BEAM, as what comes then follows at once."""


@pytest.fixture
def told() -> Any:
    """The events of names, as they come."""
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ends = [actors.events.subscribe(each, heard.put) for each in (NameLost, NameRestored, NameTakenAway)]
    yield heard
    for end in ends:
        end()


# -- registering ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("mx", "mx"),
        (b"mx", '<<"mx">>'),
        (erlang.Atom("Mx 1"), "'Mx 1'"),
        ((erlang.Atom("mx"), 1), "{mx,1}"),
        ([1, {b"a": 2.5}], '[1,#{<<"a">> => 2.5}]'),
        (7, "7"),
    ],
)
def test_a_name_is_any_term(join: Join, beam: Beam, name: Any, term: str) -> None:
    join(beam)
    ref, _ = start_probe()
    actors.register(("global", name), ref)
    assert beam(f"is_pid(global:whereis_name({term}))") == "true"
    assert actors.whereis(("global", name)) is ref
    actors.unregister(("global", name))
    assert beam(f"global:whereis_name({term})") == "undefined"
    assert actors.whereis(("global", name)) is None
    ref.stop()


def test_a_name_goes_with_its_actor(join: Join, beam: Beam) -> None:
    join(beam)
    for end in (lambda ref: ref.stop(), lambda ref: ref.kill()):
        ref = actors.launch(actors.GeventActor(), name=("global", "mx"))
        assert beam("is_pid(global:whereis_name(mx))") == "true"
        end(ref)
        beam.wait_until("global:whereis_name(mx)", "undefined")
        assert actors.whereis(("global", "mx")) is None


def test_a_taken_name_carries_the_reference_of_its_holder(join: Join, beam: Beam, serve: Serve) -> None:
    node = join(beam)
    beam("Holder = spawn(fun() -> receive stop -> ok end end), global:register_name(mx, Holder)")
    with pytest.raises(AlreadyStarted) as caught:
        serve(("global", "mx"))
    assert caught.value.ref.node == beam.name
    assert caught.value.ref is actors.whereis(("global", "mx"))
    beam("Holder ! stop")
    beam.wait_until("global:whereis_name(mx)", "undefined")
    server = serve(("global", "mx"))
    with pytest.raises(AlreadyStarted) as caught:
        serve(("global", "mx"))
    assert caught.value.ref is server.ref
    assert node.nodes() == [beam.name]


def test_without_a_beam_there_are_no_global_names(join: Join) -> None:
    join()
    with pytest.raises(StartError, match=r"no node of Erlang's answers.*erl -name"):
        gen_smtp_server.start(("global", "mx"), Behaviour, [listener()])
    assert actors.whereis(("global", "mx")) is None


def test_a_start_that_fails_leaves_no_name(join: Join, beam: Beam) -> None:
    join(beam)

    class Failing(actors.GeventActor):
        def on_start(self) -> None:
            raise LookupError("no")

    with pytest.raises(StartError):
        actors.launch(Failing(), name=("global", "mx"))
    assert beam("global:whereis_name(mx)") == "undefined"


def test_a_supervised_server_has_its_name_again_when_it_is_restarted(join: Join, beam: Beam) -> None:
    join(beam)
    spec = gen_smtp_server.child_spec(("global", "mx"), Behaviour, [listener()])
    tree = actors.Supervisor.start([spec])
    first = actors.whereis(("global", "mx"))
    assert first is not None
    beam("First = global:whereis_name(mx)")
    first.stop(reason="crash")
    beam.wait_until("is_pid(global:whereis_name(mx)) andalso global:whereis_name(mx) =/= First")
    second = actors.whereis(("global", "mx"))
    assert second is not None
    assert second is not first
    assert gen_smtp_server.sessions(("global", "mx")) == []
    tree.stop()
    beam.wait_until("global:whereis_name(mx)", "undefined")


def test_names_of_others_are_found_and_sent_to(join: Join, beam: Beam) -> None:
    join(beam)
    beam("global:re_register_name(shell, self())")
    ref = actors.whereis(("global", "shell"))
    assert ref is not None
    actors.send(("global", "shell"), (erlang.Atom("hello"), 1))
    assert beam("receive {hello, N} -> N end") == "1"
    actors.cast(("global", "shell"), erlang.Atom("x"))
    assert beam("receive {'$gen_cast', C} -> C end") == "x"
    beam("global:unregister_name(shell)")
    assert actors.whereis(("global", "shell")) is None


def test_a_name_and_a_node_are_erlangs_name_and_node(join: Join, beam: Beam) -> None:
    join(beam)
    beam("register(shell, self())")
    actors.send(("shell", beam.name), erlang.Atom("hello"))
    assert beam("receive hello -> yes end") == "yes"
    watcher, heard = start_probe()
    name = ("nobody_there", beam.name)
    watching = actors.monitor(name, watcher)
    assert hear(heard) == actors.Down(watching, name, "noproc")
    watcher.stop()
    beam("unregister(shell)")


# -- the keeper: G1 ---------------------------------------------------------------------------------


def test_a_name_that_was_taken_away_stays_away(join: Join, two_beams: tuple[Beam, Beam], told: Any) -> None:
    """The keeper does not fight who unregisters a name, as anybody may with `global`."""
    one, other = two_beams
    one("global:sync()")
    join(one, other)
    ref, _ = start_probe()
    actors.register(("global", "mx"), ref)
    other.wait_until("is_pid(global:whereis_name(mx))")
    other("global:unregister_name(mx)")
    event = told.get(timeout=PATIENCE)
    assert (type(event), event.ref) == (NameTakenAway, ref)
    assert [each("global:whereis_name(mx)") for each in two_beams] == ["undefined", "undefined"]
    assert actors.whereis(("global", "mx")) is None
    assert ref.is_alive()
    actors.register(("global", "mx"), ref)
    assert one("is_pid(global:whereis_name(mx))") == "true"
    ref.stop()


def test_g1_a_beam_that_has_forgotten_a_name_is_told_it_again(
    join: Join, serve: Serve, beams: Beams, told: Any
) -> None:
    """After a lost connection `global` forgets a hidden node's name, and would give it to another."""
    one, other = beams.start(), beams.start()
    one.connect(other.name)
    one("global:sync()")
    join(one, other)
    serve(("global", "mx"))
    other.wait_until("is_pid(global:whereis_name(mx))")
    other(f"erlang:disconnect_node('py@127.0.0.1'), {UNTIL_FORGOTTEN}")
    assert other("net_adm:ping('py@127.0.0.1')") == "pong"
    restored = told.get(timeout=PATIENCE)
    assert (restored.name, restored.node) == ("mx", other.name)
    assert other("global:register_name(mx, self())") == "no"
    assert one("node(global:whereis_name(mx))") == "'py@127.0.0.1'"


def test_g1_a_holder_whose_name_was_taken_unseen_hears_of_it_at_once(
    join: Join, serve: Serve, beams: Beams, told: Any
) -> None:
    one, other = beams.start(), beams.start()
    one.connect(other.name)
    one("global:sync()")
    join(one, other)
    server = serve(("global", "mx"))
    other.wait_until("is_pid(global:whereis_name(mx))")
    with server.greeted() as client:
        # In one breath: the keeper has no time to tell the name again.
        other(
            "Thief = spawn(fun() -> receive stop -> ok end end), erlang:disconnect_node('py@127.0.0.1'), "
            f"{UNTIL_FORGOTTEN}, yes = global:register_name(mx, Thief)"
        )
        lost = told.get(timeout=PATIENCE)
        assert (lost.name, lost.ref, lost.holder.node) == ("mx", server.ref, other.name)
        assert client.rest() == "421 mx.test Service shutting down\r\n"
    wait_down(server.ref, PATIENCE)
    assert server.ref.exit_reason == ("shutdown", ("global_name_conflict", "mx"))


def test_calls_give_no_rise_to_looking(
    join: Join, serve: Serve, beam: Beam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call takes a monitor away at its end, and `global` has nothing to do with that."""
    join(beam)
    serve(("global", "mx"))
    keeper = erlang.global_names()._keeper
    keeper.actor_ref.ask(Look())  # it knows global by now
    looks: list[Any] = []
    monkeypatch.setattr(keeper, "look", lambda: looks.append("look"))
    assert beam("[gen_server:call({global, mx}, sessions) || _ <- lists:seq(1, 50)], ok") == "ok"
    assert beam("rpc:call('py@127.0.0.1', nobody, home, []), ok") == "ok"  # all before has come
    assert looks == []


def test_a_call_behind_a_lost_connection_is_not_taken_for_the_end_of_a_name(
    join: Join, serve: Serve, beams: Beams
) -> None:
    only = beams.start()
    join(only)
    serve(("global", "mx"))
    only("Mx = global:whereis_name(mx)")
    only(f"erlang:disconnect_node('py@127.0.0.1'), {UNTIL_FORGOTTEN}, gen_server:call(Mx, sessions)")
    only.wait_until("is_pid(global:whereis_name(mx))")


def test_a_name_given_and_taken_many_times_leaves_nothing(join: Join, beam: Beam) -> None:
    join(beam)
    ref, _ = start_probe()
    for _ in range(20):
        actors.register(("global", "mx"), ref)
        actors.unregister(("global", "mx"))
    assert not ref.bonds._callbacks
    ref.stop()


def test_a_beam_that_comes_later_knows_the_name(join: Join, serve: Serve, beams: Beams) -> None:
    one = beams.start()
    join(one)
    serve(("global", "mx"))
    later = beams.start()
    later.connect(one.name)
    later.wait_until("is_pid(global:whereis_name(mx))")
    assert later("gen_server:call({global, mx}, sessions)") == "[]"


def test_a_name_outlives_the_beam_that_registered_it(join: Join, serve: Serve, beams: Beams) -> None:
    one, other = beams.start(), beams.start()
    one.connect(other.name)
    one("global:sync()")
    join(one)  # so it is `one` that registers the name
    server = serve(("global", "mx"))
    other.wait_until("is_pid(global:whereis_name(mx))")
    one.kill()
    other.wait_until("nodes()", "[]")
    assert other("gen_server:call({global, mx}, sessions)") == "[]"
    assert server.ref.is_alive()


def test_an_actor_that_traps_no_exits_outlives_the_beam_that_registered_it(join: Join, beams: Beams) -> None:
    """`register_name_external` links the registering BEAM's global to the process."""
    one = beams.start()
    node = join(one)
    ref, _ = start_probe()
    actors.register(("global", "mx"), ref)
    assert one("is_pid(global:whereis_name(mx))") == "true"
    down = queue.SimpleQueue[str]()
    node.on_down(lambda name, reason: down.put(name))
    one.kill()
    assert down.get(timeout=SECONDS) == one.name
    assert ref.is_alive()
    assert ref.ask(lambda _: "alive") == "alive"
    ref.stop()


def test_the_name_is_registered_again_when_the_only_beam_comes_back(
    join: Join, serve: Serve, beams: Beams
) -> None:
    first = beams.start("back")
    join(first)
    server = serve(("global", "mx"))
    first.kill()
    again = beams.start("back")  # nobody tells us: we seek it
    again.wait_until("is_pid(global:whereis_name(mx))")
    assert actors.whereis(("global", "mx")) is server.ref


def test_a_beam_that_is_no_seed_is_sought_too(join: Join, serve: Serve, beams: Beams, epmd: Epmd) -> None:
    one, other = beams.start(), beams.start()
    join(one)
    serve(("global", "mx"))
    other.connect(one.name)
    other.wait_until("is_pid(global:whereis_name(mx)) andalso nodes(hidden) =/= []")
    other(f"erlang:disconnect_node('py@127.0.0.1'), {UNTIL_FORGOTTEN}")
    other.wait_until("is_pid(global:whereis_name(mx))")


def test_nobody_is_sought_who_was_sent_away(join: Join, serve: Serve, beams: Beams) -> None:
    one, other = beams.start(), beams.start()
    node = join(one, other)
    serve(("global", "mx"))
    gone: queue.SimpleQueue[str] = queue.SimpleQueue()
    back: queue.SimpleQueue[str] = queue.SimpleQueue()
    node.on_down(lambda name, reason: gone.put(name))
    node.on_up(back.put)
    node.disconnect(other.name)
    assert gone.get(timeout=SECONDS) == other.name
    one("erlang:disconnect_node('py@127.0.0.1')")
    assert gone.get(timeout=SECONDS) == one.name
    assert back.get(timeout=SECONDS) == one.name
    assert node.nodes() == [one.name]


def test_nothing_is_left_of_a_name_on_the_beam(join: Join, beam: Beam) -> None:
    join(beam)
    for _ in range(20):
        ref, _ = start_probe()
        actors.register(("global", "mx"), ref)
        ref.stop()
        beam.wait_until("global:whereis_name(mx)", "undefined")
    tables = "[length(ets:tab2list(T_)) || T_ <- [global_names, global_names_ext, global_pid_names]]"
    beam.wait_until(tables, "[0,0,0]")
    ours = "[P_ || P_ <- element(2, process_info(whereis(global_name_server), links)), node(P_) =/= node()]"
    beam.wait_until(ours, "[]")


# -- G4: a hidden node --------------------------------------------------------------------------------


def test_g4_the_sync_of_beams_does_not_wait_for_us(join: Join, two_beams: tuple[Beam, Beam]) -> None:
    join(*two_beams)
    assert two_beams[0]("{T_, R_} = timer:tc(global, sync, []), {T_ < 1000000, R_}") == "{true,ok}"


# -- G5: a registration that hangs ---------------------------------------------------------------------


def test_g5_a_registration_that_hangs_is_given_up(
    join: Join, beams: Beams, monkeypatch: pytest.MonkeyPatch
) -> None:
    beam = beams.start()
    join(beam)
    ref, _ = start_probe()
    monkeypatch.setattr("beam.names.asking.REGISTER_TIME", 0.2)
    # Whoever holds global's own lock keeps every registration waiting.
    beam("Locker = spawn(fun() -> global:set_lock({global, self()}), receive stop -> ok end end)")
    beam.wait_until("ets:member(global_locks, global)")
    with pytest.raises(StartError, match="no node of Erlang's answers"):
        actors.register(("global", "mx"), ref)
    beam("Locker ! stop")
    ref.stop()
    beam.wait_until("global:whereis_name(mx)", "undefined")


def test_g5_what_was_done_after_all_counts(join: Join, beam: Beam, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is lost or late, but the name is registered: whereis says so."""
    node = join(beam)
    ref, _ = start_probe()
    rpc = node.rpc

    def answer_lost(beam_name: str, module: str, function: str, *rest: Any) -> Any:
        answer = rpc(beam_name, module, function, *rest)
        if function == "register_name_external":
            raise erlang.RpcError("error", "noconnection")
        return answer

    monkeypatch.setattr(node, "rpc", answer_lost)
    actors.register(("global", "mx"), ref)
    assert actors.whereis(("global", "mx")) is ref
    ref.stop()


# -- G6: each BEAM must reach our port -------------------------------------------------------------------


def test_g6_a_beam_that_may_not_connect_does_not_know_the_name(join: Join, beams: Beams) -> None:
    """Each BEAM watches the process itself; where it can't, the name is gone, and nowhere else."""
    friend, stranger = beams.start(), beams.start()
    friend.connect(stranger.name)
    friend("global:sync()")
    join(friend, only=[friend.name])
    ref, _ = start_probe()
    actors.register(("global", "mx"), ref)
    assert friend("is_pid(global:whereis_name(mx))") == "true"
    stranger.wait_until("global:whereis_name(mx)", "undefined")
    assert ref.ask(lambda _: "alive") == "alive"
    ref.stop()


# -- what else may happen ----------------------------------------------------------------------------------


def test_a_second_name_for_our_process_is_refused_by_global_and_not_by_us(join: Join, beam: Beam) -> None:
    join(beam)
    ref, _ = start_probe()
    actors.register(("global", "one"), ref)
    assert beam("global:register_name(two, global:whereis_name(one))") == "no"
    actors.register(("global", "two"), ref)
    assert beam("global:whereis_name(one) =:= global:whereis_name(two)") == "true"
    ref.stop()


def test_a_process_of_ours_that_is_killed_is_down_and_nameless_everywhere(beams: Beams) -> None:
    one, other = beams.start(), beams.start()
    one.connect(other.name)
    one("global:sync()")
    python = beams.start_python()
    python("import actors, beam")
    cookie = str(write_cookie(beams.folder))
    python(f"node = beam.start('py@127.0.0.1', cookie_file={cookie!r}, seeds=[{one.name!r}])")
    python("ref = actors.launch(actors.GeventActor(), name=('global', 'mx'))")
    for each in (one, other):
        each.wait_until("is_pid(global:whereis_name(mx))")
        each("Watched = monitor(process, global:whereis_name(mx))")
    python.kill()
    for each in (one, other):
        assert each("receive {'DOWN', Watched, _, _, Why} -> Why end") == "noconnection"
        each.wait_until("global:whereis_name(mx)", "undefined")


def test_names_outlive_an_epmd_that_is_killed(tmp_path: Path) -> None:
    own = Epmd()
    with closing(Beams(own, tmp_path)) as nodes:
        beam = nodes.start()
        cookie = write_cookie(tmp_path)
        node = erlang.start(
            "py@127.0.0.1", cookie_file=cookie, seeds=[beam.name], epmd_port=own.port, net_ticktime=60
        )
        ref, _ = start_probe()
        actors.register(("global", "mx"), ref)
        own.stop()
        assert beam("is_pid(global:whereis_name(mx))") == "true"
        assert actors.whereis(("global", "mx")) is ref
        own.start()
        until = time.monotonic() + PATIENCE
        while "py" not in own.names():
            assert time.monotonic() < until
        later = nodes.start()  # finds our node by the new epmd
        later.wait_until(f"net_adm:ping('{beam.name}')", "pong")
        later.wait_until("is_pid(global:whereis_name(mx))")
        node.stop()
        ref.stop()
    own.stop()


@pytest.mark.parametrize("stops", ["python", "beam"])
def test_d7_a_name_comes_back_when_a_process_has_stood_still_for_too_long(beams: Beams, stops: str) -> None:
    """Longer than net_ticktime: each side takes the other for dead, and the name goes with the connection."""
    tick = 4
    beam = beams.start(None, "-kernel", "net_ticktime", str(tick))
    python = beams.start_python()
    python("import actors, beam, queue\ndown = queue.SimpleQueue()")
    cookie = str(write_cookie(beams.folder))
    python(
        f"node = beam.start('py@127.0.0.1', cookie_file={cookie!r}, seeds=[{beam.name!r}], "
        f"net_ticktime={tick})"
    )
    python("node.on_down(lambda *lost: down.put(lost))")
    python("ref = actors.launch(actors.GeventActor(), name=('global', 'mx'))")
    beam("Watched = monitor(process, global:whereis_name(mx))")
    if stops == "python":
        python.pause()
        assert beam("receive {'DOWN', Watched, _, _, Why} -> Why end", timeout=3 * tick) == "noconnection"
        assert beam("global:whereis_name(mx)") == "undefined"
        python.resume()
    else:
        beam.pause()
        assert beam.name in python(f"down.get(timeout={3 * tick})")
        beam.resume()
    beam.wait_until("is_pid(global:whereis_name(mx))")
    assert python("ref.is_alive()") == "True"
