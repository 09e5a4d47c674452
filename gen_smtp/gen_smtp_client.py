"""gen_smtp's `gen_smtp_client`: send mail by SMTP, or by LMTP.

    email = ("me@example.com", ["you@example.org"], b"Subject: hello")
    gen_smtp_client.send_blocking(email, {"relay": "mx.example.org"})

These are gen_smtp's functions and options. Beneath them is `Client`, which keeps connections and says what
has become of a message for each recipient. All functions may be called from any thread, greenlet or actor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from actors import GeventFuture, spawn
from gen_smtp.client.client import Client
from gen_smtp.client.connection import Connection
from gen_smtp.client.hops import relay_hops
from gen_smtp.client.on_hub import on_hub
from gen_smtp.client.opening import open_first
from gen_smtp.client.options import ClientOptions, Timeouts, need_relay, read_client_options
from gen_smtp.client.protocol.errors import (
    DeliveryError,
    MissingRequirement,
    NetworkFailure,
    PermanentFailure,
    TemporaryFailure,
    UnexpectedResponse,
)
from gen_smtp.client.protocol.outcome import Outcome, RecipientOutcome
from gen_smtp.client.protocol.text.content import Message
from gen_smtp.client.protocol.text.envelope import Envelope, Recipient
from gen_smtp.client.protocol.text.replies import Reply
from gen_smtp.client.tls_options import ClientTls
from gen_smtp.options.checks import OptionsError

__all__ = [
    "Client",
    "ClientOptions",
    "ClientTls",
    "Connection",
    "DeliveryError",
    "Email",
    "Envelope",
    "Message",
    "MissingRequirement",
    "NetworkFailure",
    "OptionsError",
    "Outcome",
    "PermanentFailure",
    "Receipt",
    "Recipient",
    "RecipientOutcome",
    "Reply",
    "TemporaryFailure",
    "Timeouts",
    "UnexpectedResponse",
    "close",
    "deliver",
    "open",
    "send",
    "send_blocking",
]

Email: TypeAlias = tuple[str, Sequence[str], Message]
"""The sender, the recipients, and the message: octets, text, a function that gives either, pieces, a file."""

Receipt: TypeAlias = "str | list[tuple[str, str]]"
"""What the server has said behind its 250; by LMTP each recipient with the reply for it."""

Callback: TypeAlias = Callable[[tuple[Any, ...]], object]


def send(email: Email, options: Any, callback: Callback | None = None) -> GeventFuture[Receipt]:
    """Send a message in the background.

    Args:
        email: sender, recipients, message.
        options: a mapping, pairs, or ClientOptions.
        callback: called on the hub with `("ok", receipt)`, `("error", stage, failure)` with a DeliveryError,
            or `("exit", exception)`.

    Returns:
        the future of the receipt: `get()` waits, and asyncio may await it. It raises as `send_blocking` does.

    Raises:
        OptionsError: an option is wrong, or `relay` is missing.
    """
    checked = need_relay(read_client_options(options))
    return spawn(_send_and_tell, email, checked, callback)


def send_blocking(email: Email, options: Any) -> Receipt:
    """Send a message, and wait until the server has it.

    As in gen_smtp the message goes to all recipients or to none. By LMTP the server answers for each of them.

    Args:
        email, options: as for `send`.

    Returns:
        the receipt.

    Raises:
        OptionsError: an option is wrong, or `relay` is missing.
        DeliveryError: the message was not taken. Its `stage` is `"send"`, or, if there was no connection,
            `"no_more_hosts"` or `"retries_exceeded"`.
    """
    checked = need_relay(read_client_options(options))
    return on_hub(_send, email, checked)


def open(options: Any) -> Connection:
    """Open a connection to the relay, for `deliver`.

    Args:
        options: as for `send`.

    Raises:
        OptionsError: an option is wrong, or `relay` is missing.
        DeliveryError: there is no connection.
    """
    checked = need_relay(read_client_options(options))
    return on_hub(_open, checked)


def deliver(connection: Connection, email: Email) -> Receipt:
    """Send a message over a connection of `open`, which can be used again if it was taken.

    Raises:
        DeliveryError: it was not taken. With the option `on_transaction_error` `"reset"` the connection may
            be used again if its `alive` says so; else it is closed.
    """
    return on_hub(_deliver, connection, email)


def close(connection: Connection) -> None:
    """Close a connection of `open`, with QUIT."""
    connection.close()


# -- on the hub ---------------------------------------------------------------------------------------


def _open(options: ClientOptions) -> Connection:
    return Connection(open_first(relay_hops(options), options))


def _send(email: Email, options: ClientOptions) -> Receipt:
    connection = _open(options)
    try:
        return _deliver(connection, email)
    except DeliveryError as failure:
        failure.stage = "send"
        raise
    finally:
        connection.close()


def _send_and_tell(email: Email, options: ClientOptions, callback: Callback | None) -> Receipt:
    try:
        receipt = _send(email, options)
    except BaseException as error:
        if callback is not None:
            callback(("error", error.stage, error) if isinstance(error, DeliveryError) else ("exit", error))
        raise
    if callback is not None:
        callback(("ok", receipt))
    return receipt


def _deliver(connection: Connection, email: Email) -> Receipt:
    sender, recipients, message = email
    if isinstance(recipients, str | bytes) or not recipients:
        raise TypeError("the recipients are a list of addresses, and not empty")
    rules = connection.options.strict_rules
    outcome = connection.deliver_here(Envelope(sender, list(recipients)), message, rules)
    if rules.lmtp and any(_answers_message(each) for each in outcome.recipients):
        return [(each.address, each.text) for each in outcome.recipients]
    failure = next((each.error for each in outcome.recipients if each.error is not None), None)
    if failure is None:
        reply = outcome.recipients[0].reply
        return "" if reply is None else reply.receipt
    if connection.options.on_transaction_error == "quit":
        connection.close()
    raise failure


def _answers_message(outcome: RecipientOutcome) -> bool:
    return outcome.reply is not None and outcome.reply.command == "message"
