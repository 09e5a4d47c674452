"""What happens, as typed events: subscribers, and the log as the first of them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import gevent
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


FAULTS: list[BaseException] = [
    LookupError("no metrics server"),
    gevent.Timeout(1),
    SystemExit(3),
    gevent.GreenletExit(),
    KeyboardInterrupt(),
    BaseException("bare"),
]
names_of_faults = [type(fault).__name__ for fault in FAULTS]


def failing(fault: BaseException) -> Any:
    """A function that raises, whatever it is called with."""

    def fail(*args: Any) -> Any:
        raise fault

    return fail


@contextmanager
def broken_log(fault: BaseException, *, how: str) -> Generator[None]:
    """A log that has a filter or a handler that raises."""
    logger = logging.getLogger("actors")
    handler = logging.NullHandler()
    if how == "handler":
        handler.handle = failing(fault)  # type: ignore[method-assign]
        logger.addHandler(handler)
    else:
        logger.addFilter(fail := failing(fault))
    try:
        yield
    finally:
        if how == "handler":
            logger.removeHandler(handler)
        else:
            logger.removeFilter(fail)


@pytest.mark.parametrize("fault", FAULTS, ids=names_of_faults)
class TestFaultsOfObservers:
    def test_a_subscriber_is_contained_and_logged_once(
        self, fault: BaseException, got: list[Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        unsubscribe = subscribe(Happened, failing(fault))
        emit(Happened("it"))
        unsubscribe()
        assert got == [Happened("it")]
        (record,) = caplog.records
        assert record.getMessage() == "a subscriber to Happened failed"
        assert record.exc_info is not None
        assert record.exc_info[1] is fault

    @pytest.mark.parametrize("how", ["filter", "handler"])
    def test_the_log_is_contained_and_told_on_stderr_once(
        self, fault: BaseException, how: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        heard: list[Any] = []
        unsubscribe = subscribe(events.ActorCrashed, heard.append)
        with broken_log(fault, how=how):
            emit(events.ActorCrashed("Actor (urn)", LookupError("boom")))
        unsubscribe()
        assert [event.actor for event in heard] == ["Actor (urn)"]
        said = capsys.readouterr().err
        assert said.count("the log of ActorCrashed failed:") == 1
        assert type(fault).__name__ in said

    def test_both_at_once_are_contained(
        self, fault: BaseException, got: list[Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        unsubscribe = subscribe(Happened, failing(fault))
        with broken_log(fault, how="filter"):
            emit(Happened("it"))
        unsubscribe()
        assert got == [Happened("it")]
        assert type(fault).__name__ in capsys.readouterr().err

    def test_nor_can_stderr_end_anything(self, fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stderr", SimpleNamespace(write=failing(fault), flush=failing(fault)))
        with broken_log(fault, how="handler"):
            emit(events.ActorCrashed("Actor (urn)", LookupError("boom")))

    def test_an_object_that_cannot_be_shown_is_said_to_be_so(
        self, fault: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        cannot = type("Shy", (), {"__str__": failing(fault), "__repr__": failing(fault)})
        with caplog.at_level(logging.DEBUG, "actors.test"):
            emit(Happened(cannot()))
        name = type(fault).__name__
        assert [record.getMessage() for record in caplog.records] == [
            f"<Shy, whose repr raised {name}> happened"
        ]


def test_each_subscription_is_its_own() -> None:
    heard: list[Any] = []
    first, second = subscribe(Happened, heard.append), subscribe(Happened, heard.append)
    emit(Happened("it"))
    assert len(heard) == 2
    first()
    first()
    emit(Happened("again"))
    assert len(heard) == 3
    second()
    emit(Happened("once more"))
    assert len(heard) == 3


def test_an_event_of_the_base_type_is_told_once() -> None:
    heard: list[Any] = []
    unsubscribe = subscribe(Event, heard.append)
    emit(Event())
    unsubscribe()
    assert heard == [Event()]


def test_no_subscription_of_another_thread_is_lost() -> None:
    heard: list[Any] = []
    ends: list[Any] = []
    barrier = threading.Barrier(8)

    def subscribe_and_leave() -> None:
        barrier.wait()
        for number in range(500):
            end = subscribe(Happened, heard.append)
            if number % 2:
                end()
            else:
                ends.append(end)

    threads = [threading.Thread(target=subscribe_and_leave) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    emit(Happened("it"))
    assert len(heard) == 8 * 250
    for end in ends:
        end()
    assert not wanted(Happened)


def test_one_that_leaves_while_it_is_told_harms_nobody(got: list[Any]) -> None:
    ends: list[Any] = []

    def leave(event: Event) -> None:
        for end in ends:
            end()
        ends.append(subscribe(Happened, got.append))

    ends += [subscribe(Happened, leave), subscribe(Happened, failing(AssertionError("it has left")))]
    emit(Happened("it"))
    assert got == [Happened("it")]  # who comes meanwhile hears the next one
    emit(Happened("again"))
    assert got == [Happened("it"), Happened("again"), Happened("again")]
    ends[-1]()


def test_the_text_of_an_exception_forges_no_line_of_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            raise LookupError("first\nERROR forged 1")
        except LookupError as cause:
            cause.add_note("a note\r\nERROR forged 2")
            error = ExceptionGroup("many\nERROR forged 3", [ValueError("one\u2028ERROR forged 4\n5")])
            raise error from cause
    except ExceptionGroup as raised:
        emit(events.ActorCrashed("Actor (urn)", raised))
    (record,) = caplog.records
    text = logging.Formatter().format(record)
    assert not [line for line in text.splitlines() if line.strip(" |+-").startswith(("ERROR", "5"))]
    assert "LookupError: first\\x0aERROR forged 1" in text.splitlines()
    assert "a note\\x0d\\x0aERROR forged 2" in text.splitlines()
    assert "direct cause" in text
    assert 'raise LookupError("first' in text  # as long as the source is to be had


def test_the_text_of_a_subscribers_fault_forges_no_line(caplog: pytest.LogCaptureFixture) -> None:
    unsubscribe = subscribe(Happened, failing(LookupError("no\nERROR forged")))
    emit(Happened("it"))
    unsubscribe()
    (record,) = caplog.records
    assert "LookupError: no\\x0aERROR forged" in logging.Formatter().format(record).splitlines()


def test_a_crash_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    error = LookupError("boom")
    emit(events.ActorCrashed("Actor (urn)", error))
    (record,) = caplog.records
    assert record.getMessage() == "Actor (urn) crashed: LookupError('boom')"
    assert record.exc_info is not None
    assert record.exc_info[1] is error
