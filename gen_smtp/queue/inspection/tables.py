"""What waits, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.log_text import printable
from gen_smtp.queue.inspection.keeper import QueueCount, Waiting

MOST_RECIPIENTS = 3


def print_list(console: Console, counts: Sequence[QueueCount], waiting: Sequence[Waiting]) -> None:
    """A table of the queues, and one of the messages that wait."""
    queues = Table("queue", "messages", "deliverers")
    for count in counts:
        queues.add_row(_plain(count.name), str(count.messages), str(count.consumers))
    console.print(queues)
    if not waiting:
        return
    table = Table("id", "queue", "from", "to", "tries", "since", "why")
    for each in waiting:
        table.add_row(*map(_plain, _row(each)))
    console.print(table)


def _row(waiting: Waiting) -> tuple[str, ...]:
    mail = waiting.mail
    if mail is None:
        return waiting.message_id, waiting.queue, "-", "-", "-", "-", waiting.problem or ""
    names = [each.address for each in mail.recipients[:MOST_RECIPIENTS]]
    more = len(mail.recipients) - len(names)
    if more:
        names.append(f"and {more} more")
    lasts = [each.last for each in mail.recipients if each.last]
    return (
        waiting.message_id,
        waiting.queue,
        mail.sender or "<>",
        "\n".join(names),
        str(mail.tries),
        _when(mail.arrival),
        waiting.problem or (lasts[0] if lasts else ""),
    )


def print_message(console: Console, waiting: Waiting) -> None:
    """All that is known of a message, and the message."""
    grid = Table.grid(padding=(0, 1))
    for name, value in as_record(waiting).items():
        if value not in (None, "", [], {}):
            shown = value if isinstance(value, str) else json.dumps(value)
            grid.add_row(Text(name, style="dim"), _plain(shown))
    console.print(grid)
    for line in waiting.data.decode(errors="replace").splitlines():
        console.print(_plain(line))


def as_json(counts: Sequence[QueueCount], waiting: Sequence[Waiting]) -> str:
    """The queues and the messages, as one object."""
    queues = [{"name": each.name, "messages": each.messages, "deliverers": each.consumers} for each in counts]
    return json.dumps({"queues": queues, "messages": [as_record(each) for each in waiting]}, indent=2)


def message_as_json(waiting: Waiting) -> str:
    """A message with its text, as one object."""
    text = waiting.data.decode("utf-8", "replace")
    return json.dumps({**as_record(waiting), "message": text}, indent=2)


def as_record(waiting: Waiting) -> dict[str, Any]:
    """A message as JSON has it, without its text."""
    record: dict[str, Any] = {"id": waiting.message_id, "queue": waiting.queue, "size": waiting.size}
    if waiting.problem is not None:
        record["problem"] = waiting.problem
    mail = waiting.mail
    if mail is not None:
        record |= {
            "sender": mail.sender,
            "recipients": [
                {"address": each.address, "parameters": dict(each.parameters), "last": each.last}
                for each in mail.recipients
            ],
            "parameters": dict(mail.parameters),
            "client": dict(mail.client),
            "tries": mail.tries,
            "arrival": _when(mail.arrival),
        }
    return record


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(text: str) -> Text:
    """Others' words forge no line and no colour."""
    return Text("\n".join(printable(line) for line in text.split("\n")))
