"""Starting a server, and finding it again: the arguments that gen_smtp's functions share, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias

import pykka

from actors import GeventRef, StartError, launch
from actors.runtime import names
from gen_smtp.callbacks.behaviour import Module, checked_class
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.parsing import (
    ListenerConfiguration,
    ServerConfiguration,
    parse_options,
    parse_server_options,
)
from gen_smtp.options.server import ServerOptions
from gen_smtp.server.callback_options import check_callback_options
from gen_smtp.server.client_certificates import check_client_certificates
from gen_smtp.server.server import SmtpServer
from gen_smtp.server.transcripts import check_transcript_file

Options: TypeAlias = Sequence[ListenerConfiguration | ListenerOptions] | None
"""A list with the options of each listener; None is one listener with the defaults."""

ServerName: TypeAlias = (
    str
    | tuple[Literal["local"], str]
    | tuple[Literal["global"], Any]
    | tuple[Literal["via"], names.NameRegistry, Any]
)
"""`("local", "mx")`, or just `"mx"`; `("global", term)`; `("via", registry, term)`."""

ServerRef: TypeAlias = GeventRef[SmtpServer]
"""A server's reference."""

Server: TypeAlias = names.Meant
"""A server's reference or registered name, which may be of another node: `(name, node)`."""

_METHODS_OF_REGISTRY = ("register_name", "unregister_name", "whereis_name", "send")
_OF_REGISTRY = "the methods register_name, unregister_name, whereis_name and send"

_loading: ContextVar[str | None] = ContextVar("gen_smtp.loading", default=None)
"""The module that is imported for its callback class, and so must not start a server by itself."""


@contextmanager
def loading(module_name: str) -> Iterator[None]:
    """Refuse to start a server, here, for the length of a `with` block that imports a module."""
    token = _loading.set(module_name)
    try:
        yield
    finally:
        _loading.reset(token)


def check_not_loading() -> None:
    """Raise a StartError if a module that is imported for its callback class starts a server."""
    name = _loading.get()
    if name is not None:
        raise StartError(
            f"{name} starts a server when it is imported, beside the one that is to serve its class; "
            "put that under `if __name__ == '__main__':`"
        )


def start_server(args: tuple[Any, ...], serveroptions: ServerConfiguration, *, linked: bool) -> ServerRef:
    """See `gen_smtp_server.start`.

    Args:
        args: `(Module)`, `(Module, Options)` or `(Name, Module, Options)`.
        serveroptions: the limits of the whole server.
        linked: whether to link the server to the calling actor.
    """
    if not 1 <= len(args) <= 3:
        raise TypeError(
            f"start takes (Module), (Module, Options) or (Name, Module, Options), not {len(args)} arguments"
        )
    check_not_loading()
    name, module, options = args if len(args) == 3 else (None, args[0], args[1] if len(args) == 2 else None)
    registered = None if name is None else checked_name(name)
    checked, listeners, server_options = check_arguments(module, options, serveroptions)
    for each in listeners:
        check_transcript_file(each)
    server = SmtpServer(checked, listeners, server_options=server_options)
    return launch(server, name=registered, linked=linked)


def check_arguments(
    module: Any, options: Options, serveroptions: ServerConfiguration
) -> tuple[Module, tuple[ListenerOptions, ...], ServerOptions]:
    """The callback module, the options of each listener and those of the server, checked.

    The callback class checks its own (`Behaviour.check_options`).

    Raises:
        BehaviourError: the callback class has not the right shape.
        OptionsError: an option is wrong.
    """
    cls = checked_class(module)
    listeners = parse_options(options)
    check_callback_options(cls, listeners)
    check_client_certificates(cls, listeners)
    return module, listeners, parse_server_options(serveroptions)


def checked_name(name: Any) -> names.Name:
    """The name to register a server under, as `actors.register` takes it.

    Raises:
        OptionsError: it is no name, or one of another node.
    """
    match name:
        case str(local) | ("local", str(local)) if local:
            return local
        case ("global", _):
            return ("global", name[1])
        case ("via", registry, _) if all(hasattr(registry, method) for method in _METHODS_OF_REGISTRY):
            return ("via", registry, name[2])
        case ("via", registry, _):
            raise OptionsError(
                f"{registry!r} knows no names", option="ServerName", allowed=f"an object with {_OF_REGISTRY}"
            )
    raise OptionsError(
        f"not a server's name: {name!r}",
        option="ServerName",
        allowed='a non-empty text, ("local", text), ("global", term) or ("via", registry, term)',
    )


def server_ref(server: Server) -> pykka.ActorRef[Any]:
    """The reference of a server of this process, given by that or by its registered name.

    Raises:
        ActorDeadError: nobody has the name.
        TypeError: it is the reference of another actor, or of one on another node.
    """
    ref = names.resolve(server)
    if is_asked_by_messages(ref):
        raise TypeError(f"{ref} is not in this process: do this in the process of the server itself")
    if not issubclass(ref.actor_class, SmtpServer):
        raise TypeError(f"{ref} is not a server of gen_smtp")
    return ref


def server_anywhere(server: Server) -> pykka.ActorRef[Any]:
    """As `server_ref`, and it may be on another node."""
    ref = names.resolve(server)
    return ref if is_asked_by_messages(ref) else server_ref(ref)


def is_asked_by_messages(ref: pykka.ActorRef[Any]) -> bool:
    """Tell whether a server is on another node, or stands for servers that are."""
    return getattr(ref, "far", None) is not None or getattr(ref.actor_class, "stands_for_server", False)
