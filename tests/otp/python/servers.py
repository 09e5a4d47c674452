"""Actors and supervisors that do as they are told, as `otp_server.erl` and `otp_tree.erl` on the BEAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import actors
from actors import ChildSpec
from tests.otp.python.deeds import Doer, Makers, Outcome
from tests.otp.python.world import World


@dataclass(frozen=True, slots=True)
class Do:
    """A message: do these deeds."""

    deeds: list[Any]


class Server(actors.GeventActor):
    """An actor that does deeds, and keeps a number as its state.

    Args:
        world: the scenario's.
        label: what it is called there.
        tree: the label of its supervisor; None if it has none.
        spec: whether it traps exits; what it does in `on_start`, the first time, the second ..., the last one
            for all that follow; what it does at its end.
    """

    def __init__(self, world: World, label: str, tree: str | None, spec: Any) -> None:
        super().__init__()
        self.trap_exits, self.plans, self.last = spec
        self.world = world
        self.label = label
        self.tree = tree
        self.value = 0
        self.monitors: dict[Any, list[actors.Monitor]] = {}
        self.is_own_end = False
        self.doer: Any = None

    def on_start(self) -> Any:
        who = self.world.join(self.label, self.actor_ref)
        self.doer = Doer(self.world, who, self, MAKERS)
        self.note("init")
        plan = self.plans[min(who[1], len(self.plans)) - 1]
        match self.doer.do_all(plan):
            case Outcome("ignore"):
                return actors.IGNORE
            case Outcome("continue", deeds):
                return actors.Continue(deeds)
            case Outcome("stop", reason):
                raise actors.ActorExit(reason)

    def handle_continue(self, term: Any) -> None:
        self.carry_out(term)

    def on_receive(self, message: Any) -> Any:
        match message:
            case Do(deeds):
                self.carry_out(deeds)
                return self.value
            case actors.Exit(ref, reason):
                self.note(("heard", ("exit", ref, reason)))
            case actors.Down(_, ref, reason):
                self.note(("heard", ("down", ref, reason)))
            case actors.TimerExpired(message=("ring", number)):
                self.note(("heard", ("timeout", number)))
            case ("ring", number):
                self.note(("heard", ("ring", number)))
        return None

    def carry_out(self, deeds: list[Any]) -> None:
        """Do deeds, and end if they say so."""
        try:
            outcome = self.doer.do_all(deeds)
        except actors.ActorExit:
            self.is_own_end = True
            raise
        except Exception as error:
            self.is_own_end = True
            if self.is_asked:  # else the error would go to the caller, and the actor would live
                raise actors.ActorExit(error) from error
            raise
        match outcome:
            case Outcome("stop", reason):
                self.is_own_end = True
                raise actors.ActorExit(reason)
            case Outcome("stop_reply", reason):
                self.is_own_end = True
                raise actors.ActorExit(reason, reply=self.value)

    def on_stop_request(self, reason: Any) -> None:
        self.is_own_end = True
        super().on_stop_request(reason)

    def on_stop(self) -> None:
        # OTP runs `terminate` after an exit signal only where exits are trapped (docs/otp.md, 4.13).
        if self.is_own_end or self.trap_exits:
            self.note(("terminate", self.exit_reason))
            self.doer.do_all(self.last)

    def on_failure(self, *_: Any) -> None:
        self.on_stop()

    def note(self, entry: Any) -> None:
        """Write into the journal."""
        self.world.write(self.doer.who, self.tree, entry)


class ChangedServer(Server):
    """What a server becomes by a change of code."""

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        if extra == "bad":
            raise ValueError(extra)
        return {**state, "value": state["value"] + 100}


class Tree(actors.Supervisor):
    """A supervisor with a label."""

    def __init__(self, world: World, label: str, tree: str | None, spec: Any) -> None:
        self.strategy, intensity, children = spec
        super().__init__(
            [child_spec(world, label, child) for child in children],
            strategy=self.strategy,
            intensity=intensity,
            period=3600,
        )
        self.world, self.label, self.tree = world, label, tree

    def on_start(self) -> None:
        self.world.write(self.world.join(self.label, self.actor_ref), self.tree, "init")
        super().on_start()


class Pool(actors.SimpleOneForOne):
    """A simple_one_for_one supervisor with a label."""

    def __init__(self, world: World, label: str, tree: str | None, spec: Any) -> None:
        _, intensity, [(id_, (_, _, _, server), restart, shutdown, type_)] = spec
        child = ChildSpec(
            id_,
            lambda name: Server.start_link(world, name, label, server),
            restart=restart,
            shutdown=seconds(shutdown),
            type=type_,
        )
        super().__init__(child, intensity=intensity, period=3600)
        self.world, self.label, self.tree = world, label, tree

    def on_start(self) -> None:
        self.world.write(self.world.join(self.label, self.actor_ref), self.tree, "init")


def made(world: World, kind: str, label: str, tree: str | None, spec: Any) -> actors.GeventActor:
    """An actor that is not started yet."""
    if kind == "server":
        return Server(world, label, tree, spec)
    return (Pool if spec[0] == "simple_one_for_one" else Tree)(world, label, tree, spec)


def child_spec(world: World, tree: str, child: Any) -> ChildSpec:
    """The child specification of the supervisor `tree`."""
    id_, (kind, label, name, spec), restart, shutdown, type_ = child
    return ChildSpec(
        id_,
        lambda: actors.launch(made(world, kind, label, tree, spec), name=name, linked=True),
        restart=restart,
        shutdown=seconds(shutdown),
        type=type_,
    )


def seconds(shutdown: Any) -> Any:
    """OTP counts milliseconds."""
    return shutdown / 1000 if isinstance(shutdown, int) else shutdown


MAKERS = Makers(Do, made, child_spec, ChangedServer)
