"""A message on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.log_text import printable
from gen_smtp.catch.store import Kept

MOST_LINES = 12


def print_message(console: Console, kept: Kept) -> None:
    """Print what a person wants to see at once: who, to whom, what, and the first lines."""
    caught = kept.caught
    facts = Table.grid(padding=(0, 1))
    facts.add_column(style="dim", justify="right")
    facts.add_column()
    rows = {
        "from": caught.sender or "<>",
        "to": ", ".join(caught.recipients),
        "subject": caught.subject,
        "size": f"{len(caught.data):,} octets",
        "attached": ", ".join(caught.attachments),
        "user": caught.user,
        "TLS": caught.tls and caught.tls.version,
    }
    for name, value in rows.items():
        if value:
            facts.add_row(name, _plain(str(value)))
    console.print(Panel(facts, title=_plain(kept.id), title_align="left"))
    lines = (caught.text or caught.html).splitlines()
    for line in lines[:MOST_LINES]:
        console.print(_plain(line))
    if len(lines) > MOST_LINES:
        console.print(Text(f"... {len(lines) - MOST_LINES} lines more", style="dim"))


def _plain(text: str) -> Text:
    """Text as it is: no markup of rich's, and no control character of a message reaches the terminal."""
    return Text(printable(text))
