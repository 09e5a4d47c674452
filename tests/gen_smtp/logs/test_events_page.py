"""docs/events.md has every event with all of its fields."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from gen_smtp.logs.fields import OWN_FIELDS, RENAMED
from tests import events_page

ROOT = Path(__file__).parents[3]
CLASS = re.compile(r"^class (\w+)\(.*Event\):", re.MULTILINE)
BASES = {"SmtpEvent", "ProcessEvent", "BeamEvent", "QueueEvent"}
ROOMS = ("actors", "beam", "gen_smtp")
DOCUMENTED = [kind for module, _ in events_page.MODULES for kind in events_page.events_of(module)]


def test_the_page_is_what_the_code_says() -> None:
    page = events_page.PAGE.read_text()
    assert page == events_page.page_with(page), "run: python -m tests.events_page"


def test_no_event_is_left_out() -> None:
    sources = (path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    written = {
        name for text in sources for name in re.findall(r"^class (\w+)\(.*Event\):", text, re.MULTILINE)
    }
    documented = {kind.__name__ for kind in DOCUMENTED}
    assert written - documented == BASES


def test_no_field_has_the_name_of_what_every_line_has() -> None:
    for kind in DOCUMENTED:
        names = {each.name for each in dataclasses.fields(kind)} | set(kind.derived)
        assert not (names - set(RENAMED)) & (set(OWN_FIELDS) | {"peer_port"}), kind
