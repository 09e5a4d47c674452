"""Where messages go from the queue: to a server by LMTP, to a smarthost, or to each domain's own by MX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gen_smtp.gen_smtp_client import Client, Envelope, Outcome, Recipient
from gen_smtp.queue.envelope import QueuedMail, QueuedRecipient

FORMS = "lmtp:HOST:PORT, lmtp:/PATH/OF/SOCKET, smarthost:HOST[:PORT] or mx"

DEFAULTS: Mapping[str, Any] = {"retries": 0, "timeouts": {"exchange": 600.0}}
"""The queue itself tries again; and the broker takes a message back from a consumer that has had it for half
an hour, with all others that it has."""

OWN_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "REQUIRETLS", "AUTH"})
"""Parameters of MAIL that the client makes itself; AUTH is this server's affair with its own client."""
OWN_RCPT_PARAMETERS = frozenset({"NOTIFY", "ORCPT"})


def options_of_via(via: str) -> dict[str, Any]:
    """The options of gen_smtp_client for a place.

    Args:
        via: in one of the `FORMS`.

    Raises:
        ValueError: it has none of them.
    """
    kind, _, place = via.partition(":")
    if via == "mx":
        return {}
    if kind == "lmtp" and place.startswith("/"):
        return {"relay": place, "family": "unix", "protocol": "lmtp", "tls": "never"}
    if kind in ("lmtp", "smarthost") and place:
        host, port = _host_and_port(place)
        if kind == "smarthost":
            return {"relay": host, "port": port or 25, "no_mx_lookups": True}
        if port is not None:
            return {"relay": host, "port": port, "protocol": "lmtp", "no_mx_lookups": True}
    raise ValueError(f"{via!r} is no place; allowed: {FORMS}")


def _host_and_port(place: str) -> tuple[str, int | None]:
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        return place.strip("[]"), None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or not host:
        raise ValueError(f"{place!r} has no port that is one")
    return host.strip("[]"), int(port)


class NextHop:
    """Hands mails on.

    Args:
        via: in one of the `FORMS`.
        options: others of gen_smtp_client, which win.

    Attributes:
        is_final: mailboxes are there, since LMTP is spoken.
        is_by_domain: each domain has a next hop of its own.

    Raises:
        ValueError: the place is none.
        OptionsError: an option is wrong.
    """

    def __init__(self, via: str, options: Mapping[str, Any] | None = None) -> None:
        given = {**DEFAULTS, **options_of_via(via), **(options or {})}
        self.is_final = given.get("protocol") == "lmtp"
        self.is_by_domain = given.get("relay") is None
        self._client = Client(given)

    def deliver(self, mail: QueuedMail) -> Outcome:
        """Hand a mail on; the outcome for each of its recipients, in their order."""
        return self._client.deliver(envelope_of(mail), mail.data)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()


def envelope_of(mail: QueuedMail) -> Envelope:
    """The envelope as gen_smtp_client wants it."""
    known = mail.sender_parameters
    body = mail.parameters.get("BODY")
    return Envelope(
        mail.sender,
        [_recipient(mail, each) for each in mail.recipients],
        smtputf8="SMTPUTF8" in mail.parameters,
        body="BINARYMIME" if str(body).upper() == "BINARYMIME" else None,
        ret=known.ret,
        envid=known.envid,
        require_tls=known.require_tls,
        parameters=_others(mail.parameters, OWN_PARAMETERS),
    )


def _recipient(mail: QueuedMail, recipient: QueuedRecipient) -> Recipient:
    known = mail.recipient_parameters(recipient)
    orcpt = known.orcpt
    return Recipient(
        recipient.address,
        notify=known.notify,
        orcpt=None if orcpt is None else f"{orcpt.kind};{orcpt.address}",
        parameters=_others(recipient.parameters, OWN_RCPT_PARAMETERS),
    )


def _others(parameters: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name.upper() not in own}
