"""What all kinds of scenarios are made of: labels, reasons, specifications of servers and children."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.otp.language import DEFAULT_SHUTDOWN, Deed, Step

REASONS = ["normal", "shutdown", ("shutdown", "told"), "boom", "bang"]
NAMES = ["n1", "n2", "n3"]
CHILDREN = "uvwxyz"
"""The labels of supervisors' children."""
TREE_NAME = "m1"
"""Of a supervisor: what is sent to servers by their names must not go there."""
SHORT, LONG = [2, 5, 8], 60_000
"""Milliseconds of timers: those that ring within the step, and one that never does."""
LIMIT = 25
"""Milliseconds of a time limit that is reached."""

Maker = Callable[["Writer"], Deed]
Weighted = list[tuple[int, Maker]]


class Writer:
    """Makes up one scenario.

    Args:
        dice: decides everything.

    Attributes:
        servers: labels of servers that were or may have been started.
        trees: labels of supervisors.
        children: for each supervisor, the ids of its children, which are their labels too.
        ending_trees: the supervisors that significant children may end.
        only_generic: whether all servers are `GenServer`s.
    """

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.servers: list[str] = []
        self.trees: list[str] = []
        self.children: dict[str, list[str]] = {}
        self.ending_trees: set[str] = set()
        self.depth = 0
        self._used = 0
        self.only_generic = False
        self._focus: str | None = None

    # -- choosing -------------------------------------------------------------------------------------

    def chance(self, one_in: int) -> bool:
        """True once in so many times."""
        return self.dice.randrange(one_in) == 0

    def pick(self, weighted: Weighted) -> Deed:
        """A deed of one of several kinds."""
        makers = [maker for _, maker in weighted]
        return self.dice.choices(makers, [weight for weight, _ in weighted])[0](self)

    def deeds(self, weighted: Weighted, most: int = 4) -> list[Deed]:
        """Some deeds, one after the other; none behind a signal that may end a supervisor's child.

        A supervisor hears of that end before or after what its sender does next: OTP leaves it open, though
        the BEAM nearly always does the former.
        """
        made: list[Deed] = []
        for _ in range(self.dice.randint(1, most)):
            made.append(self.pick(weighted))
            if made[-1][0] == "exit_to" and made[-1][1] in CHILDREN:
                break
        return made

    def nested(self, weighted: Weighted, most: int = 2) -> list[Deed]:
        """Deeds for somebody else to do, in a message; there are no more within them than twice."""
        if self.depth >= 2:
            return [("say", self.number())]
        self.depth += 1
        try:
            return self.deeds(weighted, most) if self.dice.random() < 0.8 else []
        finally:
            self.depth -= 1

    def number(self) -> int:
        """A number for a message, so that messages can be told apart."""
        self._used += 1
        return self._used

    def server(self) -> str:
        """A server's label: mostly the one that the step is about, if there is one."""
        if self._focus is not None and not self.chance(5):
            return self._focus
        return self.dice.choice(self.servers or ["a"])

    def server_or_name(self) -> Any:
        """Whom a message goes to."""
        return ("name", self.name()) if self.chance(6) else self.server()

    def tree_or_name(self) -> Any:
        """A supervisor to ask."""
        return ("name", TREE_NAME) if self.chance(10) else self.dice.choice(self.trees)

    def name(self) -> str:
        """A server's name."""
        return self.dice.choice(NAMES)

    def reason(self) -> Any:
        return self.dice.choice(REASONS)

    # -- servers --------------------------------------------------------------------------------------

    def spec(self, last: Weighted | None = None, *, traps: float = 0.5) -> Any:
        """A server that starts without more ado.

        Args:
            last: what it may do in its terminate; usually nothing.
            traps: how likely it is to trap exits.
        """
        deeds = self.deeds(last, 2) if last and self.chance(4) else []
        return (self.dice.random() < traps, [[]], deeds)

    def start(self, label: str, spec: Any, *, how: str = "alone", name: str | None = None) -> Deed:
        """Start a server."""
        if label not in self.servers:
            self.servers.append(label)
        return ("start", label, self.kind(), how, name, "infinity", spec)

    def kind(self) -> str:
        """Whether a server is an actor or a `GenServer` here; on the BEAM both are a gen_server."""
        return "generic" if self.only_generic or self.chance(4) else "server"

    def first_step(self, count: int, last: Weighted | None = None, *, names: bool = False) -> Step:
        """Start some servers."""
        starts = [
            self.start(label, self.spec(last), name=self.name() if names and self.chance(3) else None)
            for label in "abcde"[:count]
        ]
        return ("outside", starts)

    def step(self, weighted: Weighted, most: int = 4) -> Step:
        """Have a server, or now and then a thread, do some deeds; half the time all are about one server."""
        doer = self.server()
        self._focus = self.server() if self.chance(2) else None
        deeds = self.deeds(weighted, most)
        self._focus = None
        return ("outside", deeds) if self.chance(5) else ("do", doer, deeds)

    # -- supervisors ----------------------------------------------------------------------------------

    def child(self, tree: str, label: str, spec: Any, *, name: str | None = None) -> Any:
        """The specification of a child, with the usual time to end."""
        self.children.setdefault(tree, []).append(label)
        if label not in self.servers:
            self.servers.append(label)
        restart = self.dice.choices(["permanent", "transient", "temporary"], [5, 3, 2])[0]
        shutdown: Any = self.dice.choices(["brutal_kill", DEFAULT_SHUTDOWN, "infinity"], [1, 6, 1])[0]
        significant = restart != "permanent" and tree in self.ending_trees and self.chance(2)
        type_ = "significant" if significant else "worker"
        return (label, (self.kind(), label, name, spec), restart, shutdown, type_)

    def tree(self, label: str, strategy: str, children: list[Any], *, how: str = "alone") -> Deed:
        """Start a supervisor."""
        if label not in self.trees:
            self.trees.append(label)
        self.children.setdefault(label, [])
        name = TREE_NAME if self.chance(4) else None
        restarts: Any = self.intensity()
        if label in self.ending_trees:
            restarts = (restarts, self.dice.choice(["any_significant", "all_significant"]))
        return ("start", label, "supervisor", how, name, "infinity", (strategy, restarts, children))

    def intensity(self) -> int:
        return self.dice.choice([0, 1, 2, 3, 6])
