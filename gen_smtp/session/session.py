"""The actor of one SMTP connection: joins the protocol, the callback object and the transport.

The path of the bytes, one way: readiness, a turn, `protocol.hear`, then for each question its callback and
the verdict, and at the end one send for all replies.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import gevent

from actors import Connection, GeventRef
from actors import events as actor_events
from actors.net.transport import FEW_OCTETS
from gen_smtp import events
from gen_smtp.callbacks.facts import SessionInfo
from gen_smtp.callbacks.results import Ignore, Ok, Stop
from gen_smtp.callbacks.shown_value import shown_value
from gen_smtp.callbacks.translate import REPLY, WrongValue, banner_of, text_of
from gen_smtp.protocol import questions as core
from gen_smtp.protocol.protocol import Protocol
from gen_smtp.protocol.verdicts import Accept, Decline
from gen_smtp.session.callback_session import Setup
from gen_smtp.session.message_session import MessageSession

EVENTS_PER_TURN = 64
"""How many events a client gets worked off before the others have their turn."""


class SmtpSession(MessageSession):
    """One SMTP or LMTP session.

    Args:
        connection: the connection.
        server: the server.
        setup: what its listener's sessions share.
    """

    __slots__ = ("_refused", "_started_at")

    def __init__(self, connection: Connection, server: GeventRef[Any], setup: Setup) -> None:
        super().__init__(connection, server, setup)
        self._started_at = time.time()
        self._refused = 0

    # -- the start ----------------------------------------------------------------------------------

    def tls_context(self) -> ssl.SSLContext | None:
        """TLS from the first octet on, for a listener with protocol ssl."""
        if self.setup.options.protocol == "ssl":
            return self.setup.options.sessionoptions.tls_context()
        return None

    def begin(self) -> None:
        """Count the client in, and receive it."""
        self._make_callback()
        self._counted = True
        self._receive_client(self.setup.census.enter())

    def _receive_client(self, count: int) -> None:
        """Ask the callback whether to serve the client, then greet."""
        setup = self.setup
        options = setup.options.sessionoptions.callbackoptions
        match self._run("init", setup.hostname, count, self.peername, options):
            case Ok(banner):
                self._greet(banner)
            case Stop(reason, message):
                self._refuse_client(reason, message)
            case Ignore():
                self._refuse_client("normal", None)
            case wrong:
                self._refuse_for_wrong(wrong, "init may return ok, ok(banner), stop or ignore")

    def _greet(self, given: Any) -> None:
        try:
            banner = f"{self.setup.hostname} ESMTP" if given is None else banner_of(given)
        except WrongValue as error:
            self._refuse_for_wrong(Ok(given), str(error))
            return
        self._served = True
        self.appetite = FEW_OCTETS
        if not self._is_greeted_in_time():
            self._run_out_of("banner")
        self.announce()  # before the banner: a client that has read it is in the list
        self.protocol.greet(banner)
        self._flush()

    def _refuse_client(self, reason: Any, message: Any) -> None:
        self._leave_census()  # before the reply: a client that has read it may come again at once
        if message is not None:
            try:
                text = text_of(message, REPLY, "its code")
            except WrongValue as error:
                self._refuse_for_wrong(Stop(reason, message), str(error))
            else:
                self.protocol.refuse(text)
                self._tell_refused("the connection", text if isinstance(text, str) else text[0])
        self._close(reason)

    def _refuse_for_wrong(self, value: Any, allowed: str) -> None:
        self._report_wrong("init", shown_value(value, "init", ()), allowed)
        self._leave_census()
        self.protocol.fail()
        self._close("normal")

    # -- the dialogue -------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """Work off what the client sent, until it has to send more or others have waited long enough."""
        protocol = self.protocol
        message = protocol.transaction if protocol.in_message else None
        event = protocol.hear(data)
        for left in _EVENTS_LEFT:
            question = _QUESTIONS.get(type(event))
            if question is not None:
                name, argument = question
                if protocol.respond(self._ask(name, argument(event))):
                    break
            else:
                handle = _HANDLERS.get(type(event))
                if handle is None:
                    if event is core.SEND:
                        self._go_on_later(protocol)
                    break
                if handle(self, event):
                    break
            if not left or self.mailbox.waiting is not None:
                self._go_on_later(protocol)  # messages have their turn between two commands
                break
            event = protocol.next_step()
        if message is not None and message is protocol.transaction and data:
            self._count_piece(len(data))
        replies = protocol.unsent
        if replies:
            protocol.unsent = b""  # as _flush does
            self.reply(replies)
        if protocol.closing:
            self._flush()

    def on_continue(self) -> None:
        self.on_data(b"")

    def on_eof(self) -> None:
        """The client has finished sending: work off the rest, and end."""
        self.protocol.receive_eof()
        while True:  # until the protocol is closing, which ends the session
            self.on_data(b"")
            gevent.sleep(0)  # whatever is left must not keep the other sessions waiting

    def _go_on_later(self, protocol: Protocol) -> None:
        self.more = True
        if protocol.closing:  # there will be no later turn: handle what it still has to tell
            while (handle := _HANDLERS.get(type(event := protocol.next_step()))) is not None:
                handle(self, event)

    # -- commands -----------------------------------------------------------------------------------

    def _on_hello(self, event: core.Hello) -> bool:
        if event.verb == "HELO":
            verdict = self._ask("handle_HELO", event.hostname)
        else:
            verdict = self._ask("handle_EHLO", event.hostname, event.extensions)
        return self.protocol.respond(verdict)

    def _on_unknown(self, event: core.UnknownCommand) -> None:
        self.protocol.respond(self._ask("handle_other", event.verb, event.arguments))

    def _on_start_tls(self, event: core.StartTls) -> None:
        self.protocol.respond(Accept())
        self.skip_received()  # in clear, as what the protocol has dropped, and no part of TLS
        self._flush()
        context = self.setup.options.sessionoptions.tls_context()
        assert context is not None  # the protocol offers STARTTLS only with a certificate
        self.start_tls(context)

    def on_tls(self) -> None:
        """The handshake of STARTTLS is done."""
        self.protocol.tls_established()
        self._touch()
        self._notify("handle_STARTTLS")
        self._flush()

    def _on_authenticate(self, event: core.Authenticate) -> None:
        verdict = self._ask("handle_AUTH", event.mechanism, event.username, event.credential)
        accepted = isinstance(verdict, Accept)
        kind = events.Authenticated if accepted else events.AuthenticationFailed
        if actor_events.wanted(kind):
            actor_events.emit(kind(self.actor_urn, self.peername, event.mechanism, event.username))
        self.protocol.respond(verdict)

    def _on_reset(self, event: core.Reset) -> None:
        self._notify("handle_RSET")

    def _on_out_of_order(self, event: core.OutOfOrder) -> None:
        self._tell_error("out_of_order", event.verb)

    def _on_refused(self, event: core.Refused) -> None:
        self._tell_refused(event.verb, event.reply)
        if self._rejection is not None and event.verb == "DATA":
            cause, self._rejection = self._rejection, None
            self._end_rejected(cause)

    def _tell_refused(self, verb: str, reply: str) -> None:
        self._refused += 1
        if actor_events.wanted(events.CommandRefused):
            actor_events.emit(events.CommandRefused(self.actor_urn, self.peername, verb, reply))

    def _on_limit(self, event: core.AtLimit) -> None:
        self._reason = ("limit", event.limit)
        actor_events.emit(events.LimitReached(self.actor_urn, self.peername, event.limit))

    def _on_withheld(self, event: core.Withheld) -> None:
        warned = self.setup.warned
        if event.name not in warned:
            warned.add(event.name)
            actor_events.emit(
                events.ExtensionWithheld(self.actor_urn, self.peername, event.name, event.option)
            )

    def on_xclient(self, event: core.XClient) -> None:
        """Hook: the peer may say for whom it speaks, and does; only a `ProxiedSession` hears it."""
        self.protocol.respond(Decline())

    def _on_quit(self, event: core.Quit) -> None:
        self._said_quit = True  # 221 is queued and the protocol is closing

    def _on_disconnected(self, event: core.Disconnected) -> None:
        if event.in_message:
            self._reason = ("error_receiving_data", "closed")
            self.cut_message("closed")
        self._tell_error("ssl_closed" if self.protocol.tls else "tcp_closed", "closed")

    # -- messages of other actors -------------------------------------------------------------------

    def on_receive(self, message: Any) -> Any:
        """Whatever is no message of the system is the callback's; an `ask` is answered as in gen_smtp."""
        if not self._served or self.is_system_message(message):
            return super().on_receive(message)
        if self.is_asked:
            return ("unknown_call", message)
        self._notify("handle_info", message)
        self._flush()
        return None

    def info(self) -> SessionInfo:
        """The facts of the session at this moment."""
        protocol, transaction = self.protocol, self.protocol.transaction
        return SessionInfo(
            ref=self.actor_ref,
            server=self.server,
            hostname=self.setup.hostname,
            peername=self.peername,
            peer_port=self.peer_port,
            tls=self.tls,
            proxy=self.proxy,
            xclient=self.xclient,
            helo=protocol.helo,
            user=protocol.user,
            sender=transaction.sender if transaction is not None else None,
            recipients=tuple(transaction.recipients) if transaction is not None else (),
            started=self._started_at,
            idle=max(0.0, time.monotonic() - self._active_at),
            commands=self._commands,
            messages=self._messages,
            refused=self._refused,
            octets=self._octets,
        )


_QUESTIONS: dict[type, tuple[str, Callable[[Any], str]]] = {
    core.MailParameter: ("handle_MAIL_extension", attrgetter("parameter")),
    core.Mail: ("handle_MAIL", attrgetter("reverse_path")),
    core.RcptParameter: ("handle_RCPT_extension", attrgetter("parameter")),
    core.Rcpt: ("handle_RCPT", attrgetter("forward_path")),
    core.Verify: ("handle_VRFY", attrgetter("address")),
}
"""Events whose verdict is the callback's and needs nothing else: the callback and its one argument."""

_HANDLERS: dict[type, Callable[[SmtpSession, Any], bool | None]] = {
    core.Hello: SmtpSession._on_hello,
    core.UnknownCommand: SmtpSession._on_unknown,
    core.StartTls: SmtpSession._on_start_tls,
    core.Authenticate: SmtpSession._on_authenticate,
    core.MessageComplete: SmtpSession._on_message_complete,
    core.MessageStart: SmtpSession._on_message_start,
    core.MessageChunk: SmtpSession._on_chunk,
    core.MessageRejected: SmtpSession._on_message_rejected,
    core.Reset: SmtpSession._on_reset,
    core.OutOfOrder: SmtpSession._on_out_of_order,
    core.Refused: SmtpSession._on_refused,
    core.AtLimit: SmtpSession._on_limit,
    core.Withheld: SmtpSession._on_withheld,
    core.XClient: lambda session, event: session.on_xclient(event),
    core.Quit: SmtpSession._on_quit,
    core.Disconnected: SmtpSession._on_disconnected,
}
"""All other events; the sentinels are in neither table. True: all that the client sent is dealt with."""

_EVENTS_LEFT = range(EVENTS_PER_TURN - 1, -1, -1)
