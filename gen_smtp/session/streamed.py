"""A message whose body is handed to handle_DATA_stream as it arrives.

The callback runs beside the session's turns, which read from the client and go on with all that must not
wait for a slow message: deadlines, a shutdown, questions about the session. What is the callback object's
own waits: messages for handle_info stay in the mailbox, and no other callback is called before this one has
returned. The pipe between them is bounded; while it is full the session reads nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent import GreenletExit
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from actors import run_coroutine, run_long
from actors.net.pipe import Pipe
from actors.runtime.hub import Hub
from actors.runtime.threads import SideTask
from gen_smtp.callbacks import watching
from gen_smtp.callbacks.async_stream import AsyncMessageStream
from gen_smtp.callbacks.shown_value import without_secrets
from gen_smtp.callbacks.stream import IncompleteMessage, MessageStream
from gen_smtp.callbacks.watching import EVERY
from gen_smtp.protocol.questions import MessageComplete
from gen_smtp.protocol.verdicts import Verdict
from gen_smtp.session import calling, clock
from gen_smtp.session.bodies import Ask, Refusal
from gen_smtp.session.state import SessionState

CALLBACK = "handle_DATA_stream"


class StreamedBody:
    """The message under way, in the hands of the callback.

    Args:
        session: whose message it is.

    Attributes:
        refusal: None; the callback alone refuses it.
        size: octets that have come.
    """

    __slots__ = (
        "_arguments",
        "_held_since",
        "_pipe",
        "_reader",
        "_reading",
        "_session",
        "_stream",
        "size",
    )

    refusal: Refusal | None = None

    def __init__(self, session: SessionState) -> None:
        self._session = session
        self._pipe = Pipe(self._on_room)
        transaction = session.protocol.transaction
        assert transaction is not None  # DATA is in one
        size = transaction.mail_params.get("SIZE")
        self._stream = MessageStream(self._pipe, int(size) if isinstance(size, str) else None)
        self._arguments = (transaction.sender, list(transaction.recipients), self._stream)
        self._reader: SideTask | None = None
        self._reading = False
        self._held_since: float | None = None
        self.size = 0

    def add(self, chunk: bytes) -> bool:
        """Hand over the next piece; where there is no room for more, the client is held up."""
        self.size += len(chunk)
        has_room = self._pipe.put(chunk)
        self._begin()
        if not has_room and self._held_since is None:
            self._held_since = time.monotonic()
            hold_up_client(self._session)
        return True

    def deliver(self, ask: Ask, event: MessageComplete) -> Verdict:
        """The message is complete: tell the reader, and wait for what the callback says."""
        self._pipe.finish()
        reader = self._begin()
        try:
            verdict = _judge_reader(self._session, self._arguments, reader)
        finally:
            if reader.done():
                self._reader = None
        self._session.mailbox.select(None)
        return verdict

    def abort(self, cause: str) -> None:
        """The message will not be complete: the reader hears it. One that waits for a thread needs none."""
        self._pipe.abort(lambda: IncompleteMessage(cause))
        if self._reader is not None and not self._reading:
            self._reader.cut()

    def join(self) -> None:
        """Wait until the callback has returned."""
        if self._reader is not None:
            _outlast_reader(self._session, self._reader)
            self._reader = None
            self._session.mailbox.select(None)

    def is_busy(self) -> bool:
        """Tell whether the callback has not returned yet."""
        return self._reader is not None and not self._reader.done()

    def drop(self) -> None:
        """Cut the callback off, if the session ends before it has returned. Never waits."""
        if self._reader is not None:
            self._session.mailbox.select(None)  # who has a reference to it has the mailbox
            if not self._reader.done():
                self.abort("killed")
                self._reader.cut()
            self._reader.forget()
        self._pipe.close()

    def runs_in(self, greenlet: Any) -> bool:
        """Tell whether the callback runs in a greenlet."""
        return self._reader is not None and self._reader.greenlet is greenlet

    # -- beside the turns ---------------------------------------------------------------------------

    def _begin(self) -> SideTask:
        """Call the callback, at the first piece: a client that sends none has not begun its message."""
        if self._reader is None:
            session = self._session
            session.mailbox.select(partial(concerns_session, session))
            self._reader = SideTask(self._run)
        return self._reader

    def _run(self) -> Any:
        """In the greenlet of the callback."""
        try:
            return _call_reader(self._session, self._read)
        except GreenletExit:
            if self._reading:
                raise
            return None  # cut off while it waited for a thread

    def _read(self, callback: Callable[..., Any]) -> Any:
        """Where the callback runs. An IncompleteMessage that it lets through is no crash."""
        self._reading = True  # and only then: `abort` looks at the two the other way round
        try:
            self._pipe.check()
            return callback(*self._arguments)
        except IncompleteMessage:
            if not self._pipe.aborted:
                raise
            return None
        finally:
            self._stream.close()  # what is left of the message is read away

    def _on_room(self) -> None:
        """In any thread."""
        Hub.current().run_soon(self._read_on)

    def _read_on(self) -> None:
        """In the hub."""
        since, self._held_since = self._held_since, None
        if since is not None:
            let_client_go_on(self._session, time.monotonic() - since)


# -- the session of a message that streams --------------------------------------------------------


def concerns_session(session: SessionState, message: Any) -> bool:
    """Tell whether a message is for the session itself, and not for its callback object."""
    if isinstance(message, ProxyCall | ProxyGetAttr | ProxySetAttr):
        return tuple(message.attr_path) != ("change_code",)
    return session.is_urgent(message) or session.is_system_message(message)


def hold_up_client(session: SessionState) -> None:
    """Read nothing: the reader of the message does not keep up. The time it takes is not the client's."""
    session.hold_reading()
    session.set_deadline(None)


def let_client_go_on(session: SessionState, seconds: float) -> None:
    """After `hold_up_client` so long ago. Runs in the hub."""
    if session.actor_ref.is_alive():
        clock.excuse(session, seconds)
        session.read_on()


def _call_reader(session: SessionState, read: Callable[..., Any]) -> Any:
    """Have the callback read a message as it comes: `read(callback)`, in a thread if it blocks.

    It may wait for its client again and again: a thread of those for work that takes long.
    """
    if session.blocking is EVERY:
        return watching.run(session, CALLBACK, partial(_read_where_it_belongs, session, read))
    return _read_where_it_belongs(session, read)


def _read_where_it_belongs(session: SessionState, read: Callable[..., Any]) -> Any:
    callback = getattr(session.callback, CALLBACK)
    if not calling.is_aside(session, CALLBACK):
        return read(callback)
    if calling.is_coroutine(session, CALLBACK):
        return read(partial(_run_reader, calling.loop_of(session), callback))
    return run_long(read, callback)


def _run_reader(
    loop: asyncio.AbstractEventLoop,
    callback: Callable[..., Any],
    sender: str,
    recipients: list[str],
    stream: MessageStream,
) -> Any:
    """Have an `async def` callback read a message, and wait for it."""
    return run_coroutine(callback(sender, recipients, AsyncMessageStream(stream)), loop)


def _judge_reader(session: SessionState, args: tuple[Any, ...], reader: SideTask) -> Verdict:
    """Wait for the verdict of a callback that has the whole message."""
    session.commands += 1
    result = None
    try:
        result = reader.result()
    except BaseException as error:
        calling.contain(session, CALLBACK, error, args)
    return calling.judge(session, CALLBACK, args, result)


def _outlast_reader(session: SessionState, reader: SideTask) -> None:
    """Wait for the end of a callback that can't have the whole message; what it returns is void."""
    try:
        reader.result()
    except BaseException as error:
        if session.must_end(error):
            raise
        calling.tell_crash(session, CALLBACK, without_secrets(error, CALLBACK, ()))
