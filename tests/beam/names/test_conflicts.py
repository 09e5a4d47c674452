"""Two halves of a cluster meet again, and each has an actor of the same name: G2 and G3.

The BEAM whose name comes first finds the conflict, and asks the node of the actor that it knows. So what is
ours to decide, and what is decided elsewhere, is a matter of the BEAMs' names here.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest

import actors
import beam as erlang
from actors import events, wait_down
from beam.events import NameLost, ResolverFailed
from tests.actors.helpers import Probe, hear, start_probe
from tests.beam.beams import Beam, Beams, PythonNode, write_cookie
from tests.beam.names.conftest import Serve
from tests.gen_smtp.live import PATIENCE

Join = Callable[..., erlang.Node]

HOLDER = """
Holder = spawn(fun F() -> receive {hear, From} -> receive M -> From ! M end, F(); stop -> ok end end),
Holder ! {hear, self()},
yes = global:register_name(mx, Holder, fun global:random_notify_name/3)
"""


@pytest.fixture
def halves(beams: Beams) -> tuple[Beam, Beam]:
    """Two BEAMs that do not know each other: `aa`, which finds conflicts, and `zz`."""
    return beams.start("aa"), beams.start("zz")


@pytest.fixture
def lost() -> Any:
    """The names that were lost here, as they are."""
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    end = events.subscribe(NameLost, heard.put)
    yield heard
    end()


def meet(one: Beam, other: Beam) -> None:
    """Connect the two halves, and wait until their names are settled."""
    one.connect(other.name)
    one("global:sync()")
    other("global:sync()")


def owners(*beams: Beam) -> set[str]:
    """The nodes whose actor has the name, as each BEAM knows it."""
    return {
        each("case global:whereis_name(mx) of undefined -> undefined; P_ -> node(P_) end") for each in beams
    }


def via(resolve: Any) -> tuple[str, Any, str]:
    """The global name `mx` with a resolver of one's own."""
    return ("via", erlang.global_names().resolving_with(resolve), "mx")


# -- what is ours to decide ---------------------------------------------------------------------------


def test_by_otps_rule_the_node_that_comes_first_keeps_the_name(
    join: Join, halves: tuple[Beam, Beam], lost: Any
) -> None:
    aa, zz = halves
    join(aa)  # py comes before zz
    ref, _ = start_probe()
    actors.register(("global", "mx"), ref)
    zz(HOLDER)
    meet(aa, zz)
    assert owners(aa, zz) == {"'py@127.0.0.1'"}
    assert zz("receive {global_name_conflict, N_} -> N_ end") == "mx"  # the loser is told
    assert ref.is_alive()
    assert lost.empty()
    ref.stop()


def test_the_loser_of_ours_stops_gracefully(
    join: Join, halves: tuple[Beam, Beam], serve: Serve, lost: Any
) -> None:
    aa, zz = halves
    join(aa, name="zzz")  # comes behind zz
    server = serve(("global", "mx"))
    zz(HOLDER)
    with server.greeted() as client:
        meet(aa, zz)
        assert client.rest() == "421 mx.test Service shutting down\r\n"
    wait_down(server.ref, PATIENCE)
    assert server.ref.exit_reason == ("shutdown", ("global_name_conflict", "mx"))
    assert owners(aa, zz) == {f"'{zz.name}'"}
    event = lost.get(timeout=PATIENCE)
    assert (event.name, event.ref, event.holder.node) == ("mx", server.ref, zz.name)


def test_a_function_of_ones_own_decides(join: Join, halves: tuple[Beam, Beam]) -> None:
    aa, zz = halves
    join(aa, name="zzz")
    asked: list[Any] = []

    def ours(name: Any, one: Any, other: Any) -> Any:
        asked.append((name, {one, other}))
        return ref

    ref, _ = start_probe()
    actors.register(via(ours), ref)
    zz(HOLDER)
    meet(aa, zz)
    assert owners(aa, zz) == {"'zzz@127.0.0.1'"}
    assert zz("receive {global_name_conflict, N_} -> N_ end") == "mx"
    ((name, pair),) = asked
    assert name == "mx"
    assert ref in pair
    assert {each.node for each in pair if each is not ref} == {zz.name}
    ref.stop()


def test_nobody_is_an_answer_and_both_are_told(join: Join, halves: tuple[Beam, Beam], lost: Any) -> None:
    aa, zz = halves
    join(aa)
    ref, _ = start_probe()
    actors.register(via(lambda name, one, other: None), ref)
    zz(HOLDER)
    meet(aa, zz)
    assert owners(aa, zz) == {"undefined"}
    assert zz("receive {global_name_conflict, N_} -> N_ end") == "mx"
    assert lost.get(timeout=PATIENCE).holder is None
    wait_down(ref, PATIENCE)
    assert ref.exit_reason == ("shutdown", ("global_name_conflict", "mx"))


@pytest.mark.parametrize("wrong", [lambda *_: 1 / 0, lambda *_: "nonsense"], ids=["raises", "no actor"])
def test_a_function_that_fails_leaves_it_to_otps_rule(
    join: Join, halves: tuple[Beam, Beam], wrong: Any
) -> None:
    aa, zz = halves
    join(aa)
    failed: queue.SimpleQueue[Any] = queue.SimpleQueue()
    end = events.subscribe(ResolverFailed, failed.put)
    ref, _ = start_probe()
    actors.register(via(wrong), ref)
    zz(HOLDER)
    meet(aa, zz)
    assert owners(aa, zz) == {"'py@127.0.0.1'"}
    assert failed.get(timeout=PATIENCE).name == "mx"
    end()
    ref.stop()


def test_g3_beams_are_told_a_method_that_kills_nobody(join: Join, beam: Beam) -> None:
    join(beam)
    ref, _ = start_probe()
    actors.register(("global", "mx"), ref)
    look = "[{mx, _, Method_, _}] = ets:lookup(global_names, mx), Method_ =:= fun global:random_notify_name/3"
    assert beam(look) == "true"
    ref.stop()


# -- what is decided elsewhere --------------------------------------------------------------------------


def test_a_beam_may_decide_and_ours_is_told_by_the_change_of_hands(
    join: Join, halves: tuple[Beam, Beam], serve: Serve
) -> None:
    aa, zz = halves
    join(zz)  # so it is aa's holder whose method decides; aa comes before py
    server = serve(("global", "mx"))
    aa(HOLDER)
    meet(aa, zz)
    wait_down(server.ref, PATIENCE)
    assert server.ref.exit_reason == ("shutdown", ("global_name_conflict", "mx"))
    assert owners(aa, zz) == {f"'{aa.name}'"}


def test_two_python_nodes_decide_as_two_beams_would(
    join: Join, halves: tuple[Beam, Beam], beams: Beams
) -> None:
    aa, zz = halves
    join(aa)
    ref, _ = start_probe()
    actors.register(("global", "mx"), ref)
    other: PythonNode = beams.start_python()
    other("import actors, beam")
    cookie = str(write_cookie(beams.folder))
    other(f"node = beam.start('qq@127.0.0.1', cookie_file={cookie!r}, seeds=[{zz.name!r}])")
    assert other(f"node.connect({zz.name!r})") == "True"
    other("ref = actors.launch(actors.GeventActor(), name=('global', 'mx'))")
    meet(aa, zz)
    assert owners(aa, zz) == {"'py@127.0.0.1'"}
    assert other(f"actors.wait_down(ref, {PATIENCE})") in (
        "('shutdown', (Atom('global_name_conflict'), Atom('mx')))",
        "'noproc'",
    )
    assert ref.is_alive()
    ref.stop()


def test_a_name_that_erlang_gave_to_an_actor_is_decided_as_its_method_says(
    join: Join, halves: tuple[Beam, Beam]
) -> None:
    """`global:register_name(Name, Pid)` in a shell has our actor killed, as any process of Erlang's."""
    aa, zz = halves
    join(aa, name="zzz")
    ref = actors.launch(Probe(trap_exits=True))
    actors.send(("shell", aa.name), ref) if aa("register(shell, self())") == "true" else None
    aa("receive P when is_pid(P) -> yes = global:register_name(mx, P) end")
    zz("yes = global:register_name(mx, spawn(fun() -> receive stop -> ok end end))")
    meet(aa, zz)
    assert wait_down(ref, PATIENCE) in ("killed", "noproc")
    assert owners(aa, zz) == {f"'{zz.name}'"}


def test_notify_all_tells_both(join: Join, halves: tuple[Beam, Beam]) -> None:
    aa, zz = halves
    join(aa)
    ref, heard = start_probe()
    aa("register(shell, self())")
    actors.send(("shell", aa.name), ref)
    aa("receive P when is_pid(P) -> yes = global:register_name(mx, P, fun global:notify_all_name/3) end")
    zz(HOLDER)
    meet(aa, zz)
    assert owners(aa, zz) == {"undefined"}
    assert zz("receive {global_name_conflict, mx, Other} -> node(Other) end") == "'py@127.0.0.1'"
    tag, name, other = hear(heard)
    assert (tag, name, other.node) == ("global_name_conflict", "mx", zz.name)
    ref.stop()


def test_two_halves_that_both_know_us_leave_the_name_to_their_meeting(
    join: Join, halves: tuple[Beam, Beam], serve: Serve, lost: Any
) -> None:
    """Our node is connected to both halves before they are to each other: that alone decides nothing."""
    aa, zz = halves
    zz(HOLDER)
    node = join(aa)
    server = serve(("global", "mx"))
    assert node.connect(zz.name)
    assert zz("net_adm:ping('py@127.0.0.1')") == "pong"
    erlang.global_names()._keeper.look()  # what the 30 seconds bring
    assert owners(aa) == {"'py@127.0.0.1'"}
    assert owners(zz) == {f"'{zz.name}'"}
    meet(aa, zz)
    assert owners(aa, zz) == {"'py@127.0.0.1'"}
    assert zz("receive {global_name_conflict, N_} -> N_ end") == "mx"
    assert server.ref.is_alive()
    assert lost.empty()
