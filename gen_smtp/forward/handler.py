"""A server that hands each message to the next host while the client waits, and says what that host said.

    gen_smtp_server.start(ForwardHandler, [{"port": 2525, "sessionoptions": {
        "callbackoptions": {"relay": "mail.example.com", "port": 587, "tls": "always"}}}])

or `gen-smtp serve gen_smtp.forward:ForwardHandler --callback-option relay=mail.example.com`. The options are
in `ForwardOptions`, those of the next host in `gen_smtp.gen_smtp_client.ClientOptions`.

Nothing is kept here. A recipient that the next host refuses is refused to the client, and a 250 is the next
host's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from actors.events import emit
from gen_smtp.callbacks.behaviour import Behaviour, DataResult, Extensions, Verdict
from gen_smtp.callbacks.facts import Peername, Transaction
from gen_smtp.callbacks.results import Ok, Stop, error, multiple, ok
from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.callbacks.trace_fields import received_field
from gen_smtp.forward.answer import one_result_of, result_of
from gen_smtp.forward.events import Forwarded, ForwardFailed
from gen_smtp.forward.facts import envelope_of, recipient_of, xclient_of, xforward_of
from gen_smtp.forward.forward_options import (
    ForwardOptions,
    kept_forward_options,
    read_forward_options,
    to_domain,
)
from gen_smtp.forward.hop import Hop
from gen_smtp.forward.message import header_of, hops_of, read_head, with_field
from gen_smtp.forward.passage import Passage, send_to_all
from gen_smtp.forward.reporting import report_to_sender
from gen_smtp.gen_smtp_client import Connection, RecipientOutcome
from gen_smtp.reports import Action

__all__ = ["ForwardHandler"]

MOST_HOSTS = 20
"""Hosts that one message is forwarded to; the client sends it again for the others (RFC 5321 4.5.3.1.10)."""

NO_HOST = "550 5.1.2 The address names no host"
TOO_MANY_HOSTS = "452 4.5.3 Too many hosts for one message"
IN_CIRCLES = "554 5.4.6 Too many hops: the message goes in circles"


class ForwardHandler(Behaviour):
    """Hands mail on by SMTP or LMTP, to one host or to the mail exchangers of its recipients.

    A class derived from it may refuse senders and recipients, offer AUTH and so on; it calls
    `super().init(...)`, and `super().handle_RCPT(...)` for recipients that are to be forwarded.
    """

    _hostname: str
    _options: ForwardOptions
    _hops: dict[str, Hop]

    @classmethod
    def check_options(cls, options: Any) -> None:
        """Check the options, unless a derived class reads them otherwise, by an `init` of its own.

        Raises:
            OptionsError: names the option that is unknown or wrong.
        """
        if cls.init is ForwardHandler.init:
            read_forward_options(options)

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> Ok | Stop:
        """Read the options.

        Raises:
            OptionsError: they are wrong. The server did not start with them if `check_options` could tell;
                else the client hears 421, and the log says what is wrong.
        """
        self._hostname = hostname
        self._options = kept_forward_options(options, hostname)
        self._hops = {}
        self.session.at_end(self._let_go)
        return ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        """Offer STARTTLS where there is a certificate, and DSN if the next host has it."""
        if self.session.can_start_tls:
            extensions.append(("STARTTLS", True))
        if self._options.dsn:
            extensions.append(("DSN", True))
        return ok(extensions)

    def handle_RCPT(self, recipient: str) -> Verdict:
        """Ask the next host, to which the first recipient of a transaction brings MAIL as well."""
        transaction = self._transaction()
        name = self._host_of(recipient)
        if name is None:
            return error(NO_HOST)
        passages = self._passages(transaction)
        if name not in passages:
            if len(passages) >= MOST_HOSTS:
                return error(TOO_MANY_HOSTS)
            passages[name] = passage = Passage(self._hop(name))
            passage.begin(envelope_of(transaction), self._say_xforward)
        outcome = passages[name].add(recipient_of(recipient, transaction))
        if not outcome.delivered:
            self._tell(passages[name], [outcome])
        return result_of(outcome)

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> DataResult:
        """Hand the message on as it comes."""
        head = read_head(stream)
        header = header_of(head)
        if hops_of(header) >= self._options.max_hops:
            return error(IN_CIRCLES)
        transaction = self._transaction()
        hosts = {name: each for name, each in self._passages(transaction).items() if each.recipients}
        field = received_field(self.session, self._hostname, self._reference(transaction), recipients)
        answers = send_to_all(list(hosts.values()), with_field(field, head, stream))
        for passage, of_host in zip(hosts.values(), answers, strict=True):
            self._tell(passage, of_host)
        outcomes = self._in_order(recipients, dict(zip(hosts, answers, strict=True)))
        if self._options.dsn:
            self._report("relayed", [each for each in outcomes if self._goes_unreported(each)], header)
        if "LMTP" in self.session.transmission_type:
            return multiple([result_of(each) for each in outcomes])
        return self._one_result(outcomes, header)

    # -- hosts ----------------------------------------------------------------------------------------

    def _transaction(self) -> Transaction:
        transaction = self.session.transaction
        assert transaction is not None  # RCPT and DATA are refused without one
        return transaction

    def _passages(self, transaction: Transaction) -> dict[str, Passage]:
        """The next hosts of the transaction."""
        passages: dict[str, Passage] = transaction.data.__dict__.setdefault("forwarded_to", {})
        return passages

    def _reference(self, transaction: Transaction) -> str:
        reference: str = transaction.data.__dict__.setdefault("forwarded_as", secrets.token_hex(8))
        return reference

    def _host_of(self, recipient: str) -> str | None:
        """The next host of a recipient; None if there can be none."""
        relay = self._options.client.relay
        if relay is not None:
            return relay
        _, at, domain = recipient.rpartition("@")
        return domain.lower() if at and domain else None

    def _hop(self, name: str) -> Hop:
        options = self._options.client
        if name not in self._hops:
            there = options if options.relay is not None else to_domain(options, name)
            self._hops[name] = Hop(there, self._say_xclient)
        return self._hops[name]

    def _say_xclient(self, connection: Connection) -> None:
        if self._options.pass_on == "xclient" and "XCLIENT" in connection.extensions:
            connection.xclient(xclient_of(self.session))

    def _say_xforward(self, connection: Connection) -> None:
        if self._options.pass_on == "xforward" and "XFORWARD" in connection.extensions:
            connection.xforward(xforward_of(self.session, self._reference(self._transaction())))

    def _let_go(self) -> None:
        for hop in self._hops.values():
            hop.close()

    # -- what became of it ----------------------------------------------------------------------------

    def _in_order(
        self, recipients: Sequence[str], answers: dict[str, list[RecipientOutcome]]
    ) -> list[RecipientOutcome]:
        """The outcomes in the recipients' order; each host has some of them."""
        left: dict[str | None, Iterator[RecipientOutcome]] = {
            name: iter(each) for name, each in answers.items()
        }
        return [next(left[self._host_of(recipient)]) for recipient in recipients]

    def _goes_unreported(self, outcome: RecipientOutcome) -> bool:
        """Whether a message was taken by a host that tells its sender nothing (RFC 3461 section 5.2.2)."""
        host = self._host_of(outcome.address)
        return outcome.delivered and host is not None and not self._hops[host].sends_reports

    def _one_result(self, outcomes: list[RecipientOutcome], header: bytes) -> Verdict:
        """The one reply for all recipients."""
        delivered = [each for each in outcomes if each.delivered]
        failed = [each for each in outcomes if not each.delivered]
        if delivered and failed and self._options.when_some_fail == "report":
            return one_result_of(delivered if self._report("failed", failed, header) else outcomes)
        return one_result_of(outcomes)

    def _report(self, action: Action, outcomes: list[RecipientOutcome], header: bytes) -> bool:
        """Tell the sender what has become of recipients; True if that is done, or not wanted."""
        transaction = self._transaction()
        asked = dict(zip(transaction.recipients, transaction.recipient_parameters, strict=True))
        return report_to_sender(
            action,
            [(each, asked[each.address]) for each in outcomes],
            sender=transaction.sender,
            envid=transaction.sender_parameters.envid,
            header=header,
            hostname=self._hostname,
            options=self._options.client,
        )

    def _tell(self, passage: Passage, outcomes: Sequence[RecipientOutcome]) -> None:
        """Emit what a host has done; one event for all who heard the same."""
        urn, peer = self.session.ref.actor_urn, self.session.peername
        by_answer: dict[tuple[bool, bool, str], list[str]] = {}
        for each in outcomes:
            by_answer.setdefault((each.delivered, each.permanent, each.text), []).append(each.address)
        for (delivered, permanent, text), names in by_answer.items():
            if delivered:
                emit(Forwarded(urn, peer, passage.hop.host or "", tuple(names), text))
            else:
                emit(ForwardFailed(urn, peer, passage.hop.host, tuple(names), text, permanent))
