"""Makes the tables of docs/events.md from the code: `python -m tests.events_page` writes the page anew."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import actors.events
import beam.events
import gen_smtp.control.events
import gen_smtp.events
import gen_smtp.forward.events
import gen_smtp.maildir.handler
import gen_smtp.process.events
import gen_smtp.queue.queue_events
from actors.events import Event
from gen_smtp.logs.fields import OWN_FIELDS, RENAMED

PAGE = Path(__file__).parents[1] / "docs" / "events.md"
BEGIN, END = "<!-- made from the code -->", "<!-- the end of what is made -->"

MODULES: tuple[tuple[ModuleType, str], ...] = (
    (gen_smtp.events, "Sessions of SMTP"),
    (actors.events, "Servers, listeners, connections and actors"),
    (gen_smtp.process.events, "Processes"),
    (gen_smtp.control.events, "The control socket"),
    (gen_smtp.maildir.handler, "Maildir"),
    (gen_smtp.queue.queue_events, "The queue"),
    (gen_smtp.forward.events, "Handing mail to the next host"),
    (beam.events, "Nodes and names of an Erlang cluster"),
)

COMMON = {
    "session": "the session's name, the same in all its lines",
    "peer": "the client's address; `peer_port` where its port is known; absent on a unix socket",
    "actor": "the actor's name",
    "server": "the server's name",
    "supervisor": "the supervisor's name",
    "child": "the name of the child in its specification",
    "hook": "the method that raised",
    "address": "where it listens",
    "addresses": "where the listeners listen",
    "protocol": "`tcp` or `ssl`",
    "reason": "why",
    "error": "the exception",
    "seconds": "how long",
    "stack": "where the hub is",
    "sessions": "how many there are",
    "version": "of TLS",
    "cipher": "of TLS",
    "mechanism": "of AUTH",
    "username": "who wants to authenticate",
    "limit": "the option that sets the limit",
    "callback": "the callback's name",
    "value": "what it returned",
    "allowed": "what it may return",
    "pid": "the other process",
    "how": "how it ended",
    "what": "what was to be done",
    "why": "why",
    "facts": "what XFORWARD said",
    "proxy": "the proxy's address",
    "login": "who has logged in, as XCLIENT says",
    "sender": "who said so",
    "node": "the node",
    "name": "the name",
    "port": "the port",
    "broker": "where the broker is",
    "queue": "the queue's name",
    "message_id": "the message's id",
    "recipients": "whom it is for",
    "reported": "whether its sender gets a report",
    "request": "what was asked",
    "arguments": "and its arguments",
    "user": "the number of the user who asked",
    "output": "what it has written",
    "where": "where it is written",
    "size": "octets",
    "ref": "the process that had the name",
    "holder": "the process that has it",
}
"""What fields mean of which their event says nothing itself."""


_FIELD = re.compile(r"^(\w[\w, ]*): (.*(?:\n .*)*)", re.MULTILINE)


def events_of(module: ModuleType) -> Iterator[type[Event]]:
    """The events that a module has, in the order of its lines; not those that only others derive from."""
    for value in vars(module).values():
        is_event = inspect.isclass(value) and issubclass(value, Event) and value.__module__ == module.__name__
        if is_event and value.text:
            yield value


def meanings(event_type: type[Event]) -> dict[str, str]:
    """What the docstrings of an event and its bases say of its fields."""
    found: dict[str, str] = {}
    for kind in reversed(event_type.__mro__[:-1]):
        _, _, text = (inspect.getdoc(kind) or "").partition("Attributes:\n")
        for names, meaning in re.findall(
            r"^(\w[\w, ]*): (.*(?:\n .*)*)", textwrap.dedent(text), re.MULTILINE
        ):
            for name in names.split(", "):
                found[name] = " ".join(meaning.split())
    return found


def meaning_of(event_type: type[Event], name: str) -> str:
    """What a field means."""
    said = meanings(event_type).get(name) or COMMON.get(name)
    if said is None:
        raise LookupError(f"{event_type.__name__}.{name} has no meaning: write it into the docstring")
    return said.rstrip(".")


def described(event_type: type[Event]) -> str:
    """The paragraph and the table of an event."""
    about = (inspect.getdoc(event_type) or "").partition("\n\nAttributes:")[0]
    level = logging.getLevelName(event_type.level).lower()
    names = [*(each.name for each in dataclasses.fields(event_type)), *event_type.derived]
    rows = [f"| `{RENAMED.get(name, name)}` | {_cell(meaning_of(event_type, name))} |" for name in names]
    head = f"### {event_type.__name__}\n\nLevel {level}. {' '.join(about.split())}\n\n"
    return head + "\n".join(["| field | |", "|---|---|", *rows]) + "\n"


def made() -> str:
    """All that is made, between the two marks."""
    parts = ["## What every line has\n\n| field | |\n|---|---|"]
    parts[0] += "".join(f"\n| `{name}` | {_cell(meaning)} |" for name, meaning in OWN_FIELDS.items()) + "\n"
    for module, title in MODULES:
        parts.append(f"## {title}\n\nIn the module `{module.__name__}`.\n")
        parts += [described(each) for each in events_of(module)]
    return "\n".join(parts)


def page_with(text: str) -> str:
    """The page with what is made put in anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n\n{made()}\n{end}{after}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text()))
