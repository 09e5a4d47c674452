"""A session's callback object: made, called, told of the end, and nothing more of it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors import run_blocking, run_long
from gen_smtp.behaviour import Behaviour, Module, class_made_by
from gen_smtp.session_facts import Session


class CallbackObject:
    """The callback object of one session.

    Args:
        module: makes it.
        session: the facts it shall see.

    Attributes:
        blocking: the callbacks that run in a worker thread.
        object: the callback object itself, for who has looked at `blocking`.
        streams: whether it wants messages as they arrive.

    Raises:
        TypeError: what `module` made is no Behaviour.
        Exception: what `module` raises.
    """

    __slots__ = ("_module", "blocking", "object", "streams")

    def __init__(self, module: Module, session: Session) -> None:
        made = module()
        if not isinstance(made, Behaviour):
            raise TypeError(f"the callback module made {made!r}, which is no Behaviour")
        made._session = session
        self._take(module, made)

    def _take(self, module: Module, made: Behaviour) -> None:
        self._module = module
        self.object: Any = made
        self.blocking = made.blocking
        self.streams = self.has_own("handle_DATA_stream")

    def call(self, name: str, *args: Any) -> Any:
        """Call a callback; one that blocks in a worker thread."""
        if name in self.blocking:
            return run_blocking(getattr(self.object, name), *args)
        return getattr(self.object, name)(*args)

    def call_reader(self, name: str, read: Callable[[Callable[..., Any]], Any]) -> Any:
        """Call a callback that may wait for its client again and again; one that blocks in a thread.

        Args:
            name: its name.
            read: calls it, where it runs.
        """
        callback = getattr(self.object, name)
        return run_long(read, callback) if name in self.blocking else read(callback)

    def change_code(self, module: Module, extra: Any) -> bool:
        """Go on with an object of another class, which its `code_change` makes of the present one.

        If that raises, the present object stays.

        Returns:
            whether there was anything to change.

        Raises:
            TypeError: `code_change` returned no Behaviour.
            Exception: what it raises.
        """
        if module is self._module:
            return False
        old = self.object
        new = class_made_by(module).code_change(type(old).vsn, old, extra)
        if not isinstance(new, Behaviour):
            raise TypeError(f"code_change returned {new!r}, which is no Behaviour")
        new._session = old._session
        self._take(module, new)
        return True

    def has_own(self, name: str) -> bool:
        """Tell whether its class has a callback of its own instead of Behaviour's."""
        return getattr(type(self.object), name) is not getattr(Behaviour, name)


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
