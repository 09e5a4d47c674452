"""What a supervisor knows of a child before it starts it: OTP's child specification."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from actors.runtime.refs import GeventRef

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
ChildType: TypeAlias = Literal["worker", "supervisor"]
ShutdownTime: TypeAlias = float | Literal["brutal_kill", "infinity"]
StartFunction: TypeAlias = Callable[..., GeventRef[Any] | None]
Start: TypeAlias = StartFunction | tuple[StartFunction, Any] | tuple[Any, str, Any]

WORKER_SHUTDOWN = 5.0
"""Seconds that a worker gets to end unless its specification says otherwise."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How a supervisor starts, restarts and stops a child.

    Args:
        id: what the supervisor calls the child; any hashable value, one child each.
        start: starts the child and returns its reference, or None to do without it (OTP's `ignore`). It
            runs in the supervisor's turn and may wait. A callable (`Db.start_link`, a lambda, a `partial`),
            `(callable, arguments)`, or OTP's `(module or class, "start_link", arguments)`, whose name is
            looked up at each start; the module's name will do. OTP's `("ok", ref)`, `("ok", ref, info)`,
            `"ignore"` and `("error", reason)` are understood, too. The supervisor links the child to itself
            if `start` has not.
        restart: `"permanent"` always restarts it, `"transient"` unless it ended with `normal`, `shutdown` or
            `("shutdown", term)`, `"temporary"` never, and forgets it.
        shutdown: seconds that it gets to end when it is told to, then it is killed; `"brutal_kill"` kills it
            at once; `"infinity"` waits. 5 seconds for a worker, `"infinity"` for a supervisor.
        type: `"supervisor"` for the root of a tree; for `count_children`, and the default of `shutdown`.
        significant: whether its end by itself may end its supervisor, as that's `auto_shutdown` says; for
            transient and temporary children.

    Raises:
        ValueError: an argument is none of these.
    """

    id: Hashable
    start: Start
    restart: Restart = "permanent"
    shutdown: ShutdownTime | None = None
    type: ChildType = "worker"
    significant: bool = False

    def __post_init__(self) -> None:
        self._require("restart", self.restart in get_args(Restart), " or ".join(get_args(Restart)))
        self._require("type", self.type in get_args(ChildType), " or ".join(get_args(ChildType)))
        self._require("start", _is_start(self.start), "a callable or (callable, arguments)")
        if self.shutdown is None:
            shutdown: ShutdownTime = WORKER_SHUTDOWN if self.type == "worker" else "infinity"
            object.__setattr__(self, "shutdown", shutdown)
        self._require("shutdown", _is_shutdown(self.shutdown), "seconds from 0 up, brutal_kill or infinity")
        self._require("significant", isinstance(self.significant, bool), "True or False")
        if self.significant and self.restart == "permanent":
            raise ValueError(
                f"significant of child {self.id!r} goes with transient and temporary, not permanent"
            )
        try:
            hash(self.id)
        except TypeError:
            self._require("id", False, "hashable")

    def call_start(self, *more: Any) -> Any:
        """Call `start` with its own arguments and then `more`."""
        match self.start:
            case (code, str(name), arguments):
                module = importlib.import_module(code) if isinstance(code, str) else code
                return getattr(module, name)(*arguments, *more)
            case (function, arguments):
                return function(*arguments, *more)
            case function:
                assert callable(function)
                return function(*more)

    def _require(self, field: str, fulfilled: bool, allowed: str) -> None:
        if not fulfilled:
            raise ValueError(f"{field} of child {self.id!r} must be {allowed}, not {getattr(self, field)!r}")


def is_abnormal(reason: Any) -> bool:
    """Tell whether an exit reason is a failure: any but `normal`, `shutdown` and `("shutdown", term)`."""
    match reason:
        case "normal" | "shutdown" | ("shutdown", _):
            return False
    return True


RESTARTS: dict[str, Callable[[Any], bool]] = {
    "permanent": lambda reason: True,
    "transient": is_abnormal,
    "temporary": lambda reason: False,
}
"""For each kind of child, whether it is restarted after it ended with a reason."""


def _is_start(start: Any) -> bool:
    match start:
        case (_, str(), list() | tuple()):
            return True
        case (function, list() | tuple()):
            return callable(function)
    return callable(start)


def _is_shutdown(shutdown: Any) -> bool:
    if isinstance(shutdown, int | float) and not isinstance(shutdown, bool):
        return shutdown >= 0
    return shutdown in ("brutal_kill", "infinity")
