"""The command `gen-smtp catch`: its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actors.errors import ListenError
from gen_smtp.options.checks import OptionsError

HELP = """Catch mail for tests: take all of it, print it, keep it, and answer over HTTP as Mailpit does.

Nothing leaves this machine. Stop it with Ctrl-C.

\b
  gen-smtp catch --http 8025
  curl http://127.0.0.1:8025/api/v1/message/latest
  gen-smtp catch --fail RCPT,recipient=nobody@example.com --fail MAIL,delay=2,times=1
"""

FAIL_HELP = (
    "What goes wrong: PLACE[,reply=TEXT][,sender=A][,recipient=A][,times=N][,delay=SECONDS][,cut]. PLACE is "
    "CONNECT, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA (in the middle of the message) or . (behind it). May be "
    "repeated."
)


def run_catch(
    address: Annotated[str, typer.Option(help="Where to take mail.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 lets the system choose.", min=0, max=65535)] = 1025,
    http: Annotated[
        str | None, typer.Option(help="Where the API answers: a port of 127.0.0.1, or HOST:PORT.")
    ] = None,
    lmtp: Annotated[bool, typer.Option("--lmtp", help="Speak LMTP.")] = False,
    certfile: Annotated[str | None, typer.Option(help="A certificate in PEM form: offer STARTTLS.")] = None,
    keyfile: Annotated[str | None, typer.Option(help="Its key.")] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="NAME:PASSWORD of one who may authenticate. May be repeated.")
    ] = None,
    fail: Annotated[list[str] | None, typer.Option(help=FAIL_HELP)] = None,
    maildir: Annotated[Path | None, typer.Option(help="A Maildir that gets a copy of each message.")] = None,
    most: Annotated[int, typer.Option(help="So many messages are kept in memory.", min=1)] = 1000,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no message.")] = False,
) -> None:
    """Catch mail; `HELP` is what its user reads."""
    # Here, so that the other commands need not wait for rich.
    from gen_smtp.catch.command import CatchError, CatchOptions, catch

    options = CatchOptions(
        address=address,
        port=port,
        http=http,
        lmtp=lmtp,
        certfile=certfile,
        keyfile=keyfile,
        users=tuple(user or ()),
        failures=tuple(fail or ()),
        maildir=maildir,
        most=most,
        quiet=quiet,
    )
    try:
        catch(options)
    except CatchError as error:
        _fail(str(error))
    except ListenError as error:
        _fail(f"--port: {error}")
    except OptionsError as error:
        _fail(f"--{(error.option or '').rpartition('.')[2]}: {error.problem}; allowed: {error.allowed}")


def _fail(message: str) -> None:
    typer.echo(f"gen-smtp: {message}", err=True)
    raise typer.Exit(2)
