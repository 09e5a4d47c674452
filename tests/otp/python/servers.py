"""Servers that do as they are told, as `otp_server.erl` does on the BEAM: an actor, and a `GenServer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import actors
from actors import gen_server
from tests.otp.python.deeds import Doer, Makers, Outcome
from tests.otp.python.world import Who, World


@dataclass(frozen=True, slots=True)
class Do:
    """A message: do these deeds."""

    deeds: list[Any]


class Role(actors.GeventActor):
    """What both have in common: deeds that they do, and a number that is their state.

    Attributes:
        changed: what it becomes by a change of code.
        makers: what its deeds need.
    """

    changed: ClassVar[Any]
    makers: ClassVar[Makers]
    doer: Doer
    who: Who

    def enter(self, world: World, label: str, tree: str | None, spec: Any) -> list[Any]:
        """Come to be; what to do at this start.

        Args:
            world: the scenario's.
            label: what it is called there.
            tree: the label of its supervisor; None if it has none.
            spec: whether it traps exits; what it does in its start, the first time, the second ..., the last
                one for all that follow; what it does at its end.
        """
        self.trap_exits, plans, self.last = spec
        self.world, self.tree = world, tree
        self.value = 0
        self.monitors: dict[Any, list[actors.Monitor]] = {}
        self.is_own_end = False
        self.who = world.join(label, self.actor_ref)
        self.doer = Doer(world, self.who, self, self.makers)
        self.note("init")
        plan: list[Any] = plans[min(self.who[1], len(plans)) - 1]
        return plan

    def hear(self, message: Any) -> None:
        """Note a message that asks for no deeds."""
        match message:
            case actors.Exit(ref, reason):
                self.note(("heard", ("exit", ref, reason)))
            case actors.Down(_, ref, reason):
                self.note(("heard", ("down", ref, reason)))
            case actors.TimerExpired(message=("ring", number)):
                self.note(("heard", ("timeout", number)))
            case ("ring", number):
                self.note(("heard", ("ring", number)))

    def outcome_of(self, deeds: list[Any], *, is_asked: bool = False) -> Outcome | None:
        """Do deeds; what came of them."""
        self.world.forget_limit(self.who)
        try:
            outcome = self.doer.do_all(deeds)
        except actors.ActorExit:
            self.is_own_end = True
            raise
        except Exception as error:
            self.is_own_end = True
            if is_asked:  # else the error would go to the caller, and the actor would live (docs/otp.md, 4.7)
                raise actors.ActorExit(error) from error
            raise
        if outcome is not None and outcome.kind in ("stop", "stop_reply"):
            self.is_own_end = True
        return outcome

    def on_stop_request(self, reason: Any) -> None:
        self.is_own_end = True
        super().on_stop_request(reason)

    def last_words(self) -> None:
        """Do what is to be done at the end."""
        # OTP runs `terminate` after an exit signal only where exits are trapped (docs/otp.md, 4.13).
        if self.is_own_end or self.trap_exits:
            self.note(("terminate", self.exit_reason))
            self.doer.do_all(self.last)

    def note(self, entry: Any) -> None:
        """Write into the journal."""
        self.world.write(self.who, self.tree, entry)


class Server(Role):
    """An actor."""

    def __init__(self, *entry: Any) -> None:
        super().__init__()
        self.entry = entry

    def on_start(self) -> Any:
        match self.doer.do_all(plan) if (plan := self.enter(*self.entry)) else None:
            case Outcome("ignore"):
                return actors.IGNORE
            case Outcome("continue", deeds):
                return actors.Continue(deeds)
            case Outcome("stop", reason):
                raise actors.ActorExit(reason)

    def handle_continue(self, term: Any) -> None:
        self.carry_out(term)

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Do):
            return self.carry_out(message.deeds)
        return self.hear(message)

    def carry_out(self, deeds: list[Any]) -> int:
        """Do deeds, and end if they say so; the reply."""
        match self.outcome_of(deeds, is_asked=self.is_asked):
            case Outcome("stop", reason):
                raise actors.ActorExit(reason)
            case Outcome("stop_reply", reason):
                raise actors.ActorExit(reason, reply=self.value)
        return self.value

    def on_stop(self) -> None:
        self.last_words()

    def on_failure(self, *_: Any) -> None:
        self.last_words()


class ChangedServer(Server):
    """A server whose code was changed."""

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        return changed(state, extra)


class Generic(gen_server.GenServer, Role):
    """A `GenServer`, whose callbacks also return timeouts, go on, and answer later."""

    def init(self, *entry: Any, **_: Any) -> Any:
        plan = self.enter(*entry)
        match self.doer.do_all(plan):
            case Outcome("ignore"):
                return actors.IGNORE
            case Outcome("stop", reason):
                return gen_server.Stop(reason)
            case Outcome("continue", deeds):
                return actors.Continue(deeds)
            case outcome:
                return self.going_on(outcome)

    def handle_call(self, request: Any, caller: gen_server.From) -> Any:
        match self.outcome_of(request.deeds, is_asked=True):
            case Outcome("stop", reason):
                return gen_server.Stop(reason)
            case Outcome("stop_reply", reason):
                return gen_server.Stop(reason, self.value)
            case Outcome("defer", key):
                self.world.callers[key] = caller
                return gen_server.NoReply()
            case outcome:
                going = self.going_on(outcome)
                return gen_server.Reply(self.value, timeout=going.timeout, then=going.then)

    def handle_cast(self, message: Any) -> Any:
        match self.outcome_of(message.deeds):
            case Outcome("stop" | "stop_reply", reason):
                return gen_server.Stop(reason)
            case outcome:
                return self.going_on(outcome)

    def handle_info(self, message: Any) -> Any:
        if isinstance(message, Do):
            return self.handle_cast(message)
        self.world.forget_limit(self.who)
        if message == gen_server.TIMEOUT:
            return self.note(("heard", "timeout"))
        return self.hear(message)

    def handle_continue(self, term: Any) -> Any:
        return self.handle_cast(Do(term))

    def going_on(self, outcome: Outcome | None) -> gen_server.NoReply:
        """What a callback returns after deeds that end nothing."""
        match outcome:
            case Outcome("continue", deeds):
                return gen_server.NoReply(then=actors.Continue(deeds))
            case Outcome("timeout", milliseconds):
                self.world.note_limit(self.who, self.actor_ref, milliseconds)
                return gen_server.NoReply(timeout=milliseconds / 1000)
        return gen_server.NoReply()

    def terminate(self, reason: Any) -> None:
        self.last_words()


class ChangedGeneric(Generic):
    """A `GenServer` whose code was changed."""

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        return changed(state, extra)


def changed(state: dict[str, Any], extra: Any) -> dict[str, Any]:
    """The state after a change of code."""
    if extra == "bad":
        raise ValueError(extra)
    return {**state, "value": state["value"] + 100}


Server.changed = ChangedServer
Generic.changed = ChangedGeneric
