"""The command `gen-smtp`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from actors.errors import AlreadyStarted, ListenError, StartError
from actors.messages import DEFAULT_GRACE
from gen_smtp import gen_smtp_server
from gen_smtp.cli.announcing import announce_start, check_pid_file, take_office
from gen_smtp.cli.catch_command import HELP as CATCH_HELP
from gen_smtp.cli.catch_command import run_catch
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
from gen_smtp.cli.flags import (
    LOG_LEVELS,
    SERVE_HELP,
    AddressFlag,
    AllowBareNewlinesFlag,
    AllowInsecureAuthFlag,
    BareNewlinesFromFlag,
    CallbackOptionFlag,
    CertfileFlag,
    CheckFlag,
    ConfigFlag,
    DeadlineFlag,
    DomainFlag,
    DrainFlag,
    FamilyFlag,
    GraceFlag,
    GreetDelayFlag,
    GroupFlag,
    KeyfileFlag,
    LenientFlag,
    LimitFlag,
    LmtpFlag,
    LogLevelFlag,
    ModeFlag,
    ModuleArgument,
    PidfileFlag,
    PortFlag,
    ProtocolFlag,
    ProxyProtocolFlag,
    RefuseEarlyTalkersFlag,
    RequireAuthFlag,
    RequireTlsFlag,
    SocketGroupFlag,
    TimeoutFlag,
    TrustProxiedTlsFlag,
    UserFlag,
    WorkerCountFlag,
    XClientFlag,
    XForwardFlag,
)
from gen_smtp.cli.loading import LoadError, load_callback
from gen_smtp.cli.node import (
    CookieFileFlag,
    NameFlag,
    NodeAddressFlag,
    NodeFlag,
    NodeOnlyFlag,
    NodePortFlag,
    NodeTlsFlag,
    SeedFlag,
    node_from_flags,
)
from gen_smtp.cli.privileges import Identity, find_identity
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.node import NodeError
from gen_smtp.options.stop_times import DEFAULT_DRAIN
from gen_smtp.process.inherited import ActivationError
from gen_smtp.workers.pool import WorkersGaveUp, WorkerStartError, check_workers
from gen_smtp.workers.serving import make_job

EXAMPLE = "gen_smtp.smtp_server_example:SmtpServerExample"
SERVER_ERROR = 1
USAGE_ERROR = 2
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

app = typer.Typer(
    name="gen-smtp",
    help="Erlang's gen_smtp server for Python: an SMTP and LMTP server that calls your class for every mail.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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


app.command("catch", help=CATCH_HELP, short_help="Catch mail for tests.")(run_catch)


@app.command(help=SERVE_HELP, short_help="Serve mail with a callback class.")
def serve(
    module: ModuleArgument = EXAMPLE,
    address: AddressFlag = None,
    port: PortFlag = None,
    family: FamilyFlag = None,
    mode: ModeFlag = None,
    socket_group: SocketGroupFlag = None,
    protocol: ProtocolFlag = None,
    domain: DomainFlag = None,
    certfile: CertfileFlag = None,
    keyfile: KeyfileFlag = None,
    lmtp: LmtpFlag = False,
    require_tls: RequireTlsFlag = False,
    require_auth: RequireAuthFlag = False,
    allow_insecure_auth: AllowInsecureAuthFlag = False,
    timeout: TimeoutFlag = None,
    allow_bare_newlines: AllowBareNewlinesFlag = None,
    bare_newlines_from: BareNewlinesFromFlag = None,
    lenient: LenientFlag = False,
    refuse_early_talkers: RefuseEarlyTalkersFlag = False,
    greet_delay: GreetDelayFlag = None,
    proxy_protocol: ProxyProtocolFlag = None,
    trust_proxied_tls: TrustProxiedTlsFlag = False,
    xclient: XClientFlag = None,
    xforward: XForwardFlag = None,
    callback_option: CallbackOptionFlag = None,
    limit: LimitFlag = None,
    deadline: DeadlineFlag = None,
    config: ConfigFlag = None,
    log_level: LogLevelFlag = "info",
    user: UserFlag = None,
    group: GroupFlag = None,
    workers: WorkerCountFlag = 1,
    grace: GraceFlag = DEFAULT_GRACE,
    drain: DrainFlag = DEFAULT_DRAIN,
    pidfile: PidfileFlag = None,
    node: NodeFlag = None,
    cookie_file: CookieFileFlag = None,
    seed: SeedFlag = None,
    name: NameFlag = None,
    node_address: NodeAddressFlag = None,
    node_port: NodePortFlag = None,
    node_only: NodeOnlyFlag = None,
    node_tls: NodeTlsFlag = None,
    check: CheckFlag = False,
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
        "--bare-newlines-from": bare_newlines_from or None,
        "--lenient": lenient or None,
        "--refuse-early-talkers": refuse_early_talkers or None,
        "--greet-delay": greet_delay,
        "--proxy-protocol": proxy_protocol or None,
        "--trust-proxied-tls": trust_proxied_tls or None,
        "--xclient": xclient or None,
        "--xforward": xforward or None,
        "--callback-option": callback_option or None,
        "--limit": limit or None,
        "--deadline": deadline or None,
    }
    of_node = {
        "--node": node,
        "--cookie-file": cookie_file,
        "--seed": seed,
        "--name": name,
        "--node-address": node_address,
        "--node-port": node_port,
        "--node-only": node_only,
        "--node-tls": node_tls,
    }
    try:
        _log_to_stderr(log_level)
        configuration = _configuration(flags, config)
        identity = _identity(user, group)
        joins = node_from_flags(of_node) or configuration.node
        process = {"workers": workers, "grace": grace, "drain": drain, "node": joins}
        callback = _callback(module)
        config_flag = "--config" if config else None
        if check:
            _check(callback, configuration, process, config_flag)
            check_pid_file(pidfile)
            typer.echo("nothing is wrong; nothing was started")
            return
        with contextlib.ExitStack() as stack:
            hooks = {
                "on_bound": partial(take_office, stack, identity, pidfile),
                "on_started": partial(announce_start, configuration.listeners),
            }
            _serve(callback, configuration, {**hooks, **process}, config_flag)
    except CommandLineError as error:
        _fail(str(error))


def _check(
    callback: Callable[[], Any], configuration: Configuration, process: dict[str, Any], config: str | None
) -> None:
    """What `serve` looks at before it opens a socket."""
    with _errors_of_start(config):
        check_workers(process["workers"])
        make_job(callback, configuration.listeners, configuration.server, process["grace"], process["drain"])


def _serve(
    callback: Callable[[], Any], configuration: Configuration, process: dict[str, Any], config: str | None
) -> None:
    with _errors_of_start(config):
        gen_smtp_server.serve_forever(
            callback, configuration.listeners, serveroptions=configuration.server, **process
        )


@contextlib.contextmanager
def _errors_of_start(config: str | None) -> Iterator[None]:
    """What is wrong at a start, with the flag that it came from.

    Args:
        config: the flag of a file that the options came from; None where they have flags of their own.
    """
    try:
        yield
    except ListenError as error:
        flag = config or ("--address" if error.port is None else "--port")
        raise CommandLineError(f"{flag}: {error}") from error
    except OptionsError as error:
        raise CommandLineError(f"--{error.option}: {error.problem}; allowed: {error.allowed}") from error
    except ActivationError as error:
        raise CommandLineError(f"LISTEN_FDS: {error}") from error
    except NodeError as error:
        raise CommandLineError(f"--{error.option}: {error}") from error
    except AlreadyStarted as error:
        raise CommandLineError(f"--name: {error}") from error
    except WorkerStartError as error:
        _fail(str(error), SERVER_ERROR)
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
