"""`gen_smtp_server.serve_forever`: a process that only serves, by itself or with workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.messages import DEFAULT_GRACE
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.control.options import ControlConfiguration, parse_control
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.node import NodeConfiguration, parse_node_options
from gen_smtp.options.parsing import ServerConfiguration
from gen_smtp.options.stop_times import DEFAULT_DRAIN, stop_times
from gen_smtp.process.serve_job import ServeJob
from gen_smtp.process.service import OpenAdmin
from gen_smtp.process.single import serve_in_this_process
from gen_smtp.server.starting import Options, check_arguments, check_not_loading
from gen_smtp.workers.observing import observed
from gen_smtp.workers.pool import check_workers, serve_with_workers


def serve_forever(
    module: Module,
    options: Options = None,
    *,
    serveroptions: ServerConfiguration = None,
    workers: int = 1,
    grace: float = DEFAULT_GRACE,
    drain: float = DEFAULT_DRAIN,
    node: NodeConfiguration = None,
    control: ControlConfiguration = None,
    metrics: str | int | None = None,
    traces: bool = False,
    on_bound: Callable[[], object] | None = None,
    on_started: Callable[[Any], object] | None = None,
    on_serving: Callable[[Any], object] | None = None,
) -> None:
    """Run a server in the calling thread until SIGTERM or SIGINT, then stop it gracefully.

    A second SIGTERM or SIGINT ends it at once.

    SIGHUP has it read certificates again, as `reload_tls`, and load the Python module again that the callback
    class stands in, as `change_code`; what can't be used is logged and changes nothing.

    SIGUSR2 has it start this program once more, with the same command line and the same listening sockets,
    and leave when that serves: no connection is refused. If it fails, this goes on.

    Sockets that a service manager, systemd say, or a predecessor has opened are taken as its listeners', and
    the manager is told how it is doing.

    With several workers, so many forked processes accept from the same sockets, and this one supervises them
    in the main thread, without any actor of its own. A worker that ends is replaced; connections that nobody
    has accepted yet are not lost with it. Each has a server with a session list of its own. They all stop
    when this process is told to, or is killed.

    Args:
        module, options: as for `start`.
        serveroptions: as for `start`; with several workers each of them goes by these limits on its own.
        workers: how many processes serve; more than 1 only where no actor was started yet.
        grace: seconds that a message in hand gets at the end.
        drain: seconds for which sessions go on, before that, when another process has taken over.
        node: how to join an Erlang cluster: NodeOptions, a mapping or pairs of the same; None for not at all.
            With several workers each of them is a node of its own, and the name stands for all of them.
        control: the path of a unix socket at which `gen-smtp sessions` and its like see and steer the
            server, with all of its workers and its successors; a mapping with `path`, `mode` and `group`;
            None for none.
        metrics: where Prometheus finds `/metrics`: a port of 127.0.0.1, or `HOST:PORT`; None for nowhere. It
            needs the extra `gen-smtp[metrics]`.
        traces: whether sessions and transactions are told to OpenTelemetry, as the program or the environment
            has set it up. It needs the extra `gen-smtp[otel]`.
        on_bound: called when the sockets are open, and before any client is accepted: the place to give up
            root. What it raises ends the server, and no client was served. With several workers it is called
            before they are forked, so what it does to the process holds for them, too.
        on_started: called when the server serves; what it raises ends the server. It gets the server's
            reference or, with several workers, a `Workers`: then it is called before they are forked. A
            thread that it starts is in this process alone; it must hold no lock that a worker needs.
        on_serving: called with the server's reference in each process that serves: in this one, or in each
            worker, also in one that replaces another. What it returns is called at the end, when the server
            has ended, if it can be called. What it raises ends the process.

    Raises:
        StartError: as `start`; an OptionsError where there can't be so many workers; an ActivationError where
            the sockets that the process was given are not those that its listeners need.
        ActorDeadError: the server ended by itself for another reason than `normal` or `shutdown`; a
            WorkersGaveUp if workers had to be replaced too often.
    """
    check_not_loading()
    job = make_job(module, options, serveroptions, grace, drain, node)
    job.on_serving = on_serving
    open_admin = _control_opener(control)
    if check_workers(workers) > 1 and job.server_options.loop is not None:
        raise OptionsError(
            "a loop does not come along into forked workers",
            option="serveroptions.loop",
            allowed="None with workers: each has a loop of its own",
        )
    with observed(job, workers, metrics, traces):
        if workers > 1:
            serve_with_workers(job, workers, on_bound, on_started, open_admin)
        else:
            serve_in_this_process(job, on_bound, on_started, open_admin)


def _control_opener(control: ControlConfiguration) -> OpenAdmin | None:
    options = parse_control(control)
    if options is None:
        return None
    # Without a control socket nothing of it is loaded.
    from gen_smtp.control.point import opener

    return opener(options)


def make_job(
    module: Module,
    options: Options,
    serveroptions: ServerConfiguration,
    grace: float,
    drain: float,
    node: NodeConfiguration = None,
) -> ServeJob:
    """Check all that `serve_forever` is told, but for the number of workers.

    Raises:
        StartError: as `serve_forever`.
    """
    checked = check_arguments(module, options, serveroptions)
    return ServeJob(*checked, stop_times(grace, drain), parse_node_options(node))
