"""What the command does when its sockets are open: give up root, and say who serves, and where."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pykka
import typer

from actors import events
from gen_smtp import gen_smtp_server
from gen_smtp.cli.privileges import Identity
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.events import SuccessorFailed
from gen_smtp.server.shown_address import shown_address
from gen_smtp.server.transcripts import check_transcript_file
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.workers.roster import Workers


class PidFile:
    """The file. The process that serves last has written it last, and removes it.

    Attributes:
        path: where it is; its folder must be writable for the process as it serves, not for root only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self) -> None:
        """Put this process in, in one step: nobody reads half of it.

        Raises:
            OSError: it can't be written.
        """
        # A name that nobody can guess, and a file that was not there: where others may write into the folder,
        # they could have put a link to a file of ours at any name that they know.
        descriptor, written = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
            os.chmod(written, 0o644)
            os.replace(written, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(written)
            raise

    def remove(self) -> None:
        """Remove it, if it speaks of this process still."""
        with contextlib.suppress(OSError):
            # What stands there now may be a link to a file of ours, or a pipe that nobody writes to.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                speaks_of_us = file.read(32) == b"%d\n" % os.getpid()
            if speaks_of_us:
                self.path.unlink()


def take_office(
    stack: contextlib.ExitStack,
    identity: Identity | None,
    pidfile: Path | None,
    listeners: Sequence[ListenerOptions],
) -> None:
    """Become the user that is to serve, and write the process down: before any client is accepted.

    Args:
        stack: undoes at the end what is to be undone.
        identity: whom to become.
        pidfile: where to write the process down.
        listeners: the options of each listener.

    Raises:
        CommandLineError: root can't be given up, or a file not be written.
    """
    if identity is not None:
        _become(identity)
    for each in listeners:
        _check_transcript(each)
    if pidfile is not None:
        _keep_pid_file(stack, PidFile(pidfile))


def announce_start(listeners: Sequence[ListenerOptions], started: pykka.ActorRef[Any] | Workers) -> None:
    """Say where the server, or its workers, listen.

    Args:
        listeners: the options of each listener.
        started: the server, or its workers.
    """
    # However long a callback may hold the server up already: it serves.
    bound_to = (
        started.addresses() if isinstance(started, Workers) else gen_smtp_server.addresses(started, None)
    )
    for options, bound in zip(listeners, bound_to, strict=True):
        typer.echo(f"listening on {shown_address(bound)} ({_service(options)})")
    sys.stdout.flush()


def check_pid_file(pidfile: Path | None) -> None:
    """Look whether the file could be written, without writing it.

    Raises:
        CommandLineError: its folder is not there.
    """
    if pidfile is not None and not pidfile.parent.is_dir():
        raise CommandLineError(f"--pidfile: cannot write {str(pidfile)!r}: {os.strerror(errno.ENOENT)}")


def _check_transcript(options: ListenerOptions) -> None:
    try:
        check_transcript_file(options)
    except OptionsError as error:
        raise CommandLineError(f"--transcript: {error.problem}") from error


def _keep_pid_file(stack: contextlib.ExitStack, file: PidFile) -> None:
    try:
        file.write()
    except OSError as error:
        raise CommandLineError(f"--pidfile: cannot write {str(file.path)!r}: {error.strerror}") from error
    stack.callback(file.remove)
    # It may have written itself in before it failed.
    stack.callback(events.subscribe(SuccessorFailed, lambda _: file.write()))


def _become(identity: Identity) -> None:
    try:
        identity.assume()
    except OSError as error:
        raise CommandLineError(f"--user: cannot become {identity.user!r}: {error.strerror}") from error


def _service(options: ListenerOptions) -> str:
    return (
        f"{options.sessionoptions.protocol}, TLS"
        if options.protocol == "ssl"
        else options.sessionoptions.protocol
    )
