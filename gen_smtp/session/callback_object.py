"""A session's callback object: made, followed by one of another class; and what is to be done at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gen_smtp.callbacks.behaviour import Behaviour, Module, class_made_by

if TYPE_CHECKING:
    from gen_smtp.session.callback_session import CallbackSession


def make_callback(module: Module, session: CallbackSession) -> Behaviour:
    """The callback object of a session.

    Raises:
        TypeError: what `module` made is no Behaviour.
        Exception: what `module` raises.
    """
    made = module()
    if not isinstance(made, Behaviour):
        raise TypeError(f"the callback module made {made!r}, which is no Behaviour")
    made._session_actor = session
    return made


def make_successor(module: Module, old: Behaviour, extra: Any) -> Behaviour:
    """An object of another class, which its `code_change` makes of the present one.

    Raises:
        TypeError: `code_change` returned no Behaviour.
        RuntimeError: it raised what is no Exception, as `sys.exit` does: that ends neither session nor asker.
        Exception: what it raises.
    """
    try:
        new = class_made_by(module).code_change(type(old).vsn, old, extra)
    except Exception:
        raise
    except BaseException as error:
        if not old._session_actor.actor_ref.is_alive():
            raise  # killed in the middle of it
        raise RuntimeError(f"code_change raised {error!r}") from error
    if not isinstance(new, Behaviour):
        raise TypeError(f"code_change returned {new!r}, which is no Behaviour")
    new._session_actor = old._session_actor
    return new


def has_own(callback: Behaviour, name: str) -> bool:
    """Tell whether its class has a callback of its own instead of Behaviour's."""
    return getattr(type(callback), name) is not getattr(Behaviour, name)


class AtEnd:
    """Functions to be called once at a session's end, the last one first."""

    __slots__ = ("_functions",)

    def __init__(self) -> None:
        self._functions: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def __bool__(self) -> bool:
        return bool(self._functions)

    def add(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Add one."""
        self._functions.append((function, args))

    def run(self, report: Callable[[str, BaseException], object]) -> None:
        """Call them all; `report` hears of each one that raises."""
        while self._functions:
            function, args = self._functions.pop()
            try:
                function(*args)
            except BaseException as error:
                report("a function of at_end", error)
