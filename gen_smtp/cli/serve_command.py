"""The command `gen-smtp serve`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gen_smtp import gen_smtp_server
from gen_smtp.cli.announcing import announce_start, check_pid_file, take_office
from gen_smtp.cli.errors import errors_of_start, fail
from gen_smtp.cli.flags import ConfigFlag, given_settings
from gen_smtp.cli.loading import LoadError, load_callback, load_named
from gen_smtp.cli.privileges import Identity, find_identity
from gen_smtp.control.options import parse_control
from gen_smtp.logs import log_to_stderr
from gen_smtp.settings.configuration import Configuration, configure
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.workers.observing import needing
from gen_smtp.workers.pool import check_workers
from gen_smtp.workers.serving import make_job

CheckFlag = Annotated[bool, typer.Option("--check", help="Start nothing; say what is wrong, if anything is.")]


def serve(context: typer.Context, config: ConfigFlag = None, check: CheckFlag = False, **values: Any) -> None:
    """Serve mail; `SERVE_HELP` is what its user reads."""
    try:
        configuration = configure(given_settings(context, values), config)
        _log(configuration)
        if check:
            check_configuration(configuration)
            typer.echo("nothing is wrong; nothing was started")
            return
        identity = _identity(configuration)
        with _shared_metrics(configuration, identity):
            _serve(_callback(configuration), configuration, identity)
    except CommandLineError as error:
        fail(str(error))


def check_configuration(configuration: Configuration) -> None:
    """What `serve` looks at before it opens a socket.

    Raises:
        CommandLineError: what is wrong.
    """
    _identity(configuration)
    _check(_callback(configuration), configuration)


def _check(callback: Callable[[], Any], configuration: Configuration) -> None:
    process = configuration.process
    with errors_of_start(configuration):
        check_workers(process["workers"])
        parse_control(_control(configuration))
        _on_serving(configuration)
        make_job(callback, configuration.listeners, configuration.server, process["grace"], process["drain"])
        if configuration.node is not None:
            from gen_smtp.cluster.joining import check  # without a node nothing of it is loaded

            check(configuration.node)
    check_pid_file(_pidfile(configuration))


def _serve(callback: Callable[[], Any], configuration: Configuration, identity: Identity | None) -> None:
    process = configuration.process
    with errors_of_start(configuration), contextlib.ExitStack() as stack:
        gen_smtp_server.serve_forever(
            callback,
            configuration.listeners,
            serveroptions=configuration.server,
            workers=process["workers"],
            grace=process["grace"],
            drain=process["drain"],
            node=configuration.node,
            control=_control(configuration),
            metrics=process["metrics.address"],
            traces=process["traces.enabled"],
            on_bound=partial(take_office, stack, identity, _pidfile(configuration), configuration.listeners),
            on_started=partial(announce_start, configuration.listeners),
            on_serving=_on_serving(configuration),
        )


def _control(configuration: Configuration) -> dict[str, Any] | None:
    given = {
        name: value
        for name in ("path", "mode", "group")
        if (value := configuration.process[f"control.{name}"]) is not None
    }
    if given and "path" not in given:
        raise CommandLineError(f"{configuration.name_of(f'control.{next(iter(given))}')}: needs --control")
    return given or None


def _on_serving(configuration: Configuration) -> Callable[[Any], object] | None:
    named = configuration.process["on_started"]
    if named is None:
        return None
    try:
        return load_named(named, "module:function, such as mypackage.mymodule:start_metrics", "no function")
    except LoadError as error:
        raise CommandLineError(f"{configuration.name_of('on_started')}: {error}") from error


@contextlib.contextmanager
def _shared_metrics(configuration: Configuration, identity: Identity | None) -> Iterator[None]:
    """With workers, and before the module is imported: metrics of its own are added up as ours are."""
    process = configuration.process
    if process["metrics.address"] is None or process["workers"] == 1:
        yield
        return
    with errors_of_start(configuration), needing("metrics", "prometheus_client"):
        from gen_smtp.metrics.sharing import shared_values
    with shared_values(*(() if identity is None else (identity.uid, identity.gid))):
        yield


def _pidfile(configuration: Configuration) -> Path | None:
    path: Path | None = configuration.process["pidfile"]
    return path


def _log(configuration: Configuration) -> None:
    process = configuration.process
    log_to_stderr(process["log.level"].upper(), process["log.format"])


def _identity(configuration: Configuration) -> Identity | None:
    user, group = configuration.process["user"], configuration.process["group"]
    name = configuration.name_of("user")
    if user is None:
        if group is not None:
            raise CommandLineError(f"{configuration.name_of('group')}: needs --user")
        return None
    try:
        identity = find_identity(user, group)
    except LookupError as error:
        raise CommandLineError(f"--user, --group: {error.args[0]}") from error
    if not identity.may_be_assumed():
        raise CommandLineError(f"{name}: only root can become {user!r}")
    return identity


def _callback(configuration: Configuration) -> Callable[[], Any]:
    try:
        return load_callback(configuration.process["module"])
    except LoadError as error:
        raise CommandLineError(f"{configuration.name_of('module')}: {error}") from error
