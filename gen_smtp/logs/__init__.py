"""Logs for people and for programs: as text, JSON, logfmt, or for the journal.

`log_to_stderr` sets up the root logger. `formatters` has a formatter for each form, `fields` makes the fields
of a structured line. Events log themselves (`actors.events`); their fields are in `docs/events.md`.

Everything is in the standard library: what is ours, the fields of events, no logging library would do for us,
and what is left is `json.dumps`.

Imports: `actors.events`, `actors.log_text`, `gen_smtp.process`, `gen_smtp.server`.
"""

from gen_smtp.logs.formatters import FORMATS, LogFormat, log_to_stderr, make_formatter

__all__ = ["FORMATS", "LogFormat", "log_to_stderr", "make_formatter"]
