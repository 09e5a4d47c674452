"""The harness itself: what the other tests of this folder stand on."""

from __future__ import annotations

import pytest

from tests.beam.beams import Beam, BeamError, Beams, Epmd


def test_expressions_have_values_on_one_line(beam: Beam) -> None:
    assert beam("1 + 1") == "2"
    assert beam("lists:seq(1, 3).") == "[1,2,3]"
    assert beam('{"text", <<"octets">>, \'An atom\', #{a => 1.5}}') == (
        '{"text",<<"octets">>,\'An atom\',#{a => 1.5}}'
    )
    assert beam("[252, 8364]") == "[252,8364]"


def test_bindings_and_the_process_stay(beam: Beam) -> None:
    beam("Me = self()")
    assert beam("Me =:= self()") == "true"
    assert beam("self() ! hello, receive Hello -> Hello end") == "hello"
    assert beam("Passing_ = 1") == "1"
    assert beam("Passing_ = 2") == "2"


def test_exceptions_are_told_with_their_class(beam: Beam) -> None:
    for text, kind, term in [
        ("error(bad)", "error", "bad"),
        ("exit(gone)", "exit", "gone"),
        ("throw(ball)", "throw", "ball"),
        ("exit(self(), kill), receive never -> ok end", "died", "killed"),
    ]:
        with pytest.raises(BeamError) as caught:
            beam(text)
        assert (caught.value.kind, caught.value.term) == (kind, term)
    assert beam("still_alive") == "still_alive"


def test_a_module_can_be_loaded(beam: Beam) -> None:
    beam.load("-module(twice).\n-export([of_/1]).\nof_(X) -> 2 * X.\n")
    assert beam("twice:of_(21)") == "42"


def test_two_nodes_know_each_other(two_beams: tuple[Beam, Beam]) -> None:
    one, other = two_beams
    assert one("nodes()") == f"['{other.name}']"
    assert other("nodes()") == f"['{one.name}']"


def test_a_node_that_is_killed_is_gone(beams: Beams, beam: Beam) -> None:
    other = beams.start()
    beam("net_kernel:monitor_nodes(true)")
    beam.connect(other.name)
    assert beam("receive {nodeup, Up} -> Up end") == f"'{other.name}'"
    other.kill()
    assert beam("receive {nodedown, Down} -> Down end") == f"'{other.name}'"
    with pytest.raises(ConnectionError):
        other("1")


def test_epmd_knows_the_nodes_and_forgets_them(epmd: Epmd, beams: Beams) -> None:
    node = beams.start("known")
    assert epmd.names()["known"] == int(node('element(2, erl_epmd:port_please("known", {127,0,0,1}))'))
    beams.close()
    while "known" in epmd.names():
        pass


def test_epmd_can_be_killed_and_started_again() -> None:
    own = Epmd()
    assert own.names() == {}
    own.stop()
    with pytest.raises(ConnectionError):
        own.names()
    own.start()
    assert own.names() == {}
    own.stop()


def test_a_python_process_is_driven_in_the_same_way(beams: Beams) -> None:
    node = beams.start_python()
    node("x = 20")
    assert node("x + 1") == "21"
    with pytest.raises(BeamError) as caught:
        node("1 / 0")
    assert caught.value.kind == "ZeroDivisionError"
