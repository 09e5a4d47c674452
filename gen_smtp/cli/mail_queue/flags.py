"""What the commands of the queue have in common: flags, and how they are read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Annotated, Any, NoReturn

import typer

from gen_smtp.options.checks import OptionsError

URL_VARIABLE = "GEN_SMTP_AMQP_URL"
"""The environment keeps a password out of the list of processes."""

DEFAULT_DELAYS = "1m,5m,15m,30m,1h,2h,4h"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_TIME = 365 * 86400

USAGE_ERROR = 2

UrlFlag = Annotated[
    str | None,
    typer.Option(envvar=URL_VARIABLE, help="The broker's URL; those of several nodes between commas."),
]
QueueFlag = Annotated[str, typer.Option(help="The queue that mail comes from.")]
DelaysFlag = Annotated[
    str, typer.Option(help="The pauses before new tries; the last one again and again. Each has its queue.")
]
HostnameFlag = Annotated[str | None, typer.Option(help="This server's name in reports and hellos.")]
ReportsToFlag = Annotated[
    str | None, typer.Option(help="The queue that reports to senders go to; else the same queue.")
]


class FlagError(Exception):
    """A flag is wrong; the text names it and says what is allowed."""


def fail(message: str, code: int = USAGE_ERROR) -> NoReturn:
    """One line for the user, and the end."""
    typer.echo(f"gen-smtp: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


def require_amqp() -> None:
    """See that the extra is installed.

    Raises:
        FlagError: it is not; says how.
    """
    try:
        import pika  # noqa: F401
    except ModuleNotFoundError:
        raise FlagError("this needs pika: pip install 'gen-smtp[amqp]'") from None


def checked_place(url: str | None, queue: str) -> tuple[str, str]:
    """The broker's URL and the name of a queue.

    Raises:
        FlagError: one is missing or none.
    """
    require_amqp()
    from gen_smtp.queue.queue_options import QueueOptions

    try:
        options = QueueOptions(url=url, queue=queue)  # type: ignore[arg-type] # its check knows None
    except OptionsError as error:
        name = f"--url, or {URL_VARIABLE}" if error.option == "url" else f"--{error.option}"
        raise FlagError(f"{name}: {error.problem}; allowed: {error.allowed}") from None
    return options.url, options.queue


def read_time(flag: str, text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `4h` or `5d`.

    Raises:
        FlagError: it is none of these, or no time at all.
    """
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_TIME:
        raise FlagError(f"{flag}: {text!r} is no time; allowed: 90, 90s, 15m, 4h, 5d and the like")
    return seconds


def read_delays(text: str) -> tuple[float, ...]:
    """The pauses before new tries.

    Raises:
        FlagError: one is none.
    """
    return tuple(read_time("--delays", each.strip()) for each in text.split(","))


def read_options(flag: str, texts: Iterable[str]) -> dict[str, Any]:
    """Options `KEY=VALUE`, the value as TOML has it or as it stands.

    Raises:
        FlagError: one has no key or no value.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise FlagError(f"{flag}: {key!r} is not KEY=VALUE")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options
