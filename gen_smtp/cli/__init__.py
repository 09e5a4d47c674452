"""The command line: `gen-smtp serve` and `gen-smtp catch`.

Public is `app`, a typer application. `flags` is what can be said, `configuration` turns it into options,
`commands` serves, and `announcing` says who serves and where.

Imports: `actors.errors`, `actors.events`, `actors.messages`, `gen_smtp.catch`, `gen_smtp.gen_smtp_server`,
`gen_smtp.options`, `gen_smtp.process`, `gen_smtp.server`, `gen_smtp.workers`, `pykka`, `typer`.
"""

from gen_smtp.cli.commands import app

__all__ = ["app"]
