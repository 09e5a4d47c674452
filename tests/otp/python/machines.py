"""State machines whose events say what is to be done about them, as `otp_machine.erl` on the BEAM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actors.behaviours import gen_statem
from tests.otp.python.world import Who, World


class Machine(gen_statem.GenStatem):
    """A state machine."""

    who: Who

    def init(self, world: World, label: str, tree: str | None, spec: Any) -> Any:
        enter, state, actions = spec
        self.state_enter = enter  # type: ignore[misc]
        self.world, self.tree = world, tree
        self.is_own_end = False
        self.who = world.join(label, self.actor_ref)
        self.note("init")
        return gen_statem.Begin(state, *self.actions(actions, None))

    def handle_event(self, kind: Any, content: Any, state: Any) -> Any:
        match content:
            case ("event", number, rules):
                self.note(("event", named(kind), state, number))
                return self.result(
                    kind, next((result for where, result in rules if where in (state, "any")), None)
                )
            case _ if kind == gen_statem.ENTER:
                self.note(("event", kind, state, content))
        return None

    def result(self, kind: Any, result: Any) -> Any:
        """What the callback returns."""
        match result:
            case ("keep", actions):
                return gen_statem.KeepState(*self.actions(actions, kind))
            case ("repeat", actions):
                return gen_statem.RepeatState(*self.actions(actions, kind))
            case ("next", state, actions):
                return gen_statem.NextState(state, *self.actions(actions, kind))
            case ("stop", reason):
                self.is_own_end = True
                return gen_statem.Stop(reason)
        return None

    def actions(self, actions: Any, kind: Any) -> Iterator[Any]:
        """What goes with the result."""
        for action in actions:
            match action:
                case ("postpone",):
                    yield gen_statem.POSTPONE
                case ("next_event", event):
                    yield gen_statem.NextEvent(gen_statem.INTERNAL, event)
                case ("state_after", "cancel"):
                    yield gen_statem.StateTimeout(None)
                case ("named_after", name, "cancel"):
                    yield gen_statem.Timeout(name, None)
                case ("state_after", time, event):
                    yield gen_statem.StateTimeout(self.seconds(time), event)
                case ("event_after", time, event):
                    yield gen_statem.EventTimeout(self.seconds(time), event)
                case ("named_after", name, time, event):
                    yield gen_statem.Timeout(name, self.seconds(time), event)
                case ("reply", number) if isinstance(kind, gen_statem.Call):
                    yield gen_statem.ReplyTo(kind.caller, number)

    def seconds(self, milliseconds: int) -> float:
        """A time, which the step waits for if it is short."""
        self.world.wait_for(milliseconds)
        return milliseconds / 1000

    def on_stop_request(self, reason: Any) -> None:
        self.is_own_end = True
        super().on_stop_request(reason)

    def terminate(self, reason: Any, state: Any) -> None:
        if self.is_own_end or self.trap_exits:  # docs/otp.md, 4.13
            self.note(("terminate", reason, state))

    def note(self, entry: Any) -> None:
        """Write into the journal."""
        self.world.write(self.who, self.tree, entry)


def named(kind: Any) -> Any:
    """What kind of event it is."""
    match kind:
        case gen_statem.Call():
            return "call"
        case gen_statem.NamedTimeout(name):
            return ("timeout", name)
    return kind
