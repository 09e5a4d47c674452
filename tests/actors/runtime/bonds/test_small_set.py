"""Sets of bonds that take no room while they have one member or none, beside Python's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.bonds import LINKS, MONITORING, WATCHERS, Bonds

CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")))


@given(CHANGES)
def test_it_has_what_an_ordered_set_has(changes: list[tuple[bool, str]]) -> None:
    bonds = Bonds()
    model: dict[str, None] = {}
    for add, member in changes:
        if add:
            bonds.add(WATCHERS, member)
            model[member] = None
        else:
            assert bonds.remove(WATCHERS, member) == (member in model)
            model.pop(member, None)
        assert list(bonds.members(WATCHERS)) == list(model)
        assert [each for each in "abcd" if bonds.has(WATCHERS, each)] == sorted(model)
    assert bonds.members(LINKS) == bonds.members(MONITORING) == ()


def test_one_member_takes_no_room_of_its_own() -> None:
    bonds, only = Bonds(), object()
    bonds.add(LINKS, only)
    assert bonds._sets[LINKS] is only
    bonds.remove(LINKS, only)
    assert bonds._sets[LINKS] is None


def test_it_may_change_while_its_members_are_gone_through() -> None:
    bonds = Bonds()
    for each in "ab":
        bonds.add(LINKS, each)
    seen = []
    for each in bonds.members(LINKS):
        bonds.remove(LINKS, each)
        seen.append(each)
    assert seen == ["a", "b"]
    assert bonds.members(LINKS) == ()
