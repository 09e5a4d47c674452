"""Process groups: members join and leave, by themselves when they end, and who watches hears it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import actors
from actors import pg
from tests.actors.helpers import SECONDS, hear, start_probe


@pytest.fixture(autouse=True)
def _no_scopes() -> Iterator[None]:
    yield
    for name in [each for each in actors.registered() if str(each).startswith("pg:")]:
        ref = actors.whereis(name)
        if ref is not None:
            ref.stop()


def wait_for_left(heard: object) -> None:
    assert isinstance(hear(heard), pg.Left)  # type: ignore[arg-type]


def test_members_join_and_leave_in_order() -> None:
    (one, _), (two, _) = start_probe(), start_probe()
    pg.join("group", one)
    pg.join("group", [two, one])
    assert pg.get_members("group") == [one, two, one]
    assert pg.leave("group", one) is True
    assert pg.get_members("group") == [two, one]
    assert pg.leave("group", [one, two]) is True
    assert pg.leave("group", one) is False
    assert (pg.get_members("group"), pg.which_groups()) == ([], [])
    one.stop(), two.stop()


def test_who_ends_leaves_all_groups_and_who_watches_hears_it() -> None:
    member, _ = start_probe()
    watcher, heard = start_probe()
    pg.join(("any", "term"), member)
    pg.join("b", [member, member])
    assert pg.monitor("b", watcher) == [member, member]
    assert pg.monitor_scope(watcher) == {("any", "term"): [member], "b": [member, member]}
    member.kill()
    left = [hear(heard), hear(heard)]
    assert pg.Left(("any", "term"), (member,)) in left
    assert pg.Left("b", (member, member)) in left
    assert pg.which_groups() == []
    watcher.stop()


def test_who_watches_one_group_hears_of_no_other() -> None:
    (member, _), (watcher, heard) = start_probe(), start_probe()
    pg.monitor("a", watcher)
    pg.join("b", member)
    pg.join("a", member)
    assert hear(heard) == pg.Joined("a", (member,))
    pg.demonitor(watcher, "a")
    pg.leave("a", member)
    pg.monitor_scope(watcher)
    pg.join("c", member)
    assert hear(heard) == pg.Joined("c", (member,))
    pg.demonitor(watcher)
    member.stop(), watcher.stop()
    assert heard.get(timeout=SECONDS)[0] == "on_stop"


def test_scopes_know_nothing_of_each_other() -> None:
    member, _ = start_probe()
    pg.join("group", member, scope="one")
    assert pg.get_members("group") == pg.get_members("group", scope="two") == []
    assert pg.get_members("group", scope="one") == [member]
    assert pg.start("one") is pg.start("one")
    member.stop()


def test_one_that_is_dead_does_not_stay() -> None:
    (dead, _), (watcher, heard) = start_probe(), start_probe()
    dead.stop()
    pg.monitor("group", watcher)
    pg.join("group", dead)
    assert isinstance(hear(heard), pg.Joined)
    assert hear(heard) == pg.Left("group", (dead,))
    watcher.stop()


def test_it_may_be_used_in_a_turn() -> None:
    ref, _ = start_probe()
    ref.ask(lambda actor: pg.join("self", actor.actor_ref), timeout=SECONDS)
    assert ref.ask(lambda _: pg.get_members("self"), timeout=SECONDS) == [ref]
    ref.stop()
