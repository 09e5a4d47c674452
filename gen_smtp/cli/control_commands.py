"""The commands that see and steer a server by its control socket."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from gen_smtp.cli.errors import fail
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.values import keys_and_values

REFUSED, NO_SERVER, NO_PERMISSION, NO_ANSWER = 1, 3, 4, 5
"""Exit codes, besides 0, and 2 for a mistake on the command line."""

_CODES = {"no_server": NO_SERVER, "no_permission": NO_PERMISSION, "no_answer": NO_ANSWER, "lost": NO_ANSWER}

ControlFlag = Annotated[
    str,
    typer.Option(
        "--control",
        metavar="PATH",
        envvar="GEN_SMTP_CONTROL",
        show_envvar=False,
        help="Control socket of the server, as --control of gen-smtp serve says. [or GEN_SMTP_CONTROL]",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
TimeoutFlag = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for an answer.", min=0.1)
]
UrnArgument = Annotated[str, typer.Argument(metavar="URN", help="Unique name of a session or actor.")]
PeerFlag = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Only those of this client.")]
UserFlag = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Only those with this login.")]
ListenerFlag = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Only those of this listener, such as 0.0.0.0:25.")
]
IdleFlag = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Only those that did nothing for so long.")
]


@contextlib.contextmanager
def asking(control: str, timeout: float) -> Iterator[Any]:
    """A client of the server; what goes wrong becomes one line and an exit code."""
    # Here, so that the other commands need not wait for it.
    from gen_smtp.control.client import ControlClient
    from gen_smtp.control.messages import ControlError

    if not control:
        fail("--control: say at which path the server answers, or set GEN_SMTP_CONTROL")
    try:
        with ControlClient(control, timeout) as client:
            yield client
            missing = client.missing
    except ControlError as error:
        fail(str(error), _CODES.get(error.code, REFUSED))
    if missing:
        processes = ", ".join(map(str, missing))
        fail(f"no answer from process {processes}: something blocks it, or it just starts or ends", NO_ANSWER)


def show(answer: Any, as_json: bool, shown: Callable[[Any], Any]) -> None:
    """Print an answer.

    Args:
        answer: the answer.
        as_json: for programs.
        shown: makes of it what rich prints for people.
    """
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from gen_smtp.cli.tables import console

    console().print(shown(answer))


def sessions(
    control: ControlFlag = "",
    peer: PeerFlag = None,
    user: UserFlag = None,
    listener: ListenerFlag = None,
    idle: IdleFlag = None,
    limit: Annotated[int, typer.Option(metavar="N", help="So many at most; 0 for all.", min=0)] = 100,
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """List the sessions of all processes, oldest first."""
    with asking(control, timeout) as client:
        wanted = {"peer": peer, "user": user, "listener": listener, "idle": idle}
        page = client.ask("sessions", **wanted, limit=min(limit or 1000, 1000))
        found = page["sessions"]
        while page["next"] is not None and (not limit or len(found) < limit):
            left = min(limit - len(found), 1000) if limit else 1000
            page = client.ask("sessions", **wanted, limit=left, after=page["next"])
            found += page["sessions"]
        from gen_smtp.cli import tables

        show({"sessions": found, "total": page["total"]}, as_json, tables.sessions)


def session(
    urn: UrnArgument, control: ControlFlag = "", as_json: JsonFlag = False, timeout: TimeoutFlag = 15.0
) -> None:
    """Show all that is known of one session."""
    with asking(control, timeout) as client:
        from gen_smtp.cli import tables

        show(client.ask("session", urn=urn), as_json, tables.facts)


def kick(
    urns: Annotated[list[str], typer.Argument(metavar="URN...", help="Unique names of sessions.")],
    control: ControlFlag = "",
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for a message in hand; 0 for none.", min=0)
    ] = 5.0,
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """End sessions: the clients hear 421, and a message in hand may be finished within the grace."""
    with asking(control, timeout) as client:
        answer = client.ask("kick", urns=urns, grace=grace)
        from gen_smtp.cli import tables

        show(answer, as_json, tables.kicked)
    if answer["unknown"]:
        raise typer.Exit(REFUSED)


def tree(
    under: Annotated[str | None, typer.Argument(metavar="[URN]", help="Only this actor and below.")] = None,
    control: ControlFlag = "",
    limit: Annotated[int, typer.Option(metavar="N", help="Children of an actor, at most.", min=1)] = 20,
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """Show the actors of all processes as trees."""
    with asking(control, timeout) as client:
        from gen_smtp.cli import tables

        show(client.ask("tree", under=under, limit=min(limit, 1000)), as_json, tables.trees)


def stats(control: ControlFlag = "", as_json: JsonFlag = False, timeout: TimeoutFlag = 15.0) -> None:
    """Show figures of all processes, and what they have counted since they began."""
    with asking(control, timeout) as client:
        from gen_smtp.cli import tables

        show(client.ask("stats"), as_json, tables.stats)


def listeners(control: ControlFlag = "", as_json: JsonFlag = False, timeout: TimeoutFlag = 15.0) -> None:
    """List where the server listens."""
    with asking(control, timeout) as client:
        from gen_smtp.cli import tables

        show(client.ask("listeners"), as_json, tables.listeners)


def suspend(control: ControlFlag = "", as_json: JsonFlag = False, timeout: TimeoutFlag = 15.0) -> None:
    """Stop accepting: sessions go on, and clients that connect wait."""
    _do(control, as_json, timeout, "suspended", "suspend")


def resume(control: ControlFlag = "", as_json: JsonFlag = False, timeout: TimeoutFlag = 15.0) -> None:
    """Accept again after suspend."""
    _do(control, as_json, timeout, "resumed", "resume")


def reload(control: ControlFlag = "", as_json: JsonFlag = False, timeout: TimeoutFlag = 15.0) -> None:
    """Read certificates and the callback's module again, as SIGHUP does; the log says what came of it."""
    _do(control, as_json, timeout, "reloading", "reload")


def add_listener(
    options: Annotated[
        list[str],
        typer.Argument(
            metavar="OPTION=VALUE...",
            help="Options as in a [[listener]] table, such as port=2526 sessionoptions.timeout=60.",
        ),
    ],
    control: ControlFlag = "",
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """Listen at one more address until the server ends; a successor has its own command line's."""
    try:
        given = _nested(keys_and_values("OPTION=VALUE", options))
    except CommandLineError as error:
        fail(str(error))
    with asking(control, timeout) as client:
        answer = client.ask("add-listener", options=given)
        show(answer, as_json, lambda found: f"listening on {found['address']}")


def remove_listener(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="As gen-smtp listeners has it.")],
    control: ControlFlag = "",
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """Listen at an address no more; the sessions that came by it go on."""
    _do(control, as_json, timeout, f"no longer listening on {address}", "remove-listener", address=address)


def log_level(
    level: Annotated[str, typer.Argument(metavar="debug|info|warning|error|critical")],
    control: ControlFlag = "",
    logger: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this logger, such as gen_smtp or actors.")
    ] = None,
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """Log from another level on, in all processes, until the server ends."""
    _do(control, as_json, timeout, f"logging from {level} on", "log-level", level=level, logger=logger)


def stop(
    control: ControlFlag = "",
    now: Annotated[bool, typer.Option("--now", help="At once, without the grace.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the server has ended.")] = False,
    as_json: JsonFlag = False,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """Stop the server after the mail in hand, as SIGTERM does."""
    with asking(control, timeout) as client:
        answer = client.ask("stop", now=now)
        if wait:
            client.wait_for_end()
        show(answer, as_json, lambda _: "stopped" if wait else "stopping")


def top(
    control: ControlFlag = "",
    interval: Annotated[float, typer.Option(metavar="SECONDS", help="Between two looks.", min=0.1)] = 1.0,
    count: Annotated[int, typer.Option(metavar="N", help="So many looks; 0 for ever.", min=0)] = 0,
    limit: Annotated[int, typer.Option(metavar="N", help="Sessions to show.", min=1, max=200)] = 20,
    timeout: TimeoutFlag = 15.0,
) -> None:
    """Show figures and the sessions, again and again, until Ctrl-C."""
    with asking(control, timeout) as client, contextlib.suppress(KeyboardInterrupt):
        from rich.live import Live

        from gen_smtp.cli import tables

        looks, before = 0, None
        with Live(console=tables.console(), auto_refresh=False) as live:
            while True:
                figures = client.ask("stats")
                page = client.ask("sessions", limit=limit)
                live.update(tables.top(figures, page, before), refresh=True)
                looks, before = looks + 1, figures
                if looks == count:
                    break
                time.sleep(interval)


def _do(control: str, as_json: bool, timeout: float, done: str, request: str, **arguments: Any) -> None:
    with asking(control, timeout) as client:
        answer = client.ask(request, **arguments)
        show(answer, as_json, lambda found: f"{done} ({_processes(found['processes'])})")


def _processes(numbers: list[int]) -> str:
    return f"process{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    nested: dict[str, Any] = {}
    for place, value in values.items():
        *tables, name = place.split(".")
        holder = nested
        for table in tables:
            holder = holder.setdefault(table, {})
            if not isinstance(holder, dict):
                raise CommandLineError(f"OPTION=VALUE: {place!r} stands in {table!r}, which is given a value")
        holder[name] = value
    return nested


COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("sessions", sessions),
    ("session", session),
    ("kick", kick),
    ("tree", tree),
    ("stats", stats),
    ("top", top),
    ("listeners", listeners),
    ("add-listener", add_listener),
    ("remove-listener", remove_listener),
    ("suspend", suspend),
    ("resume", resume),
    ("reload", reload),
    ("log-level", log_level),
    ("stop", stop),
)
