"""The command line: `gen-smtp serve`, and the commands around it.

Public is `app`, a typer application, which `commands` puts together. `flags` makes flags of the table of
settings, `serve_command` serves, `config_command` shows the configuration, `control_commands` see and steer a
server that runs, with `tables` for people; `catch_command` catches mail, `announcing` says who serves
and where, and `mail_queue` has the commands of the queue.

Imports: `actors.errors`, `actors.events`, `actors.log_text`, `gen_smtp`, `gen_smtp.catch`,
`gen_smtp.cli.mail_queue`, `gen_smtp.cluster`, `gen_smtp.control`, `gen_smtp.gen_smtp_server`,
`gen_smtp.logs`, `gen_smtp.metrics`, `gen_smtp.options`, `gen_smtp.porting`, `gen_smtp.process`,
`gen_smtp.server`, `gen_smtp.settings`, `gen_smtp.workers`, `pykka`, `rich`, `typer`.
"""

from gen_smtp.cli.commands import app

__all__ = ["app"]
