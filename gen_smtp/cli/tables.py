"""What the commands print for people, made by rich. What comes from clients is shown as text and no more."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from actors.log_text import printable

Facts = Mapping[str, Any]

WIDTH_OF_A_PIPE = 160


def console() -> Console:
    """Where tables go; a pipe gets enough columns not to cut names."""
    width = None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
    return Console(highlight=False, markup=False, width=width)


def sessions(answer: Facts) -> Any:
    """Sessions as a table."""
    shown = answer["sessions"]
    table = _table("session", "process", "client", "hello", "user", "state", "age", "idle", "mail", "refused")
    for each in shown:
        table.add_row(
            *_cells(
                each["urn"],
                each["process"],
                each["peer"] or "unix socket",
                each["helo"],
                each["user"],
                each["state"],
                duration(each["age"]),
                duration(each["idle"]),
                each["messages"],
                each["refused"],
            )
        )
    count = answer["total"]
    return Group(table, Text(f"{len(shown)} of {count} session{'' if count == 1 else 's'}"))


def facts(answer: Facts) -> Any:
    """All that is known of one thing, a line each."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in answer.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        table.add_row(*_cells(name.replace("_", " "), shown))
    return table


def kicked(answer: Facts) -> Any:
    """Which sessions end, and which are unknown."""
    lines = [f"{urn}: ends" for urn in answer["kicked"]]
    lines += [f"{urn}: there is no such session" for urn in answer["unknown"]]
    return Text("\n".join(lines))


def listeners(answer: Facts) -> Any:
    """Listeners as a table."""
    table = _table("address", "protocol", "service", "domain", "STARTTLS", "state", "sessions")
    for each in answer["listeners"]:
        state = "suspended" if each["paused"] else "listening" if each["listens"] else "restarting"
        table.add_row(
            *_cells(
                each["address"],
                each["protocol"],
                each["service"],
                each["hostname"],
                "yes" if each["starttls"] else "no",
                state,
                each["sessions"],
            )
        )
    return table


def trees(answer: Facts) -> Any:
    """The actors of each process."""
    return Group(*(_tree(each) for each in answer["processes"]))


def _tree(process: Facts) -> Tree:
    root = Tree(Text(f"process {process['process']}"), guide_style="dim")
    above = [root]
    for each in process["actors"]:
        del above[each["depth"] + 1 :]
        branch = above[-1].add(_actor(each))
        above.append(branch)
        if each["hidden"]:
            branch.add(Text(f"... {each['hidden']} more; gen-smtp tree {each['urn']}", style="dim"))
    return root


def _actor(each: Facts) -> Text:
    about = [each["name"], each["about"], each["state"]]
    about += [f"{each['mailbox']} waiting"] if each["mailbox"] else []
    about += [f"{each['link_count']} links"] if each["link_count"] else []
    about += [f"monitored by {each['monitored_by']}"] if each["monitored_by"] else []
    about += [duration(each["age"])] if each["age"] is not None else []
    said = ", ".join(printable(str(part)) for part in about if part)
    return Text.assemble((each["actor_class"], "bold"), f"  {each['urn']}  {said}")


def stats(answer: Facts) -> Any:
    """Figures of all processes, and what was counted."""
    return Group(_processes(answer), Text(), _totals(answer["totals"]))


def _processes(answer: Facts) -> Table:
    table = _table(
        "process", "up", "sessions", "arriving", "actors", "mailboxes", "memory", "processor", "state"
    )
    for each in answer["processes"]:
        table.add_row(
            *_cells(
                each["process"],
                duration(each["uptime"]),
                each["sessions"],
                each["arriving"],
                each["actors"],
                each["mailboxes"],
                octets(each["memory"]),
                duration(each["cpu"]),
                "suspended" if each["suspended"] else "serving",
            )
        )
    if len(answer["processes"]) > 1:
        of_all = answer["sum"]
        table.add_row(
            *_cells(
                "all",
                "",
                of_all["sessions"],
                of_all["arriving"],
                of_all["actors"],
                of_all["mailboxes"],
                octets(of_all["memory"]),
                duration(of_all["cpu"]),
                "",
            )
        )
    return table


def _totals(totals: Mapping[str, int]) -> Table:
    table = _table("counted since the start", "")
    for name, count in totals.items():
        table.add_row(*_cells(name, count))
    return table


def top(figures: Facts, page: Facts, before: Facts | None) -> Any:
    """Figures, rates since the last look, and sessions.

    Args:
        figures: the answer to `stats`.
        page: the answer to `sessions`.
        before: the figures of the last look; None at the first.
    """
    return Group(_processes(figures), Text(_rates(figures, before)), Text(), sessions(page))


def _rates(figures: Facts, before: Facts | None) -> str:
    if before is None or not (figures["processes"] and before["processes"]):
        return ""
    seconds = figures["processes"][0]["time"] - before["processes"][0]["time"]
    if seconds <= 0:
        return ""
    rates = {
        name: max(0, figures["totals"].get(name, 0) - before["totals"].get(name, 0)) / seconds
        for name in ("sessions_opened", "messages", "refused", "octets")
    }
    return (
        f"a second: {rates['sessions_opened']:.1f} new sessions, {rates['messages']:.1f} messages, "
        f"{octets(rates['octets'])}, {rates['refused']:.1f} refusals"
    )


def duration(seconds: float) -> str:
    """`12.3 s`, `4:05` for minutes, `3:04:05` for hours, `2 d 3 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def octets(count: float) -> str:
    """`512`, `3.4 KiB`, `12.0 MiB`."""
    for unit in ("", " KiB", " MiB"):
        if count < 1024:
            return f"{count:.1f}{unit}" if unit else f"{count:.0f}"
        count /= 1024
    return f"{count:.1f} GiB"


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _cells(*values: Any) -> Sequence[Text]:
    # What a client says may hold anything; control characters would be the terminal's.
    return [Text("-" if value is None else printable(str(value))) for value in values]
