"""The command `gen-smtp port`: its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gen_smtp.porting.otp_reader import CannotReadError
from gen_smtp.porting.reading import read_module
from gen_smtp.porting.skeleton import skeleton_of

USAGE_ERROR = 2

HELP = """Make the skeleton of a Python callback class of an Erlang callback module.

The class has each callback, its clauses as comments, and in Python what can be brought over word by word.
Where that is not all of a callback, it answers for now so that clients come again, and no mail is lost. What
is left to do stands at the end of the class, and is printed.

\b
  gen-smtp port my_server.erl > my_server.py
  gen-smtp port src/my_server.erl --include deps/lager/include --output my_server.py
"""


def run_port(
    file: Annotated[Path, typer.Argument(metavar="FILE.erl", help="The Erlang module.")],
    include: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of include files, as its own and ../include are. May be repeated."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write here, to a file that is not there yet.")] = None,
) -> None:
    """Write the skeleton; `HELP` is what its user reads."""
    try:
        module = read_module(file, include or ())
    except (OSError, CannotReadError) as error:
        raise _failed(f"{file}: {error.strerror if isinstance(error, OSError) else error}") from error
    skeleton = skeleton_of(module)
    if output is None:
        typer.echo(skeleton.text, nl=False)
    else:
        try:
            with output.open("x", encoding="utf-8") as opened:
                opened.write(skeleton.text)
        except OSError as error:
            raise _failed(f"--output: cannot write {str(output)!r}: {error.strerror}") from error
    typer.echo(f"{file}: read with {module.reader}", err=True)
    for each in skeleton.left:
        typer.echo(f"left: {each}", err=True)


def _failed(message: str) -> typer.Exit:
    typer.echo(f"gen-smtp: {message}", err=True)
    return typer.Exit(USAGE_ERROR)
