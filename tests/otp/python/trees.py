"""Supervisors that do as they are told, as `otp_tree.erl` does on the BEAM."""

from __future__ import annotations

from typing import Any

import actors
from actors import ChildSpec
from tests.otp.python.deeds import Makers
from tests.otp.python.machines import Machine
from tests.otp.python.servers import Do, Generic, Role, Server
from tests.otp.python.world import World


class Tree(actors.Supervisor):
    """A supervisor with a label."""

    def __init__(self, world: World, label: str, tree: str | None, spec: Any) -> None:
        strategy, intensity, children = spec
        restarts, auto_shutdown = intensity if isinstance(intensity, tuple) else (intensity, "never")
        super().__init__(
            [child_spec(world, label, child) for child in children],
            strategy=strategy,
            intensity=restarts,
            period=3600,
            auto_shutdown=auto_shutdown,
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
    if kind == "supervisor":
        kind = "pool" if spec[0] == "simple_one_for_one" else "tree"
    return KINDS[kind](world, label, tree, spec)


KINDS: dict[str, Any] = {"server": Server, "generic": Generic, "machine": Machine, "tree": Tree, "pool": Pool}


def child_spec(world: World, tree: str, child: Any) -> ChildSpec:
    """The child specification of the supervisor `tree`."""
    id_, (kind, label, name, spec), restart, shutdown, type_ = child
    return ChildSpec(
        id_,
        lambda: actors.launch(made(world, kind, label, tree, spec), name=name, linked=True),
        restart=restart,
        shutdown=seconds(shutdown),
        type="supervisor" if type_ == "supervisor" else "worker",
        significant=type_ == "significant",
    )


def seconds(shutdown: Any) -> Any:
    """OTP counts milliseconds."""
    return shutdown / 1000 if isinstance(shutdown, int) else shutdown


MAKERS = Role.makers = Makers(Do, made, child_spec)
