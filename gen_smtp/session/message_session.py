"""What a session does with messages: takes them in, hands them to their callback, ends with one under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from actors import Connection, GeventRef, run_long
from actors import events as actor_events
from actors.net.transport import FEW_OCTETS, RECEIVE_OCTETS
from actors.runtime.side_task import Aside
from gen_smtp import events
from gen_smtp.callbacks.behaviour import Module
from gen_smtp.protocol import questions as core
from gen_smtp.protocol.verdicts import Accept, Decline, Fail, PerRecipient, Verdict
from gen_smtp.session.callback_session import Setup
from gen_smtp.session.message_body import NO_ROOM, Body, MessageBody, Refusal
from gen_smtp.session.patient_session import PatientSession
from gen_smtp.session.spooled_body import SpooledBody
from gen_smtp.session.streamed_body import CALLBACK, StreamedBody


class MessageSession(PatientSession):
    """A session as far as messages go. Those of streams run beside its turns (see `streamed_body`).

    Args:
        connection: the connection.
        server: the server.
        setup: what its listener's sessions share.
    """

    __slots__ = ("_body", "_messages", "_octets", "_rejection")

    def __init__(self, connection: Connection, server: GeventRef[Any], setup: Setup) -> None:
        super().__init__(connection, server, setup)
        self._body: Body | None = None
        self._rejection: str | None = None
        self._messages = self._octets = 0

    # -- what the protocol tells --------------------------------------------------------------------

    def _on_message_start(self, event: core.MessageStart) -> bool:
        self._start_message()
        self.appetite = RECEIVE_OCTETS
        return not self.protocol.received  # whether nothing of it came with its command

    def _on_chunk(self, event: core.MessageChunk) -> None:
        self._octets += len(event.data)
        body = self._body = self._body or self._make_body()
        if not body.add(event.data):
            assert body.refusal is not None
            self._rejection = body.refusal.cause

    def _make_body(self) -> Body:
        setup = self.setup
        options = setup.options.sessionoptions
        if self._streams:
            return StreamedBody(self)
        if options.spools:
            return SpooledBody(setup.buffers, options.spool_threshold, options.spool_directory, self)
        return MessageBody(setup.buffers)

    def _on_message_rejected(self, event: core.MessageRejected) -> None:
        self._rejection = event.cause
        if self._body is not None:
            self._body.abort(event.cause)

    def _on_message_complete(self, event: core.MessageComplete) -> bool:
        size = len(event.data)
        self._octets += size
        buffers = self.setup.buffers
        verdict: Verdict | None
        if self._body is not None or self._streams or self.setup.options.sessionoptions.spools:
            verdict, refusal, size = self._deliver_body(event)
        elif buffers.take(size):  # in one piece, as most come: counted as a body, but none is made
            try:
                verdict = self._ask("handle_DATA", event.sender, event.recipients, event.data)
            finally:
                buffers.give_back(size)
        else:
            verdict, refusal = None, NO_ROOM
        if verdict is None:
            self._rejection = refusal.cause
            return self.protocol.respond(Decline(refusal.reply))
        if type(verdict) is PerRecipient:
            verdict = self._check_results(verdict)
        if type(verdict) is Accept or _takes_message(verdict):
            self._messages += 1
            if actor_events.wanted(events.MessageTaken):
                self._tell_taken(event, size)
        self.appetite = FEW_OCTETS
        is_done = self.protocol.respond(verdict)
        if self._message_clock is not None:
            self._end_message()
        return is_done

    def _deliver_body(self, event: core.MessageComplete) -> tuple[Verdict | None, Refusal, int]:
        body = self._body = self._body or self._make_body()
        body.add(event.data)
        verdict = body.deliver(self._ask, event)
        size = body.size
        self._drop_body()
        return verdict, body.refusal or NO_ROOM, size

    def _check_results(self, verdict: PerRecipient) -> Verdict:
        if self.setup.config.lmtp:
            return verdict
        name = CALLBACK if self._streams else "handle_DATA"
        self._report_wrong(name, "multiple", "multiple is for LMTP")
        return Fail()

    def _end_message(self) -> None:
        """The message is answered; a session that is too old ends with it."""
        clock, self._message_clock = self._message_clock, None
        if clock is not None and clock.ends_session:
            self._tell_error("timeout", "timeout")

    def _tell_taken(self, event: core.MessageComplete, size: int) -> None:
        recipients = tuple(event.recipients)
        actor_events.emit(events.MessageTaken(self.actor_urn, self.peername, event.sender, recipients, size))

    def note_disk_error(self, error: OSError) -> None:
        """The message under way can't be spooled."""
        actor_events.emit(events.SpoolFailed(self.actor_urn, self.peername, error))

    # -- ends ---------------------------------------------------------------------------------------

    def _end_rejected(self, cause: str) -> None:
        """The end of a message that was refused has come, and its reply is queued."""
        if isinstance(self._body, StreamedBody) and self._body.is_busy():
            self._send_replies()  # the client need not wait for the reader to notice
        self.cut_message(cause)
        self._tell_error("data_rejected", cause)
        self._end_message()

    def cut_message(self, cause: str) -> None:
        if self._body is not None:
            self._body.abort(cause)
            self._body.join()
            self._drop_body()

    def _drop_body(self) -> None:
        if self._body is not None:
            self._body.drop()
            self._body = None

    def release(self) -> None:
        super().release()
        self._drop_body()

    def leave_behind(self) -> None:
        self._body = None  # threads of the parent process may hold its locks
        super().leave_behind()

    # -- readers of streams -------------------------------------------------------------------------

    def change_code(self, module: Module, extra: Any) -> bool:
        """As for any callback; a message under way goes to the new one as that wants it."""
        changed = super().change_code(module, extra)
        old = self._body
        if changed and self._streams and old is not None and not self._rejection:
            came = old.content() if isinstance(old, MessageBody) else None
            if came is not None:
                old.drop()
                self._body = StreamedBody(self)
                self._body.add(came)
        return changed

    def is_in_turn_of(self, greenlet: Any) -> bool:
        if super().is_in_turn_of(greenlet):
            return True
        return isinstance(self._body, StreamedBody) and self._body.runs_in(greenlet)

    def concerns_session(self, message: Any) -> bool:
        """Tell whether a message is for the session itself, and not for its callback object."""
        if isinstance(message, ProxyCall | ProxyGetAttr | ProxySetAttr):
            return tuple(message.attr_path) != ("change_code",)
        return self.is_urgent(message) or self.is_system_message(message)

    def call_reader(self, name: str, read: Callable[..., Any]) -> Any:
        """Have a callback read a message as it comes: `read(callback)`, in a thread if it blocks.

        It may wait for its client again and again: a thread of those for work that takes long.
        """
        callback = getattr(self._callback, name)
        return run_long(read, callback) if name in self._blocking else read(callback)

    def judge_reader(self, name: str, args: tuple[Any, ...], reader: Aside) -> Verdict:
        """Wait for the verdict of a callback that has the whole message."""
        self._commands += 1
        result = None
        try:
            result = reader.result()
        except BaseException as error:
            self._contain(name, error)
        return self._judge(name, args, result)

    def outlast_reader(self, name: str, reader: Aside) -> None:
        """Wait for the end of a callback that can't have the whole message; what it returns is void."""
        try:
            reader.result()
        except BaseException as error:
            if not self.actor_ref.is_alive():
                raise
            self._report_crash(name, error)

    def hold_up_client(self) -> None:
        """Read nothing: the reader of the message does not keep up. The time it takes is not the client's."""
        self.hold_reading()
        self.set_deadline(None)

    def let_client_go_on(self, seconds: float) -> None:
        """After `hold_up_client` so long ago. Runs in the hub."""
        if self.actor_ref.is_alive():
            self.excuse_client(seconds)
            self.read_on()

    def excuse_client(self, seconds: float) -> None:
        """So long nobody read what it sent."""
        if self.is_in_message():
            self._clock().excuse(seconds)
        self._touch()


def _takes_message(verdict: Verdict) -> bool:
    return isinstance(verdict, PerRecipient) and any(isinstance(each, Accept) for each in verdict.results)
