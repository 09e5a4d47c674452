"""The commands `gen-smtp queue ...`: their flags."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gen_smtp.cli.mail_queue.flags import (
    DEFAULT_DELAYS,
    DelaysFlag,
    FlagError,
    HostnameFlag,
    QueueFlag,
    ReportsToFlag,
    UrlFlag,
    checked_place,
    fail,
    read_delays,
)

if TYPE_CHECKING:
    from gen_smtp.queue.inspection.keeper import Keeper

HELP = """Look into the queues of mail in RabbitMQ, and decide what becomes of a message.

A message that a deliverer has in hand is not seen here. Exit codes: 0 if all was done, 1 if there is no such
message, 2 for a wrong flag, 3 if the broker can't be reached or refuses.
"""

NOT_FOUND = 1
NO_BROKER = 3

queue_app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

ReadyFlag = Annotated[
    bool,
    typer.Option("--ready", help="Look also at what is to be delivered now. Deliverers wait meanwhile."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="The ids of messages.", metavar="ID...")]
AllFlag = Annotated[bool, typer.Option("--all", help="All that wait.")]


@contextlib.contextmanager
def _keeping(
    url: str | None,
    queue: str,
    delays: str,
    ready: bool,
    hostname: str | None = None,
    reports_to: str | None = None,
) -> Iterator[Keeper]:
    try:
        place = checked_place(url, queue)
        from gen_smtp.queue.errors import BrokerError
        from gen_smtp.queue.inspection.keeper import Keeper

        name = hostname or socket.getfqdn()
        keeper = Keeper(*place, read_delays(delays), name, with_ready=ready, reports_to=reports_to)
    except FlagError as error:
        fail(str(error))
    try:
        yield keeper
    except BrokerError as error:
        fail(str(error), NO_BROKER)


@queue_app.command("list", help="Show the queues, and the messages that wait to be tried again or are dead.")
def list_messages(
    url: UrlFlag = None,
    queue: QueueFlag = "mail.in",
    delays: DelaysFlag = DEFAULT_DELAYS,
    ready: ReadyFlag = False,
    most: Annotated[int, typer.Option(help="So many of each queue, the oldest.", min=1)] = 1000,
    json: JsonFlag = False,
) -> None:
    """Show what waits."""
    with _keeping(url, queue, delays, ready) as keeper:
        counts, waiting = keeper.counts(), keeper.waiting(most)
    from rich.console import Console

    from gen_smtp.queue.inspection.tables import as_json, print_list

    if json:
        typer.echo(as_json(counts, waiting))
    else:
        print_list(Console(), counts, waiting)


@queue_app.command(help="Show a message: its envelope, what has become of it so far, and its text.")
def show(
    message_id: Annotated[str, typer.Argument(help="Its id.", metavar="ID")],
    url: UrlFlag = None,
    queue: QueueFlag = "mail.in",
    delays: DelaysFlag = DEFAULT_DELAYS,
    ready: ReadyFlag = False,
    json: JsonFlag = False,
) -> None:
    """Show one message."""
    with _keeping(url, queue, delays, ready) as keeper:
        found = keeper.show(message_id)
    if found is None:
        fail(f"there is no message {message_id}", NOT_FOUND)
    from rich.console import Console

    from gen_smtp.queue.inspection.tables import message_as_json, print_message

    if json:
        typer.echo(message_as_json(found))
    else:
        print_message(Console(), found)


@queue_app.command(help="Have messages delivered now, dead ones too.")
def retry(
    ids: IdsArgument = None,
    every: AllFlag = False,
    url: UrlFlag = None,
    queue: QueueFlag = "mail.in",
    delays: DelaysFlag = DEFAULT_DELAYS,
) -> None:
    """Put messages into the first queue."""
    with _keeping(url, queue, delays, False) as keeper:
        _act(ids, every, keeper.retry, "to be delivered now")


@queue_app.command("return", help="Give messages up, and tell their senders.")
def return_messages(
    ids: IdsArgument = None,
    every: AllFlag = False,
    reason: Annotated[str, typer.Option(help="What the report says.")] = "Returned by the administrator",
    url: UrlFlag = None,
    queue: QueueFlag = "mail.in",
    delays: DelaysFlag = DEFAULT_DELAYS,
    ready: ReadyFlag = False,
    hostname: HostnameFlag = None,
    reports_to: ReportsToFlag = None,
) -> None:
    """Send reports instead of messages."""
    with _keeping(url, queue, delays, ready, hostname, reports_to) as keeper:
        _act(ids, every, lambda those: keeper.return_to_sender(those, reason), "returned")


@queue_app.command(help="Delete messages; nobody is told.")
def delete(
    ids: IdsArgument = None,
    every: AllFlag = False,
    url: UrlFlag = None,
    queue: QueueFlag = "mail.in",
    delays: DelaysFlag = DEFAULT_DELAYS,
    ready: ReadyFlag = False,
) -> None:
    """Take messages out of their queues."""
    with _keeping(url, queue, delays, ready) as keeper:
        _act(ids, every, keeper.delete, "deleted")


def _act(
    ids: list[str] | None, every: bool, act: Callable[[Sequence[str] | None], list[str]], word: str
) -> None:
    """Do something with the messages that were named, and say with which it was done."""
    if bool(ids) == every:
        fail("name messages by their ids, or say --all")
    done = act(None if every else ids)
    for each in done:
        typer.echo(f"{each}: {word}")
    missing = [each for each in ids or () if each not in done]
    if missing:
        fail(f"there is no message {', '.join(missing)}", NOT_FOUND)
