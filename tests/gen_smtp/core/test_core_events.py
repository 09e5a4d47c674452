import dataclasses
from typing import Any, get_args

import pytest

from gen_smtp.core.events import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    SEND,
    Authenticate,
    Mail,
    MessageChunk,
    MessageComplete,
    Notice,
    Question,
    Rcpt,
)

KINDS = [*get_args(Question), *get_args(Notice)]


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_slotted_and_immutable(kind: Any) -> None:
    event = kind(*("x" for _ in dataclasses.fields(kind)))
    assert not hasattr(event, "__dict__")
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, field.name, "y")


def test_no_repr_shows_a_credential_or_a_message() -> None:
    assert "secret" not in repr(Authenticate("plain", "user", "secret"))
    assert "secret" not in repr(MessageChunk(b"secret"))


def test_events_of_different_kinds_are_never_equal() -> None:
    events: list[object] = [Mail("a@b"), Mail("a@b"), Rcpt("a@b")]
    assert events[0] == events[1]
    assert events[1] != events[2]


def test_events_match_by_position() -> None:
    match MessageComplete("a@b", ["c@d"]):
        case MessageComplete(sender, [recipient]):
            assert (sender, recipient) == ("a@b", "c@d")


def test_the_sentinels_differ() -> None:
    assert len({NEED_DATA, PAUSED, CLOSED, SEND}) == 4
