"""The command `gen-smtp`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from actors.errors import ListenError, StartError
from actors.messages import DEFAULT_GRACE
from gen_smtp import gen_smtp_server
from gen_smtp.cli.announcing import announce_start
from gen_smtp.cli.configuration import (
    DEADLINE_RECORDS,
    LIMIT_RECORDS,
    CommandLineError,
    Configuration,
    configuration_from_file,
    keys_and_values,
    listener_from_flags,
    server_from_limits,
    values_of_records,
)
from gen_smtp.cli.loading import LoadError, load_callback
from gen_smtp.cli.privileges import Identity, find_identity
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.stop_times import DEFAULT_DRAIN
from gen_smtp.process.inherited import ActivationError
from gen_smtp.workers.pool import WorkersGaveUp

EXAMPLE = "gen_smtp.smtp_server_example:SmtpServerExample"
SERVER_ERROR = 1
USAGE_ERROR = 2
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

app = typer.Typer(
    name="gen-smtp",
    help="Erlang's gen_smtp server for Python: an SMTP and LMTP server that calls your class for every mail.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

SERVE_HELP = """Serve mail with a callback class until SIGTERM or SIGINT, after the mail in hand.

SIGHUP has it read certificates and the module of your class again, without losing a connection. SIGUSR2 has a
new process take over, with a new version of everything, while no client is refused.

MODULE:CLASS is your class, in a module of the current folder or an installed one. Without it the example
server answers, which takes every mail and keeps none.

\b
Try it:
  gen-smtp serve --address 127.0.0.1
  swaks --server 127.0.0.1:2525 --to you@example.com

\b
Your own class, with options for its init():
  gen-smtp serve mymodule:MyServer --callback-option size=655360 --callback-option relay

\b
TLS from the first octet; or STARTTLS and AUTH, as the example announces them:
  gen-smtp serve --port 4650 --protocol ssl --certfile cert.pem --keyfile key.pem
  gen-smtp serve --certfile cert.pem --keyfile key.pem --callback-option auth

\b
LMTP behind another mail server, on a unix socket:
  gen-smtp serve --lmtp --family unix --address /run/mail.sock --mode 660 --socket-group postfix

\b
Port 25, as root only until it is bound:
  gen-smtp serve --port 25 --domain mx.example.com --user mail mymodule:MyServer

\b
Behind HAProxy with send-proxy or send-proxy-v2:
  gen-smtp serve --proxy-protocol 10.0.0.0/8 mymodule:MyServer

\b
Restarted while it serves (docs/operations.md, also for systemd):
  kill -USR2 PID

\b
All of four cores:
  gen-smtp serve --workers 4 mymodule:MyServer

\b
Limits, which each worker has for itself; docs/limits.md has them all:
  gen-smtp serve --limit max_sessions=500 --limit exempt=192.0.2.0/24,2001:db8::/32 mymodule:MyServer
  gen-smtp serve --limit message_size=52428800 --limit errors=10 mymodule:MyServer
  gen-smtp serve --timeout 120 --deadline data_block=60 --deadline session=3600 mymodule:MyServer

\b
Several listeners, from a TOML file:
  gen-smtp serve --config listeners.toml
\b
  [server]
  max_sessions = 500
\b
  [[listener]]
  port = 2525
  domain = "myserver.com"
\b
  [[listener]]
  port = 4650
  protocol = "ssl"
  [listener.sessionoptions]
  certfile = "cert.pem"
  keyfile = "key.pem"
  timeout = 180
  callbackoptions = { auth = true }
"""

Module = Annotated[
    str, typer.Argument(metavar="MODULE:CLASS", show_default=False, help="Your callback class.")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Address, host name or socket path to listen on. [default: all addresses]"
    ),
]
Port = Annotated[
    int | None,
    typer.Option(metavar="PORT", help="Port to listen on; 0 lets the system choose. [default: 2525]"),
]
Family = Annotated[
    str | None, typer.Option(metavar="inet|inet6|unix", help="Address family. [default: inet]")
]
Mode = Annotated[
    str | None,
    typer.Option(metavar="OCTAL", help="Permissions of a unix socket, such as 660. [default: by the umask]"),
]
SocketGroup = Annotated[
    str | None, typer.Option(metavar="GROUP", help="Group that a unix socket belongs to.")
]
Protocol = Annotated[
    str | None, typer.Option(metavar="tcp|ssl", help="ssl is TLS from the first octet. [default: tcp]")
]
Domain = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The server's name in greetings. [default: this machine's full name]"),
]
Certfile = Annotated[str | None, typer.Option(metavar="FILE", help="Certificate in PEM form.")]
Keyfile = Annotated[str | None, typer.Option(metavar="FILE", help="Its key, unless it is in the same file.")]
Lmtp = Annotated[
    bool, typer.Option("--lmtp", help="Speak LMTP; the callback option protocol=lmtp is set too.")
]
RequireTls = Annotated[bool, typer.Option("--require-tls", help="No mail before STARTTLS.")]
RequireAuth = Annotated[bool, typer.Option("--require-auth", help="No mail before AUTH.")]
AllowInsecureAuth = Annotated[bool, typer.Option("--allow-insecure-auth", help="Offer AUTH without TLS too.")]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time to the next command; inf is for ever. [default: 300]"),
]
Deadline = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SECONDS", help="How long anything else may take; may be repeated."),
]
AllowBareNewlines = Annotated[
    str | None,
    typer.Option(
        metavar="ignore|fix|strip", help="Take messages with a CR or LF alone. [default: they are refused]"
    ),
]
RefuseEarlyTalkers = Annotated[
    bool,
    typer.Option("--refuse-early-talkers", help="Answer 554 to a client that talks before the greeting."),
]
GreetDelay = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Let clients wait for the greeting, to find such. [default: 0]"),
]
ProxyProtocol = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NETWORK", help="Balancers that send the PROXY header; needed from all. May be repeated."
    ),
]
TrustProxiedTls = Annotated[
    bool, typer.Option("--trust-proxied-tls", help="TLS that ends at a balancer counts as TLS here.")
]
XClient = Annotated[
    list[str] | None,
    typer.Option("--xclient", metavar="NETWORK", help="Clients that may use XCLIENT; may be repeated."),
]
CallbackOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY[=VALUE]", help="Option for the callback, a TOML value or text; may be repeated."
    ),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A limit of the server or of each session; may be repeated."),
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file with a [[listener]] table for each listener.")
]
LogLevel = Annotated[str, typer.Option(metavar="|".join(LOG_LEVELS), help="What to log on standard error.")]
User = Annotated[
    str | None, typer.Option(metavar="USER", help="User to become once the ports are bound; needs root.")
]
Group = Annotated[
    str | None, typer.Option(metavar="GROUP", help="Group to become with --user. [default: the user's own]")
]
WorkerCount = Annotated[
    int, typer.Option("--workers", metavar="N", help="Processes that share the ports, for several cores.")
]
Grace = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time for the mail in hand when the server stops.")
]
Drain = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Time that clients may stay when another process has taken over."),
]
Pidfile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File for the number of the process that serves.")
]


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(f"gen-smtp {importlib.metadata.version('gen-smtp')}")
    except importlib.metadata.PackageNotFoundError:
        typer.echo("gen-smtp (not installed: run from its source)")
    raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Erlang's gen_smtp server for Python: an SMTP and LMTP server that calls your class for every mail."""


@app.command(help=SERVE_HELP, short_help="Serve mail with a callback class.")
def serve(
    module: Module = EXAMPLE,
    address: Address = None,
    port: Port = None,
    family: Family = None,
    mode: Mode = None,
    socket_group: SocketGroup = None,
    protocol: Protocol = None,
    domain: Domain = None,
    certfile: Certfile = None,
    keyfile: Keyfile = None,
    lmtp: Lmtp = False,
    require_tls: RequireTls = False,
    require_auth: RequireAuth = False,
    allow_insecure_auth: AllowInsecureAuth = False,
    timeout: Timeout = None,
    allow_bare_newlines: AllowBareNewlines = None,
    refuse_early_talkers: RefuseEarlyTalkers = False,
    greet_delay: GreetDelay = None,
    proxy_protocol: ProxyProtocol = None,
    trust_proxied_tls: TrustProxiedTls = False,
    xclient: XClient = None,
    callback_option: CallbackOption = None,
    limit: Limit = None,
    deadline: Deadline = None,
    config: Config = None,
    log_level: LogLevel = "info",
    user: User = None,
    group: Group = None,
    workers: WorkerCount = 1,
    grace: Grace = DEFAULT_GRACE,
    drain: Drain = DEFAULT_DRAIN,
    pidfile: Pidfile = None,
) -> None:
    """Serve mail; `SERVE_HELP` is what its user reads."""
    flags = {
        "--address": address,
        "--port": port,
        "--family": family,
        "--mode": mode,
        "--socket-group": socket_group,
        "--protocol": protocol,
        "--domain": domain,
        "--certfile": certfile,
        "--keyfile": keyfile,
        "--lmtp": "lmtp" if lmtp else None,
        "--require-tls": require_tls or None,
        "--require-auth": require_auth or None,
        "--allow-insecure-auth": allow_insecure_auth or None,
        "--timeout": timeout,
        "--allow-bare-newlines": allow_bare_newlines,
        "--refuse-early-talkers": refuse_early_talkers or None,
        "--greet-delay": greet_delay,
        "--proxy-protocol": proxy_protocol or None,
        "--trust-proxied-tls": trust_proxied_tls or None,
        "--xclient": xclient or None,
        "--callback-option": callback_option or None,
        "--limit": limit or None,
        "--deadline": deadline or None,
    }
    try:
        _log_to_stderr(log_level)
        configuration = _configuration(flags, config)
        identity = _identity(user, group)
        process = {"workers": workers, "grace": grace, "drain": drain}
        with contextlib.ExitStack() as stack:
            announce = partial(announce_start, stack, configuration.listeners, identity, pidfile)
            _serve(_callback(module), configuration, announce, process, "--config" if config else None)
    except CommandLineError as error:
        _fail(str(error))


def _serve(
    callback: Callable[[], Any],
    configuration: Configuration,
    on_started: Callable[[Any], object],
    process: dict[str, Any],
    config: str | None,
) -> None:
    try:
        gen_smtp_server.serve_forever(
            callback,
            configuration.listeners,
            serveroptions=configuration.server,
            on_started=on_started,
            **process,
        )
    except ListenError as error:
        flag = config or ("--address" if error.port is None else "--port")
        raise CommandLineError(f"{flag}: {error}") from error
    except OptionsError as error:
        raise CommandLineError(f"--{error.option}: {error.problem}; allowed: {error.allowed}") from error
    except ActivationError as error:
        raise CommandLineError(f"LISTEN_FDS: {error}") from error
    except StartError as error:
        raise CommandLineError(f"MODULE:CLASS: {error}") from error
    except WorkersGaveUp as error:
        _fail(str(error), SERVER_ERROR)


def _log_to_stderr(level: str) -> None:
    if level.lower() not in LOG_LEVELS:
        raise CommandLineError(f"--log-level: {level!r} is none; allowed: {', '.join(LOG_LEVELS)}")
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT)


def _configuration(flags: dict[str, Any], config: Path | None) -> Configuration:
    given = [flag for flag, value in flags.items() if value is not None]
    if config is not None:
        if given:
            raise CommandLineError(f"{given[0]}: not together with --config; write it into {config}")
        return configuration_from_file(config)
    limits = values_of_records("--limit", flags["--limit"] or (), LIMIT_RECORDS)
    callbackoptions = keys_and_values("--callback-option", flags["--callback-option"] or ())
    if flags["--lmtp"]:
        # The example, as gen_smtp's, asks its own options whether it is to answer once per recipient.
        callbackoptions.setdefault("protocol", "lmtp")
    deadlines = values_of_records("--deadline", flags["--deadline"] or (), DEADLINE_RECORDS)
    of_listener = {
        "--callback-option": callbackoptions,
        "--limit": limits["sessionoptions.limits"],
        "--deadline": deadlines["sessionoptions.deadlines"],
    }
    listeners = listener_from_flags({**flags, **of_listener})
    return Configuration(listeners, server_from_limits(limits["serveroptions"]))


def _identity(user: str | None, group: str | None) -> Identity | None:
    if user is None:
        if group is not None:
            raise CommandLineError("--group: needs --user")
        return None
    try:
        identity = find_identity(user, group)
    except LookupError as error:
        raise CommandLineError(f"--user, --group: {error.args[0]}") from error
    if not identity.may_be_assumed():
        raise CommandLineError(f"--user: only root can become {user!r}")
    return identity


def _callback(module: str) -> Callable[[], Any]:
    try:
        return load_callback(module)
    except LoadError as error:
        raise CommandLineError(f"MODULE:CLASS: {error}") from error


def _fail(message: str, code: int = USAGE_ERROR) -> NoReturn:
    """One line for the user, whatever the message came from."""
    typer.echo(f"gen-smtp: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
