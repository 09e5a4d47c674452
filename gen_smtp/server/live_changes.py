"""Changing a server while it runs: its callback class, its listeners, its certificates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pykka

from actors import ActorDeadError, current
from actors.net.sockets import address_bound
from actors.otp.messaging import invoke, invoke_later
from gen_smtp.callbacks.behaviour import Module, check_module
from gen_smtp.options.listener import Listener, ListenerOptions
from gen_smtp.options.parsing import ListenerConfiguration, parse_options
from gen_smtp.server.server import SmtpServer
from gen_smtp.server.transcripts import check_transcript_file
from gen_smtp.session.session import SmtpSession


@dataclass(frozen=True, slots=True)
class CodeChange:
    """What became of the sessions at a change of code.

    Attributes:
        changed: those that go on with the new class.
        kept: those that keep the old one, and why: what their `code_change` raised, or `pykka.Timeout` for
            one that is still in a callback and changes when that returns.
    """

    changed: tuple[pykka.ActorRef[Any], ...]
    kept: Mapping[pykka.ActorRef[Any], Exception]


def change_code(server: pykka.ActorRef[Any], module: Module, extra: Any, timeout: float | None) -> CodeChange:
    """See `gen_smtp_server.change_code`."""
    sessions = invoke(server, timeout, SmtpServer.change_module, check_module(module))
    asked = {ref: invoke_later(ref, SmtpSession.change_code, module, extra) for ref in sessions}
    if (caller := current()) is not None:
        asked.pop(caller, None)  # called in a callback of that session, which changes when it returns
    changed: list[pykka.ActorRef[Any]] = []
    kept: dict[pykka.ActorRef[Any], Exception] = {}
    deadline = None if timeout is None else time.monotonic() + timeout
    for ref, answer in asked.items():
        try:
            if answer.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic())):
                changed.append(ref)
        except ActorDeadError:
            continue
        except pykka.Timeout:
            kept[ref] = pykka.Timeout(f"{timeout} seconds")
        except Exception as error:
            kept[ref] = error
    return CodeChange(tuple(changed), kept)


def add_listener(
    server: pykka.ActorRef[Any], options: ListenerConfiguration | ListenerOptions, timeout: float | None
) -> Any:
    """See `gen_smtp_server.add_listener`."""
    (checked,) = parse_options([options])
    check_transcript_file(checked)
    return invoke(server, timeout, SmtpServer.add_smtp_listener, checked)


def remove_listener(server: pykka.ActorRef[Any], listener: Listener | Any, timeout: float | None) -> None:
    """See `gen_smtp_server.remove_listener`."""
    address = _address_of(listener) if isinstance(listener, Listener) else listener
    if not invoke(server, timeout, SmtpServer.remove_listener, address):
        raise LookupError(f"{server} does not listen on {address!r}; see gen_smtp_server.addresses")


def _address_of(listener: Listener) -> Any:
    """Where a listener listens; LookupError if it does no more, for then its socket is closed."""
    try:
        return address_bound(listener.socket)
    except OSError as error:
        where = listener.listenoptions.address
        raise LookupError(f"the listener on {where!r} is gone; see gen_smtp_server.listeners") from error


def reload_tls(server: pykka.ActorRef[Any], timeout: float | None) -> None:
    """See `gen_smtp_server.reload_tls`."""
    present = [listener.listenoptions for listener in invoke(server, timeout, SmtpServer.listeners)]
    # All of them are read before one is used: a bad file leaves everything as it is.
    fresh = [options.with_certificates_read_again() for options in present]
    invoke(server, timeout, SmtpServer.replace_options, list(zip(present, fresh, strict=True)))
