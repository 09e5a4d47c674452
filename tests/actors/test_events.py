"""What happens, as typed events: subscribers, and the log as the first of them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from actors import events
from actors.events import LONGEST_TEXT, Event, emit, printable, subscribe, wanted


@dataclass(frozen=True, slots=True)
class Happened(Event):
    """An event of these tests."""

    logger: ClassVar[logging.Logger] = logging.getLogger("actors.test")
    level: ClassVar[int] = logging.DEBUG
    text: ClassVar[str] = "{what} happened"
    what: Any


@dataclass(frozen=True, slots=True)
class Other(Event):
    """Another one."""

    level: ClassVar[int] = logging.DEBUG
    text: ClassVar[str] = "other"


@pytest.fixture
def got() -> Generator[list[Any]]:
    """What a subscriber to `Happened` was called with."""
    seen: list[Any] = []
    unsubscribe = subscribe(Happened, seen.append)
    yield seen
    unsubscribe()


def test_a_subscriber_gets_the_events_of_its_type_alone(got: list[Any]) -> None:
    emit(Happened("it"))
    emit(Other())
    assert got == [Happened("it")]


def test_a_subscriber_to_event_gets_all() -> None:
    seen: list[Any] = []
    unsubscribe = subscribe(Event, seen.append)
    emit(Happened("it"))
    emit(Other())
    unsubscribe()
    emit(Other())
    assert seen == [Happened("it"), Other()]


def test_an_event_is_wanted_while_somebody_subscribes() -> None:
    assert not wanted(Happened)
    unsubscribe = subscribe(Happened, print)
    assert wanted(Happened)
    assert not wanted(Other)
    unsubscribe()
    unsubscribe()
    assert not wanted(Happened)
    unsubscribe = subscribe(Event, print)
    assert wanted(Happened)
    unsubscribe()


def test_an_event_is_wanted_while_its_logger_is_loud_enough(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "actors.test"):
        assert wanted(Happened)
        emit(Happened("it"))
    assert not wanted(Happened)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("actors.test", "it happened")
    ]


def test_a_subscriber_that_fails_is_logged_and_keeps_no_other_from_hearing(
    got: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsubscribe = subscribe(Happened, lambda _: 1 / 0)
    late: list[Any] = []
    unsubscribe_late = subscribe(Happened, late.append)
    emit(Happened("it"))
    unsubscribe()
    unsubscribe_late()
    assert got == late == [Happened("it")]
    assert "a subscriber to Happened failed" in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 日本", "Grüße, 日本"),
        ("forged\r\nline", "forged\\x0d\\x0aline"),
        ("\x1b[31mred\x7f\x85", "\\x1b[31mred\\x7f\\x85"),
        ("\u2028", "\\u2028"),
        ("x" * LONGEST_TEXT, "x" * LONGEST_TEXT),
        ("x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT + "…"),
    ],
)
def test_text_for_a_log_forges_no_line_and_has_an_end(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(Happened(text)) == f"{shown} happened"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(7, "7"), (("127.0.0.1", 25), "('127.0.0.1', 25)"), (LookupError("why"), "LookupError('why')")],
)
def test_values_are_shown_by_their_text_and_exceptions_with_their_type(value: Any, shown: str) -> None:
    assert str(Happened(value)) == f"{shown} happened"


def test_a_crash_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    error = LookupError("boom")
    emit(events.ActorCrashed("Actor (urn)", error))
    (record,) = caplog.records
    assert record.getMessage() == "Actor (urn) crashed: LookupError('boom')"
    assert record.exc_info is not None
    assert record.exc_info[1] is error
