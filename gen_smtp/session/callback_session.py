"""What every SMTP session does around its callback object: calls it, contains what it does, ends with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

from actors import ActorExit, Census, Connection, GeventRef, run_blocking
from actors import events as actor_events
from actors.errors import OutOfTime
from actors.messages import DEFAULT_GRACE
from actors.net.transport import WriteTimeoutError
from actors.runtime.hub import Hub
from gen_smtp import events
from gen_smtp.callbacks.behaviour import Behaviour, Module, Peername
from gen_smtp.callbacks.facts import Proxy, Session
from gen_smtp.callbacks.results import NoReply, Stop, ok
from gen_smtp.callbacks.shown_value import shown_value
from gen_smtp.callbacks.translate import WrongValue, end_of, verdict_of
from gen_smtp.options.deadlines import EXCEEDED
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import ClientFacts
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.verdicts import ACCEPT, Fail, Verdict
from gen_smtp.server.client_limits import Admission
from gen_smtp.server.message_memory import Buffers
from gen_smtp.server.peer_address import peer_address
from gen_smtp.session.callback_object import AtEnd, has_own, make_callback, make_successor
from gen_smtp.session.timed_session import TimedSession

CLOSING = "Service not available, closing transmission channel"
"""RFC 5321 section 4.2.2's text, for a `stop` without a message while a command waits for its reply."""

LAST_WORD = 0.9
"""After so much of the grace a session ends by itself, in good order, before its server cuts it off."""


@dataclass(slots=True)
class Setup:
    """What all sessions of one listener share.

    Attributes:
        module: makes the callback objects.
        options: the listener's options.
        hostname: its domain.
        config: the protocol's configuration.
        census: counts the server's sessions.
        admission: counts them by client address.
        buffers: counts the octets of the messages under way in them.
        warned: the extensions whose withholding was told already.
    """

    module: Module
    options: ListenerOptions
    hostname: str
    config: ProtocolConfig
    census: Census
    admission: Admission
    buffers: Buffers
    warned: set[str] = field(default_factory=set)


class CallbackSession(TimedSession):
    """An SMTP connection with a callback object, before anything is said of commands.

    Args:
        connection: the connection.
        server: the server.
        setup: what its listener's sessions share.

    Attributes:
        peername: the client's address; None on a unix socket.
        entered: the address that it entered by, to leave by at its end; None for no admission.
        protocol: the SMTP side, without input or output.
        setup: what its listener's sessions share.
        proxy, xclient: who brought the client, and what it says of it, in a `ProxiedSession`.
    """

    proxy: Proxy | None = None
    xclient: ClientFacts | None = None
    _at_end: AtEnd | None = None

    __slots__ = (
        "_blocking",
        "_callback",
        "_commands",
        "_counted",
        "_module",
        "_reason",
        "_said_quit",
        "_served",
        "_streams",
        "entered",
        "peername",
        "protocol",
        "setup",
    )

    def __init__(self, connection: Connection, server: GeventRef[Any], setup: Setup) -> None:
        options = setup.options.sessionoptions
        super().__init__(connection, server, options.timeout, options.deadlines)
        self.peername = peer_address(connection.peer)
        self.protocol = Protocol(setup.config, tls=setup.options.protocol == "ssl")
        self.setup = setup
        self._callback: Behaviour | None = None
        self._blocking: Collection[str] = ()
        self._streams = False
        self._counted = False
        self.entered: Peername = None
        self._served = False
        self._said_quit = False
        self._reason: Any = "normal"
        self._commands = 0

    @property
    def peer_port(self) -> int | None:
        """The client's port; None on a unix socket, or where it is not known."""
        return self.peer[1] if isinstance(self.peer, tuple) else None

    # -- calling ------------------------------------------------------------------------------------

    def _make_callback(self) -> None:
        module = self.setup.module
        try:
            self._take_callback(module, make_callback(module, self))
        except BaseException as error:
            self._fail("the constructor", error)

    def _take_callback(self, module: Module, callback: Behaviour) -> None:
        self._blocking = callback.blocking
        self._module = module
        self._callback = callback
        self._streams = has_own(callback, "handle_DATA_stream")

    def _run(self, name: str, *args: Any) -> Any:
        """Call a callback; one that raises ends the session."""
        if name in self._blocking:
            # RFC 2920 3.2: replies go in groups, but those that are ready don't wait for a worker thread.
            self._send_replies()
        try:
            return self._call(name, *args)
        except BaseException as error:  # a forgotten gevent.Timeout, too, ends this session alone
            self._contain(name, error)

    def _call(self, name: str, *args: Any) -> Any:
        """Call a callback; one that blocks in a worker thread."""
        callback = getattr(self._callback, name)
        return run_blocking(callback, *args) if name in self._blocking else callback(*args)

    def _contain(self, name: str, error: BaseException) -> NoReturn:
        """End the session for what a callback raised; it is being handled."""
        if not self.actor_ref.is_alive():
            raise error  # killed in the middle of it
        self._fail(name, error)

    def _fail(self, name: str, error: BaseException) -> NoReturn:
        """451 for the command in hand, 421 before the greeting; never 250."""
        if isinstance(error, OutOfTime) and not self._served:
            self._run_out_of("banner")
        if isinstance(error, KeyboardInterrupt):
            Hub.current().interrupt(error)
        self._report_crash(name, error)
        self._leave_census()
        self.protocol.fail()
        self._close(error)

    def _ask(self, name: str, *args: Any) -> Verdict:
        """Call a callback for its verdict on a command."""
        self._commands += 1
        if name in self._blocking:
            result = self._run(name, *args)
        else:
            try:  # as _run does, without its calls: every command comes through here
                result = getattr(self._callback, name)(*args)
            except BaseException as error:
                self._contain(name, error)
        return ACCEPT if result is ok else self._judge(name, args, result)

    def _judge(self, name: str, args: tuple[Any, ...], result: Any) -> Verdict:
        """What a callback's result means for the command."""
        kind = type(result)
        if kind is Stop and result.message is None:
            result = Stop(result.reason, f"421 {self.setup.hostname} {CLOSING}")
        try:
            verdict = verdict_of(name, result)
        except WrongValue as error:
            self._report_wrong(name, shown_value(result, name, args), str(error))
            return Fail()
        if kind is Stop:
            self._reason = result.reason
        elif kind is NoReply:
            self._touch()  # no reply will do it
        return verdict

    def _notify(self, name: str, *args: Any) -> None:
        """Call a callback that gives no verdict; its `stop` ends the session."""
        result = self._run(name, *args)
        try:
            end = end_of(name, result)
        except WrongValue as error:
            self._report_wrong(name, shown_value(result, name, args), str(error))
            return
        if end is not None:
            if end.message is not None:
                self.protocol.drop_with(end.message)
            self._close(end.reason)

    def _tell_error(self, error_class: str, detail: Any) -> None:
        """handle_error, after the reply; skipped for a class that has none of its own."""
        if self._served and self._callback is not None and has_own(self._callback, "handle_error"):
            self._send_replies()
            self._notify("handle_error", error_class, detail)

    def _report_crash(self, name: str, error: BaseException) -> None:
        actor_events.emit(events.CallbackCrashed(self.actor_urn, self.peername, name, error))

    def _report_wrong(self, name: str, shown: str, allowed: str) -> None:
        actor_events.emit(events.WrongCallbackValue(self.actor_urn, self.peername, name, shown, allowed))

    def change_code(self, module: Module, extra: Any) -> bool:
        """Between two commands: go on with another class.

        Args:
            module: makes the callback objects of new sessions.
            extra: for its `code_change`.

        Returns:
            whether there was anything to change.

        Raises:
            Exception: what making the new object raises; the present one stays.
        """
        self.setup.module = module  # its listener may be gone, and with it who else would say so
        if self._callback is None or module is self._module:
            return False
        self._take_callback(module, make_successor(module, self._callback, extra))
        return True

    def facts(self) -> Session:
        """The facts of the session, for its callback object."""
        return Session(self)

    # -- sending and closing ------------------------------------------------------------------------

    def _flush(self) -> None:
        """Send the replies; end the session if that was all."""
        protocol = self.protocol
        replies = protocol.unsent
        if replies:
            protocol.unsent = b""  # as data_to_send does
            self.reply(replies)
        if protocol.closing:
            self.drain = self.unread or not self._said_quit
            raise ActorExit(self._reason)

    def _send_replies(self) -> None:
        replies = self.protocol.data_to_send()
        if replies:
            self.reply(replies)

    def _close(self, reason: Any) -> NoReturn:
        """Send what is queued and end."""
        self._reason = reason
        self.protocol.close()
        self._flush()
        raise ActorExit(reason)  # _flush has done so

    # -- deadlines ----------------------------------------------------------------------------------

    def may_cut_wait(self) -> bool:
        """An `init` that waits for too long is done with; any other callback may take its time."""
        return self.connected and not (self._served or self.protocol.closing)

    def is_in_message(self) -> bool:
        return self.protocol.in_message

    def on_exceeded(self, deadline: str) -> None:
        """End, but let a message be finished for which only the session is too old."""
        if deadline == "session" and not self.protocol.shut_down(replies.TIMEOUT_SESSION):
            self.tell_exceeded(deadline)
            self.end_with_message()
        else:
            self._run_out_of(deadline)

    def _run_out_of(self, deadline: str) -> None:
        self.tell_exceeded(deadline)
        if not self._served:
            self._leave_census()
        self.protocol.time_out(EXCEEDED[deadline])
        self._send_replies()
        self.cut_message("shutdown" if deadline == "grace" else "timeout")
        self._tell_error("timeout", "timeout")
        self._flush()

    def tell_exceeded(self, deadline: str) -> None:
        if actor_events.wanted(events.DeadlineExceeded):
            actor_events.emit(events.DeadlineExceeded(self.actor_urn, self.peername, deadline))

    # -- ends ---------------------------------------------------------------------------------------

    def on_shutdown(self, grace: float = DEFAULT_GRACE) -> None:
        """421 for a client between commands; one in a message may finish it within the grace."""
        self._reason = "shutdown"
        if self._transport.shaking_hands and not self._served:
            raise ActorExit("shutdown")
        self.protocol.shut_down()  # of one that was not greeted yet the 421 is the greeting
        self.set_final("grace", time.monotonic() + LAST_WORD * grace)
        self._flush()

    def on_lost(self, error: OSError) -> None:
        """The connection broke: what was not answered yet is not done."""
        if self.protocol.in_message:
            self._reason = ("error_receiving_data", error)
        self.protocol.close()
        self.cut_message("closed")
        self._tell_error("ssl_error" if self.protocol.tls else "tcp_error", _cause(error))
        raise ActorExit(self._reason) from error

    def on_send_error(self, error: OSError) -> Any:
        if isinstance(error, WriteTimeoutError):
            self.tell_exceeded("reply")
        self.protocol.close()
        self.protocol.data_to_send()
        self._tell_error("send_error", _cause(error))
        return self._reason

    def on_handshake_error(self, reason: str) -> None:
        self._tell_error("ssl_handshake_error", reason)

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Close, then tell the callback, once, if its init had said ok."""
        self.close_connection()
        self.cut_message("shutdown" if reason == "shutdown" else "stopped")
        if self._served:
            self._served = False
            self._terminate(reason)
        if self._at_end is not None:
            self._at_end.run(self._report_crash)
        super().on_exit(reason, error)

    def cut_message(self, cause: str) -> None:
        """Hook: a message under way will never be complete. Returns when no callback has it any more."""

    def _terminate(self, reason: Any) -> None:
        try:
            self._call("terminate", reason)
        except BaseException as error:  # the session ends for its first reason
            if not self.actor_ref.is_alive():
                raise
            self._report_crash("terminate", error)

    def at_end(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called once when the session ends."""
        if self._at_end is None:
            self._at_end = AtEnd()
        self._at_end.add(function, args)

    def release(self) -> None:
        super().release()
        self._leave_census()
        self.setup.admission.leave(self.entered)
        if self._at_end:
            Hub.current().spawn(self._at_end.run, self._report_crash)  # killed: here nothing may wait
        self._callback = None

    def leave_behind(self) -> None:
        self._at_end = None  # it is the parent process that the session ends in
        super().leave_behind()

    def _leave_census(self) -> None:
        if self._counted:
            self._counted = False
            self.setup.census.leave()


def _cause(error: OSError) -> str:
    return error.strerror or str(error)
