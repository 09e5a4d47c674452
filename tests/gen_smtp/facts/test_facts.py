"""What is known of a process that serves: the tree of actors, sessions by the page, figures, totals."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

import actors
from gen_smtp import facts
from tests.gen_smtp.live import MESSAGE, PATIENCE, RCPT, Server, behaviour, serving


def look(function: Any, *args: Any, **kwargs: Any) -> Any:
    """What a function of `facts` says, called as its users do."""
    return actors.spawn(lambda: function(*args, **kwargs)).get(timeout=PATIENCE)


@pytest.fixture
def server() -> Generator[Server]:
    with serving(behaviour()) as server:
        yield server


def test_a_session_shows_what_it_is_doing(server: Server) -> None:
    with server.greeted(*RCPT) as client:
        (shown,) = look(facts.sessions, server.ref).sessions
        assert (shown.peer, shown.helo, shown.sender) == ("127.0.0.1", "client.test", "a@x.test")
        assert (shown.recipients, shown.recipient_count) == (("b@y.test",), 1)
        assert (shown.port, shown.process) == (client.socket.getsockname()[1], os.getpid())
        assert shown.listener == f"127.0.0.1:{server.addresses[0][1]}"
        assert (shown.state, shown.callback, shown.tls, shown.user) == ("command", "Scripted", None, None)
        client.say("DATA")
        assert look(facts.session, server.ref, shown.urn).state == "message"
        client.send(MESSAGE)
        client.reply()
        after = look(facts.session, server.ref, shown.urn)
        assert (after.messages, after.octets, after.sender) == (1, 25, None)


def test_a_session_held_up_in_a_callback_is_seen_at_once() -> None:
    held = threading.Event()
    module = behaviour(handle_VRFY=lambda self, address: held.wait() and None, blocking={"handle_VRFY"})
    with serving(module) as server, server.greeted("EHLO client.test") as client:
        client.send("VRFY someone\r\n")
        # It was read when the first look finds a turn that waits; there may be one look before that.
        while (state := look(facts.sessions, server.ref).sessions[0].state) == "command":
            pass
        held.set()
        assert state == "callback"


def test_sessions_come_by_the_page_and_none_is_missed_or_told_twice(server: Server) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(server.greeted()) for _ in range(7)]
        first = look(facts.sessions, server.ref, limit=3)
        assert (len(first.sessions), first.total) == (3, 7)
        clients[0].say("QUIT")  # a session of the page before: the others stay where they are
        while look(facts.session, server.ref, first.sessions[0].urn) is not None:
            pass
        second = look(facts.sessions, server.ref, after=first.next, limit=3)
        third = look(facts.sessions, server.ref, after=second.next, limit=3)
        told = [*first.sessions, *second.sessions, *third.sessions]
        assert [each.port for each in told] == [each.socket.getsockname()[1] for each in clients]
        assert (second.total, third.next) == (6, None)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 2),
        ({"peer": "127.0.0.2"}, 1),
        ({"peer": "127.0.0.3"}, 0),
        ({"user": "nobody"}, 0),
        ({"listener": "127.0.0.1:1"}, 0),
        ({"idle": 3600.0}, 0),
        ({"idle": 0.0}, 2),
    ],
)
def test_sessions_are_chosen(server: Server, wanted: dict[str, Any], count: int) -> None:
    with server.client(source="127.0.0.2") as one, server.greeted():
        one.reply()
        assert look(facts.sessions, server.ref, facts.Wanted(**wanted)).total == count


def test_an_unknown_or_ended_session_is_none(server: Server) -> None:
    assert look(facts.session, server.ref, "urn:actor:none:1") is None
    assert look(facts.session_ref, server.ref, "urn:actor:none:1") is None


def test_the_tree_has_each_actor_behind_the_one_that_it_belongs_to(server: Server) -> None:
    with server.greeted(), server.greeted():
        tree = look(facts.actors, under=server.ref.actor_urn)
        assert [each.kind for each in tree] == ["server", "listener", "session", "session"]
        root, listener, session = tree[:3]
        assert (root.depth, root.child_count, root.hidden) == (0, 3, 0)
        assert {each.owner for each in tree[1:]} == {root.urn}
        assert listener.about == f"127.0.0.1:{server.addresses[0][1]}"
        assert (session.about, session.state, session.mailbox) == ("127.0.0.1", "idle", 0)
        assert root.age is None
        assert session.age is not None
        assert listener.monitored_by == 1


def test_a_long_list_of_children_is_cut_and_goes_on(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(server.greeted())
        urn = server.ref.actor_urn
        first = look(facts.actors, under=urn, limit=3)
        assert (len(first), first[0].hidden) == (4, 2)
        rest = look(facts.actors, under=urn, after=first[-1].urn, limit=3)
        assert (len(rest), rest[0].hidden) == (3, 0)
        assert not {each.urn for each in rest[1:]} & {each.urn for each in first[1:]}
        assert len(look(facts.actors, under=urn, depth=0)) == 1


def test_the_tree_shows_names_links_and_what_waits() -> None:
    class Mute(actors.GeventActor):
        def on_receive(self, message: Any) -> None: ...

    one, other = actors.launch(Mute()), actors.launch(Mute())
    try:
        actors.register("mute", one)
        actors.link(one, other)
        actors.sys.suspend(one)
        one.tell("hello")
        (shown,) = look(facts.actors, under=look(one_urn, one))
        assert (shown.name, shown.state, shown.mailbox) == ("mute", "suspended", 1)
        assert (shown.links, shown.link_count, shown.kind) == ((other.actor_urn,), 1, "actor")
    finally:
        one.kill()
        actors.wait_down(other, PATIENCE)


def one_urn(ref: Any) -> str:
    return str(ref.actor_urn)


def test_an_unknown_actor_is_an_error() -> None:
    with pytest.raises(LookupError, match="urn:none"):
        look(facts.actors, under="urn:none")


def test_figures(server: Server) -> None:
    with server.greeted():
        figures = look(facts.figures, server.ref, 1000.0)
        assert (figures.process, figures.sessions, figures.arriving) == (os.getpid(), 1, 0)
        assert (figures.most_sessions, figures.suspended) == (10_000, False)
        assert figures.actors >= 3
        assert figures.memory > 2**20
        assert figures.cpu > 0
        assert figures.uptime == figures.time - 1000.0
        (listener,) = figures.listeners
        assert (listener.sessions, listener.listens, listener.service) == (1, True, "smtp")
        assert figures.totals == {}


def test_totals_count_by_what_it_was() -> None:
    totals = facts.Totals()
    try:
        with serving(behaviour()) as server:
            with server.greeted(*RCPT, "DATA") as client:
                client.send(MESSAGE)
                client.reply()
                client.say("RCPT TO:<x@y.test>", "NONSENSE", "QUIT")
                client.rest()
            with server.greeted():
                pass
        counted = totals.as_mapping()
    finally:
        totals.close()
    assert (counted["messages"], counted["octets"], counted["recipients"]) == (1, 25, 1)
    assert counted["refused"] == 2
    assert counted["refused.RCPT.503"] == counted["refused.other.500"] == 1
    assert counted["sessions_opened"] == counted["sessions_closed"] == 2
    assert list(counted) == sorted(counted)


def test_nothing_counts_behind_close() -> None:
    totals = facts.Totals()
    totals.close()
    with serving() as server, server.greeted():
        assert totals.as_mapping() == {}


def test_facts_of_a_server_that_has_ended_are_empty() -> None:
    with serving() as server:
        pass
    assert look(facts.sessions, server.ref).sessions == ()
    assert look(facts.listeners, server.ref) == ()
    assert look(facts.figures, server.ref, 0.0).sessions == 0


def test_facts_become_json(server: Server) -> None:
    with server.greeted():
        for each in (
            look(facts.sessions, server.ref),
            look(facts.actors),
            look(facts.figures, server.ref, 0.0),
        ):
            assert json.loads(json.dumps(facts.as_plain(each)))
