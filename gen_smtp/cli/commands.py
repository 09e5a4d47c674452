"""The command `gen-smtp`."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from gen_smtp import compiled
from gen_smtp.cli.catch_command import HELP as CATCH_HELP
from gen_smtp.cli.catch_command import run_catch
from gen_smtp.cli.config_command import HELP as CONFIG_HELP
from gen_smtp.cli.config_command import show_config
from gen_smtp.cli.control_commands import COMMANDS
from gen_smtp.cli.flags import with_settings
from gen_smtp.cli.help_text import SERVE_HELP
from gen_smtp.cli.mail_queue.deliver_command import HELP as DELIVER_HELP
from gen_smtp.cli.mail_queue.deliver_command import run_deliver
from gen_smtp.cli.mail_queue.queue_command import HELP as QUEUE_HELP
from gen_smtp.cli.mail_queue.queue_command import queue_app
from gen_smtp.cli.serve_command import serve
from gen_smtp.porting.command import HELP as PORT_HELP
from gen_smtp.porting.command import run_port

app = typer.Typer(
    name="gen-smtp",
    help="Erlang's gen_smtp server for Python: an SMTP and LMTP server that calls your class for every mail.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


_BUILDS = {"python": "in Python alone", "c": "with its parts in C"}


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        version = importlib.metadata.version("gen-smtp")
    except importlib.metadata.PackageNotFoundError:
        version = "(not installed: run from its source)"
    typer.echo(f"gen-smtp {version}, {_BUILDS[compiled]}")
    raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Erlang's gen_smtp server for Python: an SMTP and LMTP server that calls your class for every mail."""


app.command("serve", help=SERVE_HELP, short_help="Serve mail with a callback class.")(with_settings(serve))
app.command("config", help=CONFIG_HELP, short_help="Show, check or describe the configuration.")(
    with_settings(show_config)
)
for _name, _command in COMMANDS:
    app.command(_name)(_command)
app.command("catch", help=CATCH_HELP, short_help="Catch mail for tests.")(run_catch)
app.command("deliver", help=DELIVER_HELP, short_help="Deliver mail from a queue of RabbitMQ.")(run_deliver)
app.add_typer(
    queue_app, name="queue", help=QUEUE_HELP, short_help="Show what waits in the queue, and decide."
)
app.command("port", help=PORT_HELP, short_help="Make a Python class of an Erlang module.")(run_port)
