"""How a command of `gen-smtp` fails: one line for its user, and an exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NoReturn

import typer

from actors.errors import AlreadyStarted, ListenError, StartError
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.node import NodeError
from gen_smtp.process.inherited import CONTROL, ActivationError
from gen_smtp.settings.configuration import Configuration
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.workers.pool import WorkersGaveUp, WorkerStartError

SERVER_ERROR = 1
USAGE_ERROR = 2


def fail(message: str, code: int = USAGE_ERROR) -> NoReturn:
    """One line for the user, whatever the message came from."""
    typer.echo(f"gen-smtp: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


@contextlib.contextmanager
def errors_of_start(configuration: Configuration) -> Iterator[None]:
    """What is wrong at a start, named by what has said it.

    Raises:
        CommandLineError: what is wrong.
    """
    try:
        yield
    except ListenError as error:
        raise CommandLineError(f"{_name_of_socket(configuration, error)}: {error}") from error
    except OptionsError as error:
        raise CommandLineError(_named(configuration, error)) from error
    except ActivationError as error:
        raise CommandLineError(f"LISTEN_FDS: {error}") from error
    except NodeError as error:
        raise CommandLineError(f"{configuration.name_of(f'node.{error.option}')}: {error}") from error
    except AlreadyStarted as error:
        raise CommandLineError(f"{configuration.name_of('node.name')}: {error}") from error
    except WorkerStartError as error:
        fail(str(error), SERVER_ERROR)
    except StartError as error:
        raise CommandLineError(f"{configuration.name_of('module')}: {error}") from error
    except WorkersGaveUp as error:
        fail(str(error), SERVER_ERROR)


def _named(configuration: Configuration, error: OptionsError) -> str:
    if error.listener is not None:
        return str(configuration.error(error))
    name = configuration.name_of(error.option or "")
    shown = name if name != error.option else f"--{name}"
    return f"{shown}: {error.problem}; allowed: {error.allowed}"


def _name_of_socket(configuration: Configuration, error: ListenError) -> str:
    """A port that the file names is the file's fault, whichever of its listeners it is of."""
    if error.protocol == CONTROL:
        return configuration.name_of("control.path")
    if error.protocol == "metrics":
        return configuration.name_of("metrics.address")
    said, place = configuration.said, "listener.address" if error.port is None else "listener.port"
    return "--config" if said.file is not None and place not in said.sources else configuration.name_of(place)
