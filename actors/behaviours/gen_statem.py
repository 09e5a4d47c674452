"""OTP's `gen_statem`: a state machine, with a method for each state or one for all.

    class Door(gen_statem.GenStatem):
        callback_mode = "state_functions"

        def init(self, code):
            self.code = code
            return Begin("locked")

        def locked(self, kind, content):
            match kind, content:
                case Call(caller), given:
                    if given != self.code:
                        return KeepState(ReplyTo(caller, "wrong"))
                    return NextState("open", ReplyTo(caller, "open"), StateTimeout(10.0, "lock"))
            return KeepState()

        def open(self, kind, content):
            return NextState("locked") if kind == STATE_TIMEOUT else KeepState(POSTPONE)

The data is the object's attributes. Times are in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from actors import events
from actors.errors import ActorExit
from actors.log_text import text_of
from actors.otp import messaging
from actors.otp.deferred import From, defer_reply
from actors.otp.messaging import TimerRef, cancel_timer
from actors.runtime import names
from actors.runtime.actor import GeventActor
from actors.runtime.launch import IGNORE, Continue

CAST, INFO, ENTER, INTERNAL = "cast", "info", "enter", "internal"
TIMEOUT, STATE_TIMEOUT = "timeout", "state_timeout"


@dataclass(frozen=True, slots=True)
class Call:
    """The kind of an event that somebody waits for an answer to; `ReplyTo(caller, value)` gives it."""

    caller: From


@dataclass(frozen=True, slots=True)
class NamedTimeout:
    """The kind of an event of `Timeout(name, ...)`."""

    name: Hashable


Kind: TypeAlias = str | Call | NamedTimeout
"""`CAST`, `INFO`, `INTERNAL`, `TIMEOUT`, `STATE_TIMEOUT`, `ENTER`, a `Call` or a `NamedTimeout`."""


# -- what callbacks return --------------------------------------------------------------------------


class Postpone:
    """The action `POSTPONE`: the event comes again when the state has changed."""


POSTPONE = Postpone()


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Answer somebody who asked."""

    caller: From
    value: Any


@dataclass(frozen=True, slots=True)
class NextEvent:
    """One more event, before all that wait."""

    kind: Kind
    content: Any = None


@dataclass(frozen=True, slots=True)
class StateTimeout:
    """An event `STATE_TIMEOUT` in so many seconds, unless the state changes; None takes one back."""

    seconds: float | None
    content: Any = None


@dataclass(frozen=True, slots=True)
class EventTimeout:
    """An event `TIMEOUT` in so many seconds, unless another event comes."""

    seconds: float | None
    content: Any = None


@dataclass(frozen=True, slots=True)
class Timeout:
    """An event `NamedTimeout(name)` in so many seconds, whatever happens; None takes it back."""

    name: Hashable
    seconds: float | None
    content: Any = None


Action: TypeAlias = Postpone | ReplyTo | NextEvent | StateTimeout | EventTimeout | Timeout


class _WithActions:
    """The result of a callback, with the actions that go with it, in order."""

    __slots__ = ("actions",)

    def __init__(self, *actions: Action) -> None:
        self.actions = actions


class KeepState(_WithActions):
    """Stay in the state."""

    __slots__ = ()


class RepeatState(_WithActions):
    """Stay in the state, and enter it again."""

    __slots__ = ()


class NextState(_WithActions):
    """Go into a state; into the present one is as `KeepState`."""

    __slots__ = ("state",)

    def __init__(self, state: Hashable, *actions: Action) -> None:
        super().__init__(*actions)
        self.state = state


class Begin(NextState):
    """From init: the first state."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """End, with replies to those who still wait for one."""

    reason: Any = "normal"
    replies: tuple[ReplyTo, ...] = ()


Result: TypeAlias = KeepState | RepeatState | NextState | Stop | None
"""None is `KeepState()`."""


@dataclass(frozen=True, slots=True)
class _Cast:
    content: Any


@dataclass(frozen=True, slots=True)
class _TimeIsOver:
    kind: Kind
    timer: object
    content: Any


# -- the machine ------------------------------------------------------------------------------------


class GenStatem(GeventActor):
    """A state machine. `start` and `start_link` take what `init` takes.

    Attributes:
        callback_mode: who hears the events: `"handle_event_function"` is handle_event,
            `"state_functions"` the method of the state's name.
        state_enter: whether a state hears an event `ENTER` when it is entered; its content is the one before.
        state: the present state.
    """

    callback_mode: ClassVar[Literal["handle_event_function", "state_functions"]] = "handle_event_function"
    state_enter: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._arguments = (args, kwargs)
        self.state: Any = None
        self._events: deque[tuple[Kind, Any]] = deque()
        self._postponed: list[tuple[Kind, Any]] = []
        self._timers: dict[Kind, tuple[object, TimerRef]] = {}

    # -- callbacks --------------------------------------------------------------------------------------

    def init(self, *args: Any, **kwargs: Any) -> Begin | Stop | object:
        """Get ready; the starter waits for it. Returns `Begin(state, *actions)`, `Stop` or `IGNORE`."""
        raise NotImplementedError(f"{type(self).__name__}.init must return Begin(state)")

    def handle_event(self, kind: Kind, content: Any, state: Any) -> Result:
        """An event, with the callback mode `"handle_event_function"`."""
        raise NotImplementedError(f"{type(self).__name__} has no handle_event")

    def terminate(self, reason: Any, state: Any) -> object:
        """The machine ends, for this reason. Not run after a kill."""
        return None

    # -- what runs them ---------------------------------------------------------------------------------

    def on_start(self) -> Any:
        args, kwargs = self._arguments
        del self._arguments
        result = self.init(*args, **kwargs)
        match result:
            case Begin():
                self.state = result.state
                return Continue(result.actions)  # the starter waits for init alone
            case Stop(reason, _):
                raise ActorExit(reason)
            case _ if result is IGNORE:
                return IGNORE
            case _:
                raise ActorExit(("bad_return_from_init", result))

    def run_continue(self, term: Any) -> None:
        self._enter(self.state)
        self._act(term, None)
        self._run()

    def on_receive(self, message: Any) -> None:
        match message:
            case _TimeIsOver(kind, timer, content):
                if self._timers.get(kind, (None, None))[0] is not timer:
                    return  # taken back, or set anew
                del self._timers[kind]
                event: tuple[Kind, Any] = (kind, content)
            case _ if self.is_asked:
                event = (Call(defer_reply()), message)
            case _Cast(content):
                event = (CAST, content)
            case _:
                event = (INFO, message)
        self._events.append(event)
        self._run()

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        try:
            self.terminate(reason, self.state)
        finally:
            super().on_exit(reason, error)

    def _run(self) -> None:
        """Handle the events that wait, those that they make included."""
        while self._events:
            event = self._events.popleft()
            self._take_back(TIMEOUT)
            try:
                result = self._call(*event)
            except Exception as error:
                self._contain(event[0], error)
            else:
                self._heed(result, event)

    def _contain(self, kind: Kind, error: Exception) -> None:
        """An event that somebody waits for is answered with the exception; any other one ends the machine."""
        if isinstance(error, ActorExit):
            raise error
        if not isinstance(kind, Call):
            events.emit(events.ActorCrashed(text_of(self), error))
            raise ActorExit(error) from error
        kind.caller.fail(error)

    def _call(self, kind: Kind, content: Any) -> Any:
        if self.callback_mode == "handle_event_function":
            return self.handle_event(kind, content, self.state)
        method = getattr(self, str(self.state), None)
        if method is None:
            raise AttributeError(f"{type(self).__name__} has no method for its state {self.state!r}")
        return method(kind, content)

    def _heed(self, result: Any, event: tuple[Kind, Any] | None) -> None:
        match result:
            case None:
                return
            case NextState() if result.state != self.state:
                before, self.state = self.state, result.state
                self._take_back(STATE_TIMEOUT)
                postpones = any(isinstance(each, Postpone) for each in result.actions)
                again = [*self._postponed, *([event] if postpones and event is not None else [])]
                self._postponed = []
                self._events.extendleft(reversed(again))
                self._enter(before)
                self._act([each for each in result.actions if not isinstance(each, Postpone)], None)
            case RepeatState():
                self._enter(self.state)
                self._act(result.actions, event)
            case KeepState() | NextState():
                self._act(result.actions, event)
            case Stop(reason, replies):
                for each in replies:
                    each.caller.reply(each.value)
                raise ActorExit(reason)
            case _:
                raise ActorExit(("bad_return_from_state_function", result))

    def _enter(self, before: Any) -> None:
        if not self.state_enter:
            return
        result = self._call(ENTER, before)
        if isinstance(result, NextState) and result.state != self.state:
            raise ActorExit(("bad_state_enter_return_from_state_function", result.state))
        if isinstance(result, Stop):
            self._heed(result, None)
        elif result is not None:
            self._act(result.actions, None)

    def _act(self, actions: Any, event: tuple[Kind, Any] | None) -> None:
        more: list[tuple[Kind, Any]] = []
        for action in actions:
            match action:
                case Postpone():
                    if event is not None:
                        self._postponed.append(event)
                case ReplyTo(caller, value):
                    caller.reply(value)
                case NextEvent(kind, content):
                    more.append((kind, content))
                case StateTimeout(seconds, content):
                    self._set_timer(STATE_TIMEOUT, seconds, content)
                case EventTimeout(seconds, content):
                    self._set_timer(TIMEOUT, seconds, content)
                case Timeout(name, seconds, content):
                    self._set_timer(NamedTimeout(name), seconds, content)
                case _:
                    raise ActorExit(("bad_action_from_state_function", action))
        self._events.extendleft(reversed(more))

    def _set_timer(self, kind: Kind, seconds: float | None, content: Any) -> None:
        self._take_back(kind)
        if seconds is not None:
            timer = object()
            sent = messaging.send_after(seconds, self.actor_ref, _TimeIsOver(kind, timer, content))
            self._timers[kind] = (timer, sent)

    def _take_back(self, kind: Kind) -> None:
        timer = self._timers.pop(kind, None)
        if timer is not None:
            cancel_timer(timer[1])


def call(machine: names.Meant, content: Any, timeout: float | None = 5.0) -> Any:
    """Have an event `Call` happen, and wait for the `ReplyTo`.

    Raises:
        pykka.Timeout: no reply came in time.
        ActorDeadError: the machine is dead, ended before it replied, or nobody has the name.
    """
    return messaging.call(machine, content, timeout)


def cast(machine: names.Meant, content: Any) -> None:
    """Have an event `CAST` happen; with a dead machine it is lost silently."""
    messaging.cast(machine, _Cast(content))
