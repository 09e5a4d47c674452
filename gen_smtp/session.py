"""The actor of one SMTP connection: joins the protocol, the callback object and the transport.

The path of the bytes, one way: readiness, a turn, `protocol.receive_data`, then for each event its callback
and the verdict, and at the end one send for all replies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from ipaddress import ip_address
from typing import Any

import gevent

from actors import ActorExit, Census, Connection, GeventRef, SessionActor, run_blocking
from actors import events as actor_events
from actors.hub import Hub
from actors.messages import DEFAULT_GRACE
from gen_smtp import events
from gen_smtp.behaviour import Behaviour, Module, Peername
from gen_smtp.core import events as core
from gen_smtp.core.protocol import Protocol, ProtocolConfig
from gen_smtp.core.verdicts import Accept, Fail, Results, Verdict
from gen_smtp.options import ListenerOptions
from gen_smtp.results import Ignore, NoReply, Ok, Stop
from gen_smtp.session_facts import Session, SessionInfo
from gen_smtp.verdict_of import REPLY, WrongValue, text_of, verdict_of

EVENTS_PER_TURN = 64
"""How many events a client gets worked off before the others have their turn."""

MESSAGE_TIMEOUTS = 12
"""A message may take so many time-outs in all, however steadily it drips."""


@dataclass(slots=True)
class Setup:
    """What all sessions of one listener share.

    Attributes:
        module: makes the callback objects.
        options: the listener's options.
        hostname: its domain.
        config: the protocol's configuration.
        census: counts the server's sessions.
        warned: the extensions whose withholding was told already.
    """

    module: Module
    options: ListenerOptions
    hostname: str
    config: ProtocolConfig
    census: Census
    warned: set[str] = field(default_factory=set)


class SmtpSession(SessionActor):
    """One SMTP or LMTP session.

    Args:
        connection: the connection.
        server: the server.
        setup: what its listener's sessions share.

    Attributes:
        peername, peer_port: the client's address; None on a unix socket.
        protocol: the SMTP side, without input or output.
    """

    def __init__(self, connection: Connection, server: GeventRef[Any], setup: Setup) -> None:
        super().__init__(connection, server)
        self.peername, self.peer_port = _peer(connection.peer)
        self.protocol = Protocol(setup.config, tls=setup.options.protocol == "ssl")
        self._setup = setup
        self._timeout = setup.options.sessionoptions.timeout
        self._callback: Behaviour | None = None
        self._counted = False
        self._initialised = False
        self._body: BytesIO | None = None
        self._first_chunk: bytes | None = None
        self._message_ends: float | None = None
        self._rejection: str | None = None
        self._reason: Any = "normal"
        self._at_end: list[tuple[Callable[..., object], tuple[Any, ...]]] | None = None
        self._started_at = time.time()
        self._active_at = time.monotonic()
        self._commands = self._messages = self._refused = self._octets = 0

    # -- the start ----------------------------------------------------------------------------------

    def tls_context(self) -> Any:
        """TLS from the first octet on, for a listener with protocol ssl."""
        if self._setup.options.protocol == "ssl":
            return self._setup.options.sessionoptions.tls_context()
        return None

    def on_connect(self) -> None:
        """Ask the callback whether to serve the client, then greet."""
        setup = self._setup
        callback = self._make_callback()
        self._callback = callback
        callback._session = Session(self)
        self._counted = True
        count = setup.census.enter()
        options = setup.options.sessionoptions.callbackoptions
        match self._run("init", setup.hostname, count, self.peername, options):
            case Ok(None):
                self._greet(f"{setup.hostname} ESMTP")
            case Ok(str() | list() | tuple() as banner):
                self._greet(banner)
            case Stop(reason, message):
                self._refuse_client(reason, message)
            case Ignore():
                self._refuse_client("normal", None)
            case wrong:
                self._report_wrong("init", wrong, "init may return ok, ok(banner), stop or ignore")
                self.protocol.fail()
                self._close("normal")

    def _make_callback(self) -> Behaviour:
        try:
            made = self._setup.module()
            if not isinstance(made, Behaviour):
                raise TypeError(f"{made!r} is no Behaviour")
        except Exception as error:
            self._crash_callback("the constructor", error)
        return made

    def _greet(self, banner: Any) -> None:
        self._initialised = True
        self.announce()  # before the banner: a client that has read it is in the list
        self.protocol.greet(banner)
        self._touch()
        self._flush()

    def _refuse_client(self, reason: Any, message: Any) -> None:
        self._leave_census()  # before the reply: a client that has read it may come again at once
        if message is not None:
            try:
                self.protocol.refuse(text_of(message, REPLY, "its code"))
            except WrongValue as error:
                self._report_wrong("init", Stop(reason, message), str(error))
                self.protocol.fail()
            else:
                self._tell_refused("the connection", message if isinstance(message, str) else message[0])
        self._close(reason)

    # -- the dialogue -------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """Work off what the client sent."""
        self.protocol.receive_data(data)
        if self.protocol.in_message:
            self._touch()
        self._work()

    def on_continue(self) -> None:
        self._work()

    def on_eof(self) -> None:
        """The client has finished sending: work off the rest, and end."""
        self.protocol.receive_eof()
        while True:
            self._work()
            gevent.sleep(0)  # whatever is left must not keep the other sessions waiting

    def on_lost(self, error: OSError) -> None:
        """The connection broke: what was not answered yet is not done."""
        kind = "ssl_error" if self.protocol.tls else "tcp_error"
        if self.protocol.in_message:
            self._reason = ("error_receiving_data", error)
        self._tell_error(kind, error.strerror or str(error))
        raise ActorExit(self._reason)

    def _work(self) -> None:
        """Handle events until the client has to send more, or others have waited long enough."""
        next_event = self.protocol.next_event
        for _ in range(EVENTS_PER_TURN):
            event = next_event()
            handle = _HANDLERS.get(type(event))
            if handle is None:
                break
            handle(self, event)
        else:
            self.more = True
        self._flush()

    def _flush(self) -> None:
        """Send the replies; end the session if that was all."""
        protocol = self.protocol
        replies = protocol.data_to_send()
        if replies:
            self._touch()
            self.send(replies)
        if protocol.closing:
            raise ActorExit(self._reason)

    def _touch(self) -> None:
        """The client got something done: its time starts anew, within what a message may take."""
        now = self._active_at = time.monotonic()
        seconds = self._timeout
        if self._message_ends is not None:
            seconds = min(seconds, self._message_ends - now)
        self.set_deadline(seconds)

    def _close(self, reason: Any) -> None:
        """Send what is queued and end."""
        self.drain = True
        self._reason = reason
        self.protocol.close()
        self._flush()

    # -- callbacks ----------------------------------------------------------------------------------

    def _run(self, name: str, *args: Any) -> Any:
        """Call a callback; one that raises ends the session."""
        callback = self._callback
        method = getattr(callback, name)
        try:
            if name in callback.blocking:  # type: ignore[union-attr]
                return run_blocking(method, *args)
            return method(*args)
        except BaseException as error:
            if not self.actor_ref.is_alive():
                raise  # killed in the middle of it
            self._crash_callback(name, error)

    def _crash_callback(self, name: str, error: BaseException) -> Any:
        """451 for the command in hand, 421 before the greeting; never 250."""
        if isinstance(error, KeyboardInterrupt):
            Hub.current().interrupt(error)
        actor_events.emit(events.CallbackCrashed(self.actor_urn, self.peername, name, error))
        self._leave_census()
        self.protocol.fail()
        self._close(error)

    def _ask(self, name: str, *args: Any) -> Verdict:
        """Call a callback for its verdict."""
        self._commands += 1
        result = self._run(name, *args)
        try:
            verdict = verdict_of(name, result)
        except WrongValue as error:
            self._report_wrong(name, result, str(error))
            return Fail()
        if isinstance(result, Stop):
            self._reason = result.reason
            self.drain = True
        return verdict

    def _report_wrong(self, name: str, value: Any, allowed: str) -> None:
        shown = repr(value)
        actor_events.emit(
            events.WrongCallbackValue(self.actor_urn, self.peername, name, shown[:200], allowed)
        )

    def _run_notice(self, name: str, *args: Any) -> None:
        """Call a callback that gives no verdict; its `stop` ends the session."""
        match self._run(name, *args):
            case None if name != "handle_error":
                pass
            case Ok() | NoReply():
                pass
            case Stop(reason, message):
                if message is not None:
                    self.protocol.drop_with(message)
                self._close(reason)
            case wrong:
                self._report_wrong(name, wrong, f"{name} may return ok or stop")

    def _tell_error(self, error_class: str, detail: Any) -> None:
        """handle_error, after the reply; not for a class that has none of its own."""
        callback = self._callback
        if callback is None or not self._initialised:
            return
        if type(callback).handle_error is not Behaviour.handle_error:
            replies = self.protocol.data_to_send()
            if replies:
                self.send(replies)
            self._run_notice("handle_error", error_class, detail)

    # -- events of the protocol ---------------------------------------------------------------------

    def _on_hello(self, event: core.Hello) -> None:
        name = "handle_HELO" if event.verb == "HELO" else "handle_EHLO"
        args = (event.hostname,) if event.verb == "HELO" else (event.hostname, event.extensions)
        self.protocol.respond(self._ask(name, *args))

    def _on_start_tls(self, event: core.StartTls) -> None:
        self.protocol.respond(Accept())
        self._flush()
        context = self._setup.options.sessionoptions.tls_context()
        assert context is not None  # the protocol offers STARTTLS only with a certificate
        self.start_tls(context)

    def on_tls(self) -> None:
        """The handshake of STARTTLS is done."""
        self.protocol.tls_established()
        self._touch()
        self._run_notice("handle_STARTTLS")
        self._flush()

    def _on_authenticate(self, event: core.Authenticate) -> None:
        verdict = self._ask("handle_AUTH", event.mechanism, event.username, event.credential)
        accepted = isinstance(verdict, Accept)
        kind = events.Authenticated if accepted else events.AuthenticationFailed
        if actor_events.wanted(kind):
            actor_events.emit(kind(self.actor_urn, self.peername, event.mechanism, event.username))
        self.protocol.respond(verdict)

    def _on_mail_parameter(self, event: core.MailParameter) -> None:
        self.protocol.respond(self._ask("handle_MAIL_extension", event.parameter))

    def _on_mail(self, event: core.Mail) -> None:
        self.protocol.respond(self._ask("handle_MAIL", event.reverse_path))

    def _on_rcpt_parameter(self, event: core.RcptParameter) -> None:
        self.protocol.respond(self._ask("handle_RCPT_extension", event.parameter))

    def _on_rcpt(self, event: core.Rcpt) -> None:
        self.protocol.respond(self._ask("handle_RCPT", event.forward_path))

    def _on_verify(self, event: core.Verify) -> None:
        self.protocol.respond(self._ask("handle_VRFY", event.address))

    def _on_unknown(self, event: core.UnknownCommand) -> None:
        self.protocol.respond(self._ask("handle_other", event.verb, event.arguments))

    def _on_reset(self, event: core.Reset) -> None:
        self._run_notice("handle_RSET")

    def _on_out_of_order(self, event: core.OutOfOrder) -> None:
        self._tell_error("out_of_order", event.verb)

    def _on_refused(self, event: core.CommandRefused) -> None:
        self._tell_refused(event.verb, event.reply)
        if self._rejection is not None and event.verb == "DATA":
            cause, self._rejection = self._rejection, None
            self._end_message()
            self._tell_error("data_rejected", cause)

    def _tell_refused(self, verb: str, reply: str) -> None:
        self._refused += 1
        if actor_events.wanted(events.CommandRefused):
            actor_events.emit(events.CommandRefused(self.actor_urn, self.peername, verb, reply))

    def _on_withheld(self, event: core.ExtensionWithheld) -> None:
        if event.name not in self._setup.warned:
            self._setup.warned.add(event.name)
            actor_events.emit(
                events.ExtensionWithheld(self.actor_urn, self.peername, event.name, event.option)
            )

    def _on_quit(self, event: core.Quit) -> None:
        pass  # 221 is queued and the protocol is closing

    def _on_disconnected(self, event: core.Disconnected) -> None:
        if event.in_message:
            self._reason = ("error_receiving_data", "closed")
        self._tell_error("ssl_closed" if self.protocol.tls else "tcp_closed", "closed")

    # -- messages -----------------------------------------------------------------------------------

    def _on_message_start(self, event: core.MessageStart) -> None:
        self._message_ends = time.monotonic() + MESSAGE_TIMEOUTS * self._timeout

    def _on_chunk(self, event: core.MessageChunk) -> None:
        self._octets += len(event.data)
        if self._first_chunk is None:
            self._first_chunk = event.data  # most messages come whole
            return
        if self._body is None:
            # BytesIO hands its buffer out without the copy that a joined list would be.
            self._body = BytesIO()
            self._body.write(self._first_chunk)
        self._body.write(event.data)

    def _on_message_rejected(self, event: core.MessageRejected) -> None:
        self._rejection = event.cause
        self._body = self._first_chunk = None

    def _on_message_complete(self, event: core.MessageComplete) -> None:
        data = self._first_chunk or b"" if self._body is None else self._body.getvalue()
        self._body = self._first_chunk = None
        verdict = self._ask("handle_DATA", event.sender, event.recipients, data)
        if isinstance(verdict, Results) and not self._setup.config.lmtp:
            self._report_wrong("handle_DATA", "multiple", "multiple is for LMTP")
            verdict = Fail()
        if _takes_message(verdict):
            self._messages += 1
            if actor_events.wanted(events.MessageTaken):
                recipients = tuple(event.recipients)
                actor_events.emit(
                    events.MessageTaken(self.actor_urn, self.peername, event.sender, recipients, len(data))
                )
        self._end_message()
        self.protocol.respond(verdict)

    def _end_message(self) -> None:
        self._message_ends = None
        self._active_at = time.monotonic()

    # -- messages of other actors -------------------------------------------------------------------

    def on_receive(self, message: Any) -> Any:
        """Whatever is no message of the system is the callback's; an `ask` is answered as in gen_smtp."""
        if not self._initialised or self.is_system_message(message):
            return super().on_receive(message)
        if self.is_asked:
            return ("unknown_call", message)
        self._run_notice("handle_info", message)
        self._flush()
        return None

    def info(self) -> SessionInfo:
        """The facts of the session at this moment."""
        protocol = self.protocol
        transaction = protocol.transaction
        return SessionInfo(
            ref=self.actor_ref,
            server=self.server,
            hostname=self._setup.hostname,
            peername=self.peername,
            peer_port=self.peer_port,
            tls=self.tls,
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

    # -- ends ---------------------------------------------------------------------------------------

    def on_shutdown(self, grace: float = DEFAULT_GRACE) -> None:
        """421 for a client between commands; one in a message may finish it within the grace."""
        self._reason = "shutdown"
        self.drain = True
        if not self._initialised:
            raise ActorExit("shutdown")
        self.protocol.shut_down()
        self._message_ends = time.monotonic() + grace
        self._touch()
        self._flush()

    def on_timeout(self) -> None:
        """The client was silent for too long, or its message took too long."""
        self.protocol.time_out()
        self._tell_error("timeout", "timeout")
        self._flush()

    def on_handshake_error(self, reason: str) -> None:
        self._tell_error("ssl_handshake_error", reason)

    def on_send_error(self, error: OSError) -> Any:
        self.protocol.close()
        self.protocol.data_to_send()
        self._tell_error("send_error", error.strerror or str(error))
        return self._reason

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Close, then tell the callback, once, if its init had said ok."""
        self.close_connection()
        if self._initialised:
            self._initialised = False
            self._terminate(reason)
        self._run_at_end()
        super().on_exit(reason, error)

    def _terminate(self, reason: Any) -> None:
        callback = self._callback
        assert callback is not None
        try:
            if "terminate" in callback.blocking:
                run_blocking(callback.terminate, reason)
            else:
                callback.terminate(reason)
        except BaseException as error:
            if not self.actor_ref.is_alive():
                raise
            actor_events.emit(events.CallbackCrashed(self.actor_urn, self.peername, "terminate", error))

    def at_end(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called once when the session ends."""
        self._at_end = [*(self._at_end or ()), (function, args)]

    def _run_at_end(self) -> None:
        while self._at_end:
            function, args = self._at_end.pop()
            try:
                function(*args)
            except BaseException as error:
                actor_events.emit(
                    events.CallbackCrashed(self.actor_urn, self.peername, "a function of at_end", error)
                )

    def release(self) -> None:
        super().release()
        self._leave_census()
        if self._at_end:
            Hub.current().spawn(self._run_at_end)  # killed: here nothing may wait
        self._callback = None

    def _leave_census(self) -> None:
        if self._counted:
            self._counted = False
            self._setup.census.leave()


_HANDLERS: dict[type, Callable[[SmtpSession, Any], None]] = {
    core.Hello: SmtpSession._on_hello,
    core.StartTls: SmtpSession._on_start_tls,
    core.Authenticate: SmtpSession._on_authenticate,
    core.MailParameter: SmtpSession._on_mail_parameter,
    core.RcptParameter: SmtpSession._on_rcpt_parameter,
    core.Mail: SmtpSession._on_mail,
    core.Rcpt: SmtpSession._on_rcpt,
    core.MessageComplete: SmtpSession._on_message_complete,
    core.Verify: SmtpSession._on_verify,
    core.UnknownCommand: SmtpSession._on_unknown,
    core.MessageStart: SmtpSession._on_message_start,
    core.MessageChunk: SmtpSession._on_chunk,
    core.MessageRejected: SmtpSession._on_message_rejected,
    core.Reset: SmtpSession._on_reset,
    core.OutOfOrder: SmtpSession._on_out_of_order,
    core.CommandRefused: SmtpSession._on_refused,
    core.ExtensionWithheld: SmtpSession._on_withheld,
    core.Quit: SmtpSession._on_quit,
    core.Disconnected: SmtpSession._on_disconnected,
}


def _peer(peer: Any) -> tuple[Peername, int | None]:
    """The client's address and port; an IPv4 client of an IPv6 socket has its IPv4 address."""
    if not isinstance(peer, tuple):
        return None, None
    address = ip_address(peer[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address, peer[1]


def _takes_message(verdict: Verdict) -> bool:
    if isinstance(verdict, Results):
        return any(isinstance(each, Accept) for each in verdict.results)
    return isinstance(verdict, Accept)


