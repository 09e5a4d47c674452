import dataclasses
from typing import Any, get_args

import pytest

from gen_smtp.protocol.questions import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    SEND,
    Authenticate,
    Hello,
    Mail,
    MessageChunk,
    MessageComplete,
    Notice,
    Question,
    Rcpt,
)

KINDS = [*get_args(Question), *get_args(Notice)]


OF_EVERY_MESSAGE = {Hello, Mail, Rcpt, MessageChunk, MessageComplete}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_slotted(kind: Any) -> None:
    assert not hasattr(kind(*("x" for _ in dataclasses.fields(kind))), "__dict__")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OF_EVERY_MESSAGE])
def test_steps_are_immutable_but_those_that_every_message_brings(kind: Any) -> None:
    step = kind(*("x" for _ in dataclasses.fields(kind)))
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(step, field.name, "y")


def test_no_repr_shows_a_credential_or_a_message() -> None:
    assert "secret" not in repr(Authenticate("plain", "user", "secret"))
    assert "secret" not in repr(MessageChunk(b"secret"))


def test_steps_of_different_kinds_are_never_equal() -> None:
    steps: list[object] = [Mail("a@b"), Mail("a@b"), Rcpt("a@b")]
    assert steps[0] == steps[1]
    assert steps[1] != steps[2]


def test_steps_match_by_position() -> None:
    match MessageComplete("a@b", ["c@d"]):
        case MessageComplete(sender, [recipient]):
            assert (sender, recipient) == ("a@b", "c@d")


def test_the_sentinels_differ() -> None:
    assert len({NEED_DATA, PAUSED, CLOSED, SEND}) == 4
