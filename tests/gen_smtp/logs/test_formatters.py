"""Each form of the log: its fields, its escapes, and one line for each thing."""

from __future__ import annotations

import io
import json
import logging
import re
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp import events
from gen_smtp.logs import FORMATS, LogFormat, make_formatter
from gen_smtp.process import child_process

PEER = IPv4Address("192.0.2.7")
TAKEN = events.MessageTaken(
    "urn:1", PEER, "a@x.test", ("b@y.test", "c@y.test"), 7, "250 queued as 4711", helo="client.test"
)
CONTROL = "\r\n2026-01-01 00:00:00,000 INFO gen_smtp: forged\x1b[2J\x00\u2028\u202e\x85"
EVERYTHING_ODD = "".join(each for each in map(chr, range(0x3000)) if not each.isprintable()) + "\ud800"


@contextmanager
def written(form: LogFormat) -> Generator[tuple[logging.Logger, io.StringIO]]:
    """A logger, and what it writes in a form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter(form))
    logger = logging.Logger("mine", logging.DEBUG)
    logger.addHandler(handler)
    yield logger, stream


def line_of(form: LogFormat, message: Any, *args: Any, level: int = logging.INFO, **options: Any) -> str:
    """What one logging call writes."""
    with written(form) as (logger, stream):
        logger.log(level, message, *args, **options)
        return stream.getvalue()


def fields(message: Any, *args: Any, **options: Any) -> dict[str, Any]:
    found = json.loads(line_of("json", message, *args, **options))
    assert isinstance(found, dict)
    return found


class TestJson:
    def test_a_message_has_everything_about_it(self) -> None:
        line = fields("%s", TAKEN)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
        assert isinstance(line.pop("pid"), int)
        assert line == {
            "level": "info",
            "logger": "mine",
            "event": "MessageTaken",
            "message": str(TAKEN),
            "session": "urn:1",
            "peer": "192.0.2.7",
            "sender": "a@x.test",
            "recipients": ["b@y.test", "c@y.test"],
            "size": 7,
            "reply": "250 queued as 4711",
            "seconds": 0.0,
            "helo": "client.test",
            "refused": 0,
            "queue_id": "4711",
            "verdict": "taken",
        }

    def test_addresses_are_written_as_people_write_them(self) -> None:
        opened = fields("%s", actor_events.SessionOpened("urn:1", ("192.0.2.7", 4711), "[::]:25"))
        assert (opened["peer"], opened["peer_port"], opened["listener"]) == ("192.0.2.7", 4711, "[::]:25")
        started = actor_events.ServerStarted("it", (("::", 25, 0, 0), "/run/mail.sock"))
        assert fields("%s", started)["addresses"] == ["[::]:25", "/run/mail.sock"]

    def test_what_is_no_number_of_json_is_text(self) -> None:
        assert fields("%s", events.BuffersFull(float("inf")))["limit"] == "inf"

    def test_a_logger_of_ones_own_adds_fields_and_replaces_none(self) -> None:
        line = fields("got %d", 3, extra={"customer": "x", "level": "none", "items": (1, None)})
        assert (line["message"], line["customer"], line["level"]) == ("got 3", "x", "info")
        assert line["items"] == ["1", "None"]

    def test_an_exception_is_one_field_and_its_text_one_line_of_it(self) -> None:
        try:
            raise ValueError(CONTROL)
        except ValueError as error:
            line = fields("failed", exc_info=error)
        trace = line["exception"].splitlines()
        assert trace[0].startswith("Traceback")
        assert trace[-1].startswith("ValueError: \\x0d\\x0a2026-01-01")

    def test_a_worker_says_which(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "worker" not in fields("x")
        monkeypatch.setattr(child_process, "_number", 3)
        assert fields("x")["worker"] == 3
        assert re.search(r" INFO mine\[worker 3, pid \d+\]: x\n$", line_of("text", "x"))


class TestLogfmt:
    def test_pairs_with_quotes_where_they_are_needed(self) -> None:
        line = line_of("logfmt", 'a "b" c\n', extra={"n": 3, "empty": "", "flag": True, "w x": "p=q"})
        assert ' message="a \\"b\\" c\\n" ' in line
        assert line.endswith(' n=3 flag=true w_x="p=q"\n')

    def test_an_event_has_its_fields(self) -> None:
        pairs = dict(each.partition("=")[::2] for each in shlex.split(line_of("logfmt", "%s", TAKEN)))
        assert (pairs["recipients"], pairs["queue_id"]) == ("b@y.test,c@y.test", "4711")


class TestJournald:
    @pytest.mark.parametrize(
        ("level", "priority"),
        [
            (logging.DEBUG, 7),
            (logging.INFO, 6),
            (logging.WARNING, 4),
            (logging.ERROR, 3),
            (logging.CRITICAL, 2),
        ],
    )
    def test_each_level_has_its_priority_and_no_line_has_a_time(self, level: int, priority: int) -> None:
        assert line_of("journald", "%s", "hello", level=level) == f"<{priority}>mine: hello\n"

    def test_each_line_of_a_traceback_has_it_too(self) -> None:
        try:
            raise ValueError("no")
        except ValueError as error:
            lines = line_of("journald", "failed", exc_info=error, level=logging.ERROR).splitlines()
        assert len(lines) > 2
        assert all(each.startswith("<3>") for each in lines)


class TestForgery:
    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("text", [CONTROL, EVERYTHING_ODD], ids=["line", "characters"])
    def test_no_text_of_a_client_makes_a_line(self, form: LogFormat, text: str) -> None:
        event = events.CommandRefused("urn:1", PEER, text, text, text, sender=text, helo=text)
        for line in (
            line_of(form, "%s", event),
            line_of(form, "got %s", text),
            line_of(form, "x", extra={"y": text}),
        ):
            assert line.endswith("\n")
            assert line[:-1].isprintable()

    @pytest.mark.parametrize("form", FORMATS)
    def test_no_exception_does(self, form: LogFormat) -> None:
        try:
            raise ValueError(CONTROL)
        except ValueError as error:
            written_by_us = line_of(form, "failed", exc_info=error)
        assert not re.search(r"^(<\d>)?2026-01-01", written_by_us, re.MULTILINE)
        assert "\x1b" not in written_by_us

    def test_json_can_be_read_back(self) -> None:
        event = events.Authenticated("urn:1", PEER, "PLAIN", CONTROL)
        assert fields("%s", event)["username"] == CONTROL
