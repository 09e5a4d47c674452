"""The command `gen-smtp config`."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gen_smtp.cli.errors import fail
from gen_smtp.cli.flags import CONFIG_VARIABLE, ConfigFlag, given_settings
from gen_smtp.cli.serve_command import check_configuration
from gen_smtp.process.inherited import HANDOVER
from gen_smtp.settings.configuration import Configuration, configure
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.schema import json_schema
from gen_smtp.settings.shown import as_toml, effective
from gen_smtp.settings.table import SETTINGS

HELP = """Show the configuration that `gen-smtp serve` has with the same flags, and where it comes from.

A flag goes before an environment variable, that before the file, and that before the default. Callback
options and passwords are hidden.

\b
  gen-smtp config --config mail.toml
  gen-smtp config --config mail.toml --check
  gen-smtp config --schema > gen-smtp.schema.json
"""


def show_config(
    context: typer.Context,
    config: ConfigFlag = None,
    check: Annotated[bool, typer.Option("--check", help="Show nothing; say what is wrong.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Show it as JSON.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Show the JSON Schema of the file.")] = False,
    **values: Any,
) -> None:
    """Show the configuration; `HELP` is what its user reads."""
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2))
        return
    try:
        configuration = configure(given_settings(context, values), config)
        if check:
            check_configuration(configuration)
    except CommandLineError as error:
        fail(str(error))
    for note in _unknown_variables():
        typer.echo(f"gen-smtp: {note}", err=True)
    typer.echo("nothing is wrong" if check else _shown(configuration, as_json), nl=check)


def _shown(configuration: Configuration, as_json: bool) -> str:
    values = effective(configuration)
    if not as_json:
        return as_toml(values)
    shown = [{"place": each.place, "value": each.value, "source": each.source} for each in values]
    return json.dumps(shown, indent=2) + "\n"


def _unknown_variables() -> Iterator[str]:
    """Variables that look like settings, and are none: nothing else would tell."""
    known = {each.variable for each in SETTINGS} | {CONFIG_VARIABLE, HANDOVER}
    for name in sorted(os.environ):
        if name.startswith("GEN_SMTP_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield f"{name}: there is no such setting{hint}"
