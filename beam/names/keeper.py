"""The keeper: the actor that looks whether each BEAM still knows the names of this process's actors.

A BEAM that has lost the connection for a moment forgets the name of a hidden node's process, and does not
learn it again from the others. Somebody who registers the name there then gets it in the whole cluster, while
its first holder lives and hears nothing. So the keeper asks

* a node that has just connected,
* every node, if one of them has taken its monitor from an actor that has a name, which `global` does when
  a name changes hands,
* every node, every 30 seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pykka

from actors import Down, GeventActor, GeventRef, TimerRef, cancel_timer, cast, events, monitor, send_after
from actors.log_text import text_of
from beam.events import NameRestored, NameTakenAway
from beam.names.asking import Asking
from beam.names.holdings import Holding, Holdings
from beam.node.node import Node
from beam.node.spawning import RpcError

INTERVAL = 30.0
"""Seconds between two looks."""

FOLLOW_UPS = (0.05, 0.5, 3.0)
"""Seconds until the looks behind one that something gave rise to: a BEAM may not have noticed it yet."""

Lose = Callable[[Any, GeventRef[Any], GeventRef[Any] | None], object]


@dataclass(frozen=True, slots=True)
class Look:
    """Ask all nodes who has the names."""


class Keeper(GeventActor):
    """Looks after the names.

    Args:
        node: this process's.
        asking: asks the other nodes.
        holdings: the names that actors have here.
        lose: called with name, actor and holder when a node says that another has the name.
    """

    def __init__(self, node: Node, asking: Asking, holdings: Holdings, lose: Lose) -> None:
        super().__init__()
        self._node = node
        self._asking = asking
        self._holdings = holdings
        self._lose = lose
        self._timer: TimerRef | None = None
        self._asked_to_look = False
        self._pauses: tuple[float, ...] = ()
        self._let_go: set[Any] = set()
        self._doubtful: set[Any] = set()
        self._unsure: list[tuple[Any, Any, str]] = []
        self._undo: list[Callable[[], object]] = []

    def on_start(self) -> None:
        self._undo = [
            self._node.on_up(lambda name: self.look()),
            self._node.on_demonitor(self._hear_demonitor),
        ]
        self._timer = send_after(INTERVAL, self.actor_ref, Look())

    def release(self) -> None:
        for undo in self._undo:
            undo()
        if self._timer is not None:
            cancel_timer(self._timer)

    def look(self) -> None:
        """Look soon; for any thread. Asked for twice before that, it is done once."""
        if not self._asked_to_look:
            self._asked_to_look = True
            self._pauses = FOLLOW_UPS
            cast(self.actor_ref, Look())

    def _hear_demonitor(self, ref: Any, watcher: Any, node: str) -> None:
        # Every gen_server:call ends with a demonitor: only those of global count, if that is known.
        if not self._holdings.has_any_of(ref):
            return
        if self._asking.is_name_server(watcher, node):
            self._let_go.add(ref)
            self.look()
        elif not self._asking.knows_name_server(node):
            self._unsure.append((ref, watcher, node))
            self.look()

    def on_receive(self, message: Any) -> None:
        if isinstance(message, Down):
            self._hear_end(message)
        elif isinstance(message, Look):
            self._asked_to_look = False
            self._look()
        else:
            super().on_receive(message)

    def stand_by(self, holding: Holding, holder: GeventRef[Any]) -> None:
        """Have an actor stand by for its name, which it gets if the other one ends; from any thread."""
        holding.stand_by(holder)
        monitor(holder, self.actor_ref)

    def _hear_end(self, down: Down) -> None:
        if isinstance(down.ref, GeventRef):
            for holding in self._holdings.standing_by():
                holding.hear_end(down.ref, down.reason)
        self.look()  # the name that it had may be free

    def _look(self) -> None:
        if self._holdings.has_any():
            self._asking.learn_name_servers()
        unsure, self._unsure = self._unsure, []
        let_go, self._let_go = self._let_go, set()
        let_go |= {ref for ref, watcher, node in unsure if self._asking.is_name_server(watcher, node)}
        doubtful, self._doubtful = self._doubtful, set()
        for holding in self._holdings.present():
            with self._surviving():
                self._look_after(holding, holding.ref in let_go, holding.ref in doubtful)
        for holding in self._holdings.standing_by():
            with self._surviving():
                self._stand_in(holding)
        if self._timer is not None:
            cancel_timer(self._timer)
        pause, self._pauses = (self._pauses or (INTERVAL,))[0], self._pauses[1:]
        self._timer = send_after(pause, self.actor_ref, Look())

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        """Go on with the other names if something is wrong with one: without a keeper all would be lost."""
        try:
            yield
        except Exception as error:
            events.emit(events.HookFailed(text_of(self), "looking after a name", error))

    def _look_after(self, holding: Holding, was_let_go: bool, is_doubtful: bool) -> None:
        views = self._asking.views(holding.term)
        if holding not in self._holdings.present():
            return  # it was given up, or its actor ended, meanwhile
        others = [holder for holder in views.values() if holder not in (None, holding.ref)]
        if others:
            # Where some BEAMs know ours and others another one, two halves of a cluster have not met yet.
            # When they do, `global` asks whose the name is. Who just takes it, takes it on all of them.
            if holding.ref not in views.values():
                self._lose(holding.term, holding.ref, others[0])
            return
        was_let_go = was_let_go or holding.ref in self._let_go  # while they were asked
        if was_let_go and None in views.values() and any(views.values()):
            self._doubtful.add(holding.ref)  # some have let it go: do the others follow?
            return
        if (was_let_go or is_doubtful) and views and not any(views.values()):
            # All have let it go, and no connection was lost: somebody has taken the name away.
            if self._holdings.discard(holding):
                events.emit(NameTakenAway(holding.name, holding.ref))
            return
        for beam, holder in views.items():
            if holder is None:
                self._register_again(holding, beam)

    def _stand_in(self, holding: Holding) -> None:
        """Have an actor that stands by get its name if nobody has it any more."""
        views = self._asking.views(holding.term)
        holders = {each for each in views.values() if each is not None}
        others = holders - {holding.ref, holding.fallen}
        if not views or not holding.stands_by or (holders and holding.holder is not None):
            return  # nobody says so, it was taken over or given up meanwhile, or the holder lives
        if others:
            self._lose(holding.term, holding.ref, next(iter(others)))
        elif holding.ref in holders:
            holding.has_it()  # the heir has ended before it took the name
        else:
            # An actor that has ended, whose end the BEAMs are about to notice, is replaced in one step.
            function = "re_register_name" if holders else "register_name_external"
            self._register_again(holding, next(iter(views)), function)

    def _register_again(self, holding: Holding, beam: str, function: str = "register_name_external") -> None:
        try:
            if not self._asking.register(beam, holding.term, holding.ref, function):
                self.look()  # somebody was quicker: who?
                return
        except (RpcError, pykka.Timeout):
            return  # at the next look
        holding.has_it()
        events.emit(NameRestored(holding.name, holding.ref, beam))
