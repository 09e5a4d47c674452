"""What an actor or a thread can be told to do: what `otp_deeds.erl` is on the BEAM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pykka

import actors
from actors import gen_statem, pg, sys
from tests.otp.python.text import Mistake, failure, reason_of
from tests.otp.python.world import Who, World

NOT_OUTSIDE = {"exit", "error", "add", "trap", "link", "unlink", "monitor", "demonitor", "call!", "wait"}
"""What a process that is no server does not do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to become of the hook that did the deeds."""

    kind: str
    value: Any = None


GONE = object()
"""The process is gone on the BEAM; here its own signal waits for the message in hand (docs/otp.md, 2.7)."""

OUTCOMES = ("stop", "stop_reply", "ignore", "continue", "timeout", "defer")


@dataclass(frozen=True)
class Makers:
    """What deeds need of the actors that do them: how messages and actors are made."""

    do: Callable[[list[Any]], Any]
    made: Callable[..., actors.GeventActor]
    child_spec: Callable[..., actors.ChildSpec]


class Doer:
    """Does deeds for one actor, or for a thread.

    Args:
        world: the scenario's.
        who: who does them, for the journal.
        server: the actor; None for a thread.
        makers: how messages and actors are made.
    """

    def __init__(self, world: World, who: Who, server: Any, makers: Makers) -> None:
        self.world = world
        self.who = who
        self.server = server
        self.makers = makers

    def do_all(self, deeds: list[Any]) -> Outcome | None:
        """Do one after the other."""
        for deed in deeds:
            name, *arguments = deed
            if name in OUTCOMES:
                return Outcome(name, *arguments)
            if self.server is None and name in NOT_OUTSIDE:
                result = "not_outside"
            else:
                result = DEEDS[name](self, *arguments)
            if result is GONE:
                return None
            self.world.write(self.who, None, ("did", name, result))
        return None

    # -- oneself --------------------------------------------------------------------------------------

    def say(self, number: int) -> int:
        return number

    def add(self, number: int) -> str:
        self.server.value += number
        return "ok"

    def wait(self) -> str:
        self.world.wait_at_gate(self.server.actor_ref)
        return "opened"

    def exit(self, reason: Any) -> None:
        raise actors.ActorExit(reason)

    def error(self, reason: Any) -> None:
        raise Mistake(reason)

    def trap(self, flag: bool) -> bool:
        return actors.trap_exits(flag)

    # -- messages -------------------------------------------------------------------------------------

    def call(self, to: Any, deeds: list[Any], limit: int | str) -> Any:
        def ask(who: Any) -> Any:
            with self.world.limit(limit) as timeout:
                return ("reply", actors.call(who, self.makers.do(deeds), timeout=timeout))

        return self._at(to, lambda who: _request(lambda: ask(who)))

    def call_uncaught(self, to: Any, deeds: list[Any]) -> Any:
        return self._at(to, lambda who: ("reply", actors.call(who, self.makers.do(deeds), timeout=None)))

    def cast(self, to: Any, deeds: list[Any]) -> Any:
        return self._at(to, lambda who: _ok(actors.cast, who, self.makers.do(deeds)))

    def send(self, to: Any, deeds: list[Any]) -> Any:
        def send(who: Any) -> Any:
            try:
                actors.send(who, self.makers.do(deeds))
            except actors.ActorDeadError:
                return ("error", "badarg")
            return "ok"

        return self._at(to, send)

    def event(self, to: Any, how: str, event: Any) -> Any:
        def happen(who: Any) -> Any:
            if how == "call":
                return _request(lambda: ("reply", gen_statem.call(who, event, timeout=None)))
            return _ok(gen_statem.cast if how == "cast" else actors.send, who, event)

        return self._at(to, happen)

    def answer(self, key: str, value: int) -> str:
        caller = self.world.callers.get(key)
        if caller is None:
            return "nobody"
        actors.reply(caller, value)
        return "ok"

    # -- links, monitors, exit signals ----------------------------------------------------------------

    def link(self, to: str) -> Any:
        def link(ref: Any) -> Any:
            try:
                self.server.link(ref)
            except actors.NoProc:
                return ("error", "noproc")
            return True

        return self._at(to, link)

    def unlink(self, to: str, flush: str) -> Any:
        def unlink(ref: Any) -> bool:
            self.server.unlink(ref, flush=flush == "flush")
            return True

        return self._at(to, unlink)

    def monitor(self, to: Any) -> Any:
        def watch(who: Any) -> str:
            self.server.monitors.setdefault(who, []).append(self.server.monitor(who))
            return "ok"

        return self._at(to, watch)

    def demonitor(self, to: Any, flush: str) -> Any:
        def unwatch(who: Any) -> Any:
            watching = self.server.monitors.get(who)
            return actors.demonitor(watching.pop(0), flush=flush == "flush") if watching else "none"

        return self._at(to, unwatch)

    def exit_to(self, to: str, reason: Any) -> Any:
        def send_exit(ref: Any) -> Any:
            actors.send_exit(ref, reason)
            if not self._is_oneself(ref):
                return True
            is_end = reason == "kill" or (reason != "normal" and not self.server.trap_exits)
            return GONE if is_end else True

        return self._at(to, send_exit)

    def alive(self, to: str) -> Any:
        return self._at(to, lambda ref: ref.is_alive())

    # -- starts, stops, names -------------------------------------------------------------------------

    def start(self, label: str, kind: str, how: str, name: str | None, limit: int | str, spec: Any) -> Any:
        if how == "link" and not self._may_start_linked(kind, limit, spec):
            return "not_started"

        def start() -> Any:
            actor = self.makers.made(self.world, kind, label, None, spec)
            with self.world.limit(limit) as timeout:
                return _started(actors.launch(actor, name=name, linked=how == "link", start_timeout=timeout))

        return _answer(start)

    def _may_start_linked(self, kind: str, limit: int | str, spec: Any) -> bool:
        """See `may_start` in `otp_deeds.erl`."""
        if self.server is None:
            return False
        cannot_fail = kind != "supervisor" and limit == "infinity" and all(plan == [] for plan in spec[1])
        return self.server.trap_exits or cannot_fail

    def stop_server(self, to: Any, reason: Any) -> Any:
        def stop(who: Any) -> Any:
            if self._is_oneself(who):
                return "oneself"
            ref = actors.whereis(who) if isinstance(who, str) else who
            try:
                was_stopped = ref is not None and ref.stop(reason=reason)
            except Exception:
                return "failed"
            return "ok" if was_stopped else "failed"  # without a reason (docs/otp.md, 4.12)

        return self._at(to, stop)

    def register(self, name: str, to: str) -> Any:
        return self._at(to, lambda ref: _badarg(lambda: actors.register(name, ref)))

    def unregister(self, name: str) -> Any:
        return _badarg(lambda: actors.unregister(name))

    def whereis(self, name: str) -> Any:
        return actors.whereis(name)

    # -- groups ---------------------------------------------------------------------------------------

    def join(self, group: str, to: str) -> Any:
        return self._at(to, lambda ref: _ok(pg.join, group, ref))

    def leave(self, group: str, to: str) -> Any:
        return self._at(to, lambda ref: _left(group, [ref]))

    def leave_both(self, group: str, one: str, other: str) -> Any:
        return self._at(one, lambda ref: self._at(other, lambda second: _left(group, [ref, second])))

    def members(self, group: str) -> Any:
        return pg.get_members(group)

    def groups(self) -> Any:
        return sorted(pg.which_groups(), key=str)

    # -- timers ---------------------------------------------------------------------------------------

    def send_after(self, timer: str, time: int, to: Any, number: int) -> Any:
        return self._set_timer(actors.send_after, timer, time, to, number)

    def start_timer(self, timer: str, time: int, to: Any, number: int) -> Any:
        return self._set_timer(actors.start_timer, timer, time, to, number)

    def _set_timer(self, function: Any, timer: str, time: int, to: Any, number: int) -> Any:
        def set_timer(who: Any) -> str:
            self.world.timers[timer] = function(time / 1000, who, ("ring", number))
            self.world.note_ring(self.world.timers[timer])
            return "ok"

        return self._at(to, set_timer)

    def cancel_timer(self, timer: str) -> Any:
        ref = self.world.timers.get(timer)
        if ref is None:
            return "none"
        return False if actors.cancel_timer(ref) is None else "left"

    # -- sys ------------------------------------------------------------------------------------------

    def suspend(self, to: Any) -> Any:
        return self._at(to, lambda who: _request(lambda: _ok(sys.suspend, who, timeout=None)))

    def resume(self, to: Any) -> Any:
        return self._at(to, lambda who: _request(lambda: _ok(sys.resume, who, timeout=None)))

    def get_state(self, to: Any) -> Any:
        return self._at(to, lambda who: _request(lambda: sys.get_state(who, timeout=None)["value"]))

    def replace_state(self, to: Any, value: Any) -> Any:
        def new(state: dict[str, Any]) -> dict[str, Any]:
            if value == "bad":
                raise ValueError(value)
            return {**state, "value": value}

        def replace(who: Any) -> Any:
            try:
                return sys.replace_state(who, new, timeout=None)["value"]
            except sys.CallbackFailed:
                return "callback_failed"

        return self._at(to, lambda who: _request(lambda: replace(who)))

    def change_code(self, to: Any, extra: Any) -> Any:
        def change(who: Any) -> Any:
            ref = actors.whereis(who) if isinstance(who, str) else who
            new_class = getattr(ref and ref.actor_class, "changed", actors.GeventActor)
            try:
                sys.change_code(who, new_class, extra, timeout=None)
            except sys.NotSuspended:
                return "not_suspended"
            except sys.CallbackFailed:
                return "callback_failed"
            return "ok"

        return self._at(to, lambda who: _request(lambda: change(who)))

    # -- supervisors ----------------------------------------------------------------------------------

    def which_children(self, to: Any) -> Any:
        def which(who: Any) -> Any:
            return [(child["id"], child["ref"], child["type"]) for child in actors.which_children(who)]

        return self._at(to, lambda who: _request(lambda: which(who)))

    def count_children(self, to: Any) -> Any:
        def count(who: Any) -> Any:
            counted = actors.count_children(who)
            return [counted["specs"], counted["active"], counted["supervisors"], counted["workers"]]

        return self._at(to, lambda who: _request(lambda: count(who)))

    def start_child(self, to: Any, child: Any) -> Any:
        def start(who: Any) -> Any:
            what = [child[1]] if child[0] == "label" else self.makers.child_spec(self.world, to, child)
            return _started(actors.start_child(who, what), ignored=("started", None))

        return self._at(to, lambda who: _answer(lambda: start(who)))

    def terminate_child(self, to: Any, child: Any) -> Any:
        def terminate(who: Any) -> Any:
            if isinstance(child, tuple):
                return self._at(child[1], lambda ref: _ok(actors.terminate_child, who, ref))
            return _ok(actors.terminate_child, who, child)

        return self._at(to, lambda who: _answer(lambda: terminate(who)))

    def restart_child(self, to: Any, child_id: str) -> Any:
        def restart(who: Any) -> Any:
            return _started(actors.restart_child(who, child_id), ignored=("started", None))

        return self._at(to, lambda who: _answer(lambda: restart(who)))

    def delete_child(self, to: Any, child_id: str) -> Any:
        return self._at(to, lambda who: _answer(lambda: _ok(actors.delete_child, who, child_id)))

    def get_childspec(self, to: Any, child: Any) -> Any:
        def restart(who: Any, child: Any) -> Any:
            return ("ok", actors.get_childspec(who, child).restart)

        def get(who: Any) -> Any:
            if isinstance(child, tuple):
                return self._at(child[1], lambda ref: restart(who, ref))
            return restart(who, child)

        return self._at(to, lambda who: _answer(lambda: get(who)))

    # -- helpers --------------------------------------------------------------------------------------

    def _at(self, to: Any, function: Callable[[Any], Any]) -> Any:
        """Do something with the actor that a label means, or with a name."""
        if isinstance(to, tuple):
            return function(to[1])
        ref = self.world.refs.get(to)
        return "nobody" if ref is None else function(ref)

    def _is_oneself(self, who: Any) -> bool:
        ref = actors.whereis(who) if isinstance(who, str) else who
        return self.server is not None and ref is self.server.actor_ref


def _ok(function: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    function(*arguments, **options)
    return "ok"


def _left(group: str, refs: list[Any]) -> str:
    return "ok" if pg.leave(group, refs) else "not_joined"


def _started(ref: Any, ignored: Any = "ignore") -> Any:
    return ignored if ref is None else ("started", ref)


def _request(function: Callable[[], Any]) -> Any:
    """The result of a request, or why it failed."""
    try:
        return function()
    except (actors.ActorDeadError, pykka.Timeout) as error:
        return ("failed", failure(error))
    except actors.ActorExit as error:
        return ("failed", error.reason)
    except Exception as error:
        return ("failed", error)


def _answer(function: Callable[[], Any]) -> Any:
    """The result of a request that OTP answers with `{error, Reason}` when it can't be done."""
    try:
        return function()
    except (actors.ActorDeadError, pykka.Timeout) as error:
        return ("failed", failure(error))
    except Exception as error:
        return ("error", reason_of(error))


def _badarg(function: Callable[[], Any]) -> Any:
    try:
        function()
    except ValueError:
        return ("error", "badarg")
    return True


DEEDS: dict[str, Callable[..., Any]] = {
    name: getattr(Doer, name) for name in vars(Doer) if not name.startswith("_") and name != "do_all"
}
DEEDS["call!"] = DEEDS.pop("call_uncaught")
