"""What `gen-smtp catch` does with its flags."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from gen_smtp import gen_smtp_server
from gen_smtp.catch.printing import print_message
from gen_smtp.catch.store import Kept, Store
from gen_smtp.testing.catching import Catch
from gen_smtp.testing.failures import make_failure

FAILURE_FIELDS = ("reply", "sender", "recipient", "times", "delay", "cut")
_FIELD = re.compile(rf",(?=(?:{'|'.join(FAILURE_FIELDS)})(?:=|,|$))")
_NUMBERS = {"times": int, "delay": float}


class CatchError(Exception):
    """A flag is wrong; says which, and what to do."""


@dataclass(frozen=True, slots=True)
class CatchOptions:
    """What the command line says.

    Attributes:
        address, port: where mail is taken.
        http: where the API answers: `8025` or `HOST:PORT`; None for nowhere.
        lmtp: whether LMTP is spoken.
        certfile, keyfile: for STARTTLS; None without.
        users: `NAME:PASSWORD` each.
        failures: what goes wrong, as `parse_failure` takes it.
        maildir: a folder that gets a copy of each message.
        most: how many messages are kept in memory.
        quiet: whether nothing is printed.
    """

    address: str = "127.0.0.1"
    port: int = 1025
    http: str | None = None
    lmtp: bool = False
    certfile: str | None = None
    keyfile: str | None = None
    users: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    maildir: Path | None = None
    most: int = 1000
    quiet: bool = False
    console: Console = field(default_factory=Console)


def catch(options: CatchOptions) -> None:
    """Catch mail until SIGTERM or SIGINT.

    Raises:
        CatchError: a flag is wrong.
        StartError: as `gen_smtp_server.serve_forever`.
    """
    store = make_store(options)
    catching = make_catch(options, store)
    with contextlib.ExitStack() as stack:

        def announce(server: Any) -> None:
            (address,) = gen_smtp_server.addresses(server)
            options.console.print(f"catching mail at {address[0]} port {address[1]}", highlight=False)
            if options.http is not None:
                serve_api(options, store, stack)

        gen_smtp_server.serve_forever(
            catching.make,
            [listener_of(options)],
            serveroptions={"max_sessions_per_address": None, "connections_per_minute": None},
            grace=0.0,
            on_started=announce,
        )


def serve_api(options: CatchOptions, store: Store, stack: contextlib.ExitStack) -> tuple[str, int]:
    """Answer over HTTP until the stack closes; returns where."""
    try:
        from gen_smtp.catch.api import make_app
        from gen_smtp.catch.http_server import start_http, stop_http
    except ModuleNotFoundError as error:
        raise CatchError(f"--http: needs {error.name}: pip install 'gen-smtp[catch]'") from error
    assert options.http is not None
    host, port = http_address(options.http)
    try:
        server = start_http(make_app(store), (host, port))
    except OSError as error:
        raise CatchError(f"--http: cannot listen on {host} port {port}: {error.strerror or error}") from error
    stack.callback(stop_http, server)
    options.console.print(
        f"the API answers at http://{host}:{server.server_port}/api/v1/messages", highlight=False
    )
    return host, server.server_port


def make_store(options: CatchOptions) -> Store:
    """Where messages go; each is printed unless that is not wanted."""

    def on_kept(kept: Kept) -> None:
        if not options.quiet:
            print_message(options.console, kept)

    return Store(options.most, options.maildir, on_kept)


def make_catch(options: CatchOptions, store: Store) -> Catch:
    """The callbacks, with users and failures."""
    users: dict[str, str] = {}
    for each in options.users:
        name, colon, password = each.partition(":")
        if not (name and colon):
            raise CatchError(f"--user: {each!r} is not NAME:PASSWORD")
        users[name] = password
    made = Catch(store.add, users)
    for given in options.failures:
        try:
            made.failures.add(make_failure(**parse_failure(given)))
        except (TypeError, ValueError) as error:
            raise CatchError(f"--fail: {error}") from error
    return made


def listener_of(options: CatchOptions) -> dict[str, Any]:
    """The listener's options."""
    return {
        "address": options.address,
        "port": options.port,
        "sessionoptions": {
            "protocol": "lmtp" if options.lmtp else "smtp",
            "allow_bare_newlines": "fix",
            "allow_insecure_auth": True,
            "certfile": options.certfile,
            "keyfile": options.keyfile,
        },
    }


def parse_failure(given: str) -> dict[str, Any]:
    """A failure as the command line has it: `RCPT,reply=550 5.1.1 No,recipient=a@example.com,times=2`.

    Raises:
        ValueError: a value is none; says of what.
    """
    place, *given_fields = _FIELD.split(given)
    found: dict[str, Any] = {"place": place}
    for each in given_fields:
        name, equals, value = each.partition("=")
        if name == "cut":
            found[name] = True
        elif not equals:
            raise ValueError(f"{name} needs a value: {name}=...")
        else:
            try:
                found[name] = _NUMBERS.get(name, str)(value)
            except ValueError:
                raise ValueError(f"{name}: {value!r} is no number") from None
    return found


def http_address(given: str) -> tuple[str, int]:
    """Host and port of `8025`, `0.0.0.0:8025` or `[::1]:8025`.

    Raises:
        CatchError: it is none of these.
    """
    host, _, port = given.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise CatchError(f"--http: {given!r} is neither a port nor HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)
