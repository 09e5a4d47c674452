"""gen_smtp's `gen_smtp_server`: start, stop and ask a server that listens for SMTP connections.

    server = gen_smtp_server.start(MyServer, [{"port": 2525, "domain": "mx.example.com"}])
    gen_smtp_server.sessions(server)
    gen_smtp_server.stop(server)

All functions may be called from any thread, greenlet or actor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, overload

import pykka

from actors import AlreadyStarted, ChildSpec, ListenError, StartError
from actors.otp.messaging import cast, invoke
from actors.seconds import wait_seconds
from gen_smtp.callbacks.behaviour import BehaviourError, Module
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import Listener, ListenerOptions
from gen_smtp.options.parsing import (
    ListenerConfiguration,
    ServerConfiguration,
)
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.session import SessionOptions
from gen_smtp.options.stop_times import stop_times
from gen_smtp.options.tls.record import KeyPair, TlsOptions
from gen_smtp.process.inherited import ActivationError
from gen_smtp.server import live_changes
from gen_smtp.server.live_changes import CodeChange
from gen_smtp.server.server import SmtpServer, State
from gen_smtp.server.starting import (
    Options,
    Server,
    ServerName,
    ServerRef,
    check_arguments,
    checked_name,
    is_asked_by_messages,
    server_anywhere,
    server_ref,
    start_server,
)
from gen_smtp.workers.pool import WorkersGaveUp
from gen_smtp.workers.roster import Workers
from gen_smtp.workers.serving import serve_forever

__all__ = [
    "ActivationError",
    "AlreadyStarted",
    "BehaviourError",
    "CodeChange",
    "KeyPair",
    "ListenError",
    "Listener",
    "ListenerOptions",
    "Options",
    "OptionsError",
    "Server",
    "ServerName",
    "ServerOptions",
    "ServerRef",
    "SessionOptions",
    "SmtpServer",
    "StartError",
    "State",
    "TlsOptions",
    "Workers",
    "WorkersGaveUp",
    "add_listener",
    "addresses",
    "change_code",
    "check",
    "child_spec",
    "init",
    "listeners",
    "reload_tls",
    "remove_listener",
    "resume",
    "running",
    "serve_forever",
    "sessions",
    "start",
    "start_link",
    "stop",
    "suspend",
]

init = SmtpServer.init
"""gen_smtp's `init/1`, which a server calls itself when it starts."""


@overload
def start(
    module: Module, options: Options = None, /, *, serveroptions: ServerConfiguration = None
) -> ServerRef: ...
@overload
def start(
    name: ServerName, module: Module, options: Options, /, *, serveroptions: ServerConfiguration = None
) -> ServerRef: ...
def start(*args: Any, serveroptions: ServerConfiguration = None) -> ServerRef:
    """Start a server, linked to nothing.

    `start(Module)`, `start(Module, Options)` or `start(Name, Module, Options)`.

    All its listening sockets are open when this returns.

    Args:
        name: registers the server: `("local", "mx")` or `"mx"`; `("global", term)` in the cluster of Erlang's
            that this process is a node of (`beam.start`); `("via", registry, term)` with an object that has
            the methods of OTP's: `register_name`, `unregister_name`, `whereis_name` and `send`.
        module: the callback class, or anything that makes a callback object when called without arguments.
        options: a list with the options of each listener; without it there is one with the defaults.
        serveroptions: the limits of the whole server: ServerOptions, a mapping or pairs of the same.

    Returns:
        the server's reference.

    Raises:
        OptionsError: an option is wrong; says which, of which listener, and what is allowed.
        BehaviourError: the callback class has not the right shape.
        ListenError: a listening socket could not be opened; those opened before it are closed again.
        AlreadyStarted: the name is taken; carries the reference that has it, which may be of another node.
        StartError: the base of all of these; by itself, no node answers that knows of global names.
    """
    return start_server(args, serveroptions, linked=False)


@overload
def start_link(
    module: Module, options: Options = None, /, *, serveroptions: ServerConfiguration = None
) -> ServerRef: ...
@overload
def start_link(
    name: ServerName, module: Module, options: Options, /, *, serveroptions: ServerConfiguration = None
) -> ServerRef: ...
def start_link(*args: Any, serveroptions: ServerConfiguration = None) -> ServerRef:
    """Start a server linked to the calling actor; arguments, result and errors as `start`.

    The server ends when that actor ends, for whatever reason; the actor gets the server's exit. Called
    outside any actor, the server is bound to the calling greenlet or thread and stops when that ends.
    """
    return start_server(args, serveroptions, linked=True)


def child_spec(
    name: ServerName, module: Module, options: Options = None, *, serveroptions: ServerConfiguration = None
) -> ChildSpec:
    """What a supervisor needs to know to have a server as its child.

        Supervisor.start([gen_smtp_server.child_spec("mx", MyServer, [{"port": 2525}])])
        gen_smtp_server.sessions("mx")

    The server is a permanent child of type supervisor; it gets all the time that it needs to wind up. It is
    restarted with the same options: one with port 0 gets another port.

    Args:
        name: the child's id, and the name that the server is registered under.
        module, options, serveroptions: as for `start`; looked at now.

    Raises:
        OptionsError, BehaviourError: as `start`.
    """
    checked_name(name)
    checked = check_arguments(module, options, serveroptions)[2]
    start = (partial(start_link, serveroptions=checked), (name, module, options))
    return ChildSpec(name, start, restart="permanent", shutdown="infinity", type="supervisor")


def check(module: Module, options: Options = None, *, serveroptions: ServerConfiguration = None) -> None:
    """Look at all that a server would start with, as `start` does, and start nothing.

    Certificates and keys are loaded; the callback class checks its options (`Behaviour.check_options`). No
    socket is opened.

    Args:
        module, options, serveroptions: as for `start`.

    Raises:
        OptionsError, BehaviourError: as `start`.
    """
    check_arguments(module, options, serveroptions)


@overload
def stop(
    server: Server,
    *,
    grace: float | None = None,
    drain: float = 0.0,
    block: Literal[False],
    timeout: float | None = None,
) -> pykka.Future[bool]: ...
@overload
def stop(
    server: Server,
    *,
    grace: float | None = None,
    drain: float = 0.0,
    block: Literal[True] = True,
    timeout: float | None = None,
) -> bool: ...
def stop(
    server: Server,
    *,
    grace: float | None = None,
    drain: float = 0.0,
    block: bool = True,
    timeout: float | None = None,
) -> Any:
    """Stop a server with reason `normal`.

    Listeners close first; sessions between commands hear 421, one in a message may finish it within the
    grace; what is left then is cut off. When this returns nothing of the server is left: no actor, no socket,
    no timer. Called from inside the server's tree (a callback), it sends the poison pill and returns.

    Called once more while the server stops, it can have that end sooner, and never later.

    Args:
        server: its reference or registered name, also of one on another node.
        grace: seconds for a message in hand; five if nothing was ever said.
        drain: seconds for which sessions go on before that, as if nothing was; the last one ends the server.
        block: False returns a future at once, which any thread, greenlet or asyncio task may wait for.
        timeout: seconds to wait; None waits for ever.

    Returns:
        True, or False if the server was dead already.

    Raises:
        OptionsError: a time is none.
        ActorDeadError: nobody has the name.
        pykka.Timeout: it is not gone yet; it will end all the same.
        ValueError: the timeout is no number, or NaN.
    """
    times = stop_times(grace, drain)
    wait_seconds(timeout)
    ref = server_anywhere(server)
    if is_asked_by_messages(ref):
        _remote().set_stop_times(ref, times)
    else:
        cast(ref, times)
    return ref.stop(block=block, timeout=timeout)


def sessions(server: Server, timeout: float | None = 5.0) -> list[pykka.ActorRef[Any]]:
    """The references of a server's live sessions, oldest first, over all listeners.

    Args:
        server: its reference or registered name, also of one on another node.
        timeout: seconds to wait for the answer; None waits for ever.

    Raises:
        ActorDeadError: the server is dead, or nobody has the name.
    """
    ref = server_anywhere(server)
    if is_asked_by_messages(ref):
        found: list[pykka.ActorRef[Any]] = _remote().sessions(ref, timeout)
        return found
    return list(invoke(ref, timeout, SmtpServer.sessions))


def addresses(server: Server, timeout: float | None = 5.0) -> list[Any]:
    """The addresses really bound, one for each listener in the order of the options.

    Args:
        server: its reference or registered name, also of one on another node.
        timeout: seconds to wait for the answer; None waits for ever.

    Returns:
        `(host, port)` for family inet, `(host, port, flowinfo, scope_id)` for inet6, the path for unix.
    """
    ref = server_anywhere(server)
    if is_asked_by_messages(ref):
        found: list[Any] = _remote().addresses(ref, timeout)
        return found
    return invoke(ref, timeout, SmtpServer.addresses)


def listeners(server: Server, timeout: float | None = 5.0) -> list[Listener]:
    """The listeners as they run: gen_smtp's `#listener{}` records, in the order of the options.

    Args:
        server: its reference or registered name.
        timeout: seconds to wait for the answer; None waits for ever.
    """
    return invoke(server_ref(server), timeout, SmtpServer.listeners)


def change_code(
    server: Server, module: Module, extra: Any = None, *, timeout: float | None = 5.0
) -> CodeChange:
    """Change the callback class of a running server without losing a connection.

    New sessions use the new class. Each live one, between two commands, goes on with the object that
    `module.code_change(old_vsn, old, extra)` makes of its present one. If `code_change` raises, the
    session keeps its present object.

    Args:
        server: its reference or registered name.
        module: the new callback class, as for `start`.
        extra: handed to `code_change`.
        timeout: seconds to wait for the sessions, which are all asked at once; a session that is in a
            callback changes when that returns.

    Returns:
        which sessions changed, and which did not and why.

    Raises:
        BehaviourError: the class has not the right shape; nothing was changed.
        OptionsError: the class does not take the callback options; nothing was changed.
    """
    return live_changes.change_code(server_ref(server), module, extra, timeout)


def add_listener(
    server: Server, options: ListenerConfiguration | ListenerOptions, *, timeout: float | None = 5.0
) -> Any:
    """Have a running server listen at one more address.

    Args:
        server: its reference or registered name.
        options: the options of the listener, as one entry of the list for `start`.
        timeout: seconds to wait.

    Returns:
        the address bound, as `addresses` gives it.

    Raises:
        OptionsError: an option is wrong.
        ListenError: the socket could not be opened.
        StartError: the server is stopping.
    """
    return live_changes.add_listener(server_ref(server), options, timeout)


def remove_listener(server: Server, listener: Listener | Any, *, timeout: float | None = 5.0) -> None:
    """Have a running server close one of its listeners; the sessions that came by it stay.

    Args:
        server: its reference or registered name.
        listener: its record, as `listeners` gives it, or its address, as `addresses` gives it.
        timeout: seconds to wait.

    Raises:
        LookupError: the server has no such listener, or has it no more.
    """
    live_changes.remove_listener(server_ref(server), listener, timeout)


def reload_tls(server: Server, *, timeout: float | None = 5.0) -> None:
    """Read the certificates and keys again, for new handshakes; sessions under TLS are untouched.

    An `ssl.SSLContext` given as an option is used as it is: change it in place with its `load_cert_chain`.

    Args:
        server: its reference or registered name.
        timeout: seconds to wait.

    Raises:
        OptionsError: a file can't be used; all listeners go on with what they had.
    """
    live_changes.reload_tls(server_ref(server), timeout)


def suspend(server: Server, *, timeout: float | None = 5.0) -> None:
    """Stop accepting; sessions go on, and the kernel's backlogs hold the connections that come.

    Args:
        server: its reference or registered name.
        timeout: seconds to wait.
    """
    invoke(server_ref(server), timeout, SmtpServer.suspend)


def resume(server: Server, *, timeout: float | None = 5.0) -> None:
    """Accept again after `suspend`.

    Args:
        server: its reference or registered name.
        timeout: seconds to wait.
    """
    invoke(server_ref(server), timeout, SmtpServer.resume)


def _remote() -> Any:
    """What asks servers on other nodes, loaded if there is one."""
    from gen_smtp.cluster import remote

    return remote


@contextmanager
def running(
    module: Module,
    options: Options = None,
    *,
    serveroptions: ServerConfiguration = None,
    grace: float | None = None,
) -> Iterator[ServerRef]:
    """A server for the length of a `with` block, for tests and scripts.

        with gen_smtp_server.running(MyServer, [{"port": 0, "address": "127.0.0.1"}]) as server:
            ...

    Args:
        module, options, serveroptions: as for `start`.
        grace: seconds for a message in hand at the end, as for `stop`.

    Raises:
        StartError: as `start`; an OptionsError, too, where the grace is no time.
    """
    stop_times(grace)
    server = start(module, options, serveroptions=serveroptions)
    try:
        yield server
    finally:
        stop(server, grace=grace)
