"""OTP's `gen_server`: clauses for call, cast and info, with timeouts, `continue` and replies that come later.

    class Bank(gen_server.GenServer):
        def init(self, balance):
            self.balance = balance

        def handle_call(self, request, caller):
            return Reply(self.balance, timeout=5.0)

        def handle_info(self, message):
            return Stop("idle") if message == "timeout" else NoReply()

    bank = Bank.start_link(100)
    gen_server.call(bank, "balance")

The state is the object's attributes. Times are in seconds. An exception that handle_call raises goes to the
caller, and the server lives, as everywhere in `actors`; any other callback's ends the server, and so does an
`ActorExit` of any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.errors import NO_REPLY, ActorExit
from actors.otp import messaging
from actors.otp.deferred import From, defer_reply
from actors.otp.deferred import reply as reply
from actors.otp.messaging import call as call
from actors.runtime import names
from actors.runtime.actor import GeventActor
from actors.runtime.launch import IGNORE, Continue

TIMEOUT = "timeout"
"""What handle_info gets when the time of a result is over and no message has come."""


@dataclass(frozen=True, slots=True)
class Reply:
    """From handle_call: the answer, `{reply, Value, State, Timeout}`.

    Attributes:
        value: what the caller gets.
        timeout: seconds without a message after which handle_info gets `"timeout"`; None for never.
        then: `Continue(term)` calls handle_continue at once, before any message.
    """

    value: Any
    timeout: float | None = None
    then: Continue | None = None


@dataclass(frozen=True, slots=True)
class NoReply:
    """From any callback: go on, `{noreply, State, Timeout}`. A caller is answered later, by `reply`.

    Attributes:
        timeout, then: as of `Reply`.
    """

    timeout: float | None = None
    then: Continue | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """From any callback: end, `{stop, Reason, Reply, State}`.

    Attributes:
        reason: the exit reason.
        reply: what the caller gets when the server has ended; without it the call fails with the reason.
    """

    reason: Any = "normal"
    reply: Any = NO_REPLY


Result: TypeAlias = NoReply | Stop | None
"""What handle_cast, handle_info and handle_continue return; None is `NoReply()`."""
InitResult: TypeAlias = NoReply | Stop | Continue | object | None
"""What `init` returns: None, `NoReply`, `Stop`, `Continue(term)` or `IGNORE`."""


@dataclass(frozen=True, slots=True)
class _Cast:
    message: Any


@dataclass(frozen=True, slots=True)
class _TimeIsOver:
    number: int


class GenServer(GeventActor):
    """A server. `start` and `start_link` take what `init` takes.

    Args:
        args, kwargs: for `init`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._arguments = (args, kwargs)
        self._messages = 0  # a timeout counts if no message came since it was set

    # -- callbacks ------------------------------------------------------------------------------------

    def init(self, *args: Any, **kwargs: Any) -> InitResult:
        """Get ready; the starter waits for it."""
        return None

    def handle_call(self, request: Any, caller: From) -> Reply | NoReply | Stop:
        """Somebody asks, by `call` or `ref.ask`, and waits.

        Args:
            request: what.
            caller: whom to answer, for `reply`, if this returns `NoReply`.
        """
        raise ValueError(f"{type(self).__name__} understands no such call: {request!r}")

    def handle_cast(self, message: Any) -> Result:
        """Somebody sent something by `gen_server.cast`."""
        return self.handle_info(message)

    def handle_info(self, message: Any) -> Result:
        """Any other message came: of `send`, `ref.tell` or a timer, a `Down`, an `Exit`, `"timeout"`."""
        return None

    def handle_continue(self, term: Any) -> Result:  # type: ignore[override]
        """A callback returned `Continue(term)`; no message comes between."""
        return None

    def terminate(self, reason: Any) -> object:
        """The server ends, for this reason. Not run after a kill."""
        return None

    # -- what runs them -------------------------------------------------------------------------------

    def on_start(self) -> Any:
        args, kwargs = self._arguments
        del self._arguments
        result = self.init(*args, **kwargs)
        if result is IGNORE or isinstance(result, Continue):
            return result
        self._go_on_after(result)
        return None

    def run_continue(self, term: Any) -> None:
        self._go_on(Continue(term), None)

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, _TimeIsOver):
            if message.number == self._messages:
                self._messages += 1
                self._go_on_after(self.handle_info(TIMEOUT))
            return
        self._messages += 1
        if self.is_asked:
            self._answer(message)
        elif isinstance(message, _Cast):
            self._go_on_after(self.handle_cast(message.message))
        else:
            self._go_on_after(self.handle_info(message))

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        try:
            self.terminate(reason)
        finally:
            super().on_exit(reason, error)

    def _answer(self, request: Any) -> None:
        caller = defer_reply()
        try:
            result = self.handle_call(request, caller)
        except ActorExit as end:
            if end.reply is not NO_REPLY:
                caller.reply_at_end(end.reply)
            raise
        except Exception as error:
            caller.fail(error)  # the server lives, as Pykka's actors do
            return
        match result:
            case Reply(value, timeout, then):
                caller.reply(value)
                self._go_on(then, timeout)
            case Stop(reason, last_reply):
                if last_reply is not NO_REPLY:
                    caller.reply_at_end(last_reply)
                raise ActorExit(reason)
            case _:
                self._go_on_after(result)

    def _go_on_after(self, result: Any) -> None:
        match result:
            case None:
                return
            case NoReply(timeout, then):
                self._go_on(then, timeout)
            case Stop(reason, _):
                raise ActorExit(reason)
            case _:
                raise ActorExit(("bad_return_value", result))

    def _go_on(self, then: Continue | None, timeout: float | None) -> None:
        if then is not None:
            self._go_on_after(self.handle_continue(then.term))
        elif timeout is not None:
            messaging.send_after(timeout, self.actor_ref, _TimeIsOver(self._messages))


def cast(server: names.Meant, message: Any) -> None:
    """Send a message for handle_cast; to a dead server or an unknown name it is lost silently."""
    messaging.cast(server, _Cast(message))
