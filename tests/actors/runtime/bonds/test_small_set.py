"""Sets that take no room while they have one member or none, beside Python's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.refs import SmallSet, has, members, with_member, without

CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")))


@given(CHANGES)
def test_it_has_what_an_ordered_set_has(changes: list[tuple[bool, str]]) -> None:
    few: SmallSet[str] = None
    model: dict[str, None] = {}
    for add, member in changes:
        if add:
            few = with_member(few, member)
            model[member] = None
        else:
            few = without(few, member)
            model.pop(member, None)
        assert list(members(few)) == list(model)
        assert [each for each in "abcd" if has(few, each)] == sorted(model)


def test_one_member_takes_no_room_of_its_own() -> None:
    only = object()
    assert with_member(None, only) is only
    assert without(only, only) is None


def test_it_may_change_while_its_members_are_gone_through() -> None:
    few: SmallSet[str] = with_member(with_member(None, "a"), "b")
    seen = []
    for each in members(few):
        few = without(few, each)
        seen.append(each)
    assert seen == ["a", "b"]
    assert few is None
