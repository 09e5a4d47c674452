"""What SIGHUP does: certificates and the callback's code are read again, without losing a connection."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeVar

from actors import ActorDeadError, GeventRef, events
from gen_smtp.callbacks.behaviour import Module, check_module
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.events import Reloaded, ReloadFailed, ReloadSkipped, SessionKeptCode
from gen_smtp.server import live_changes
from gen_smtp.server.starting import loading
from gen_smtp.transcript import files

T = TypeVar("T")

RELOAD_ANSWER_TIME = 5.0
"""Seconds that the server, and each session, gets to take what is new."""

CERTIFICATES = "certificates"
CODE = "callback code"
TRANSCRIPTS = "transcripts"


class NotReloadable(Exception):  # noqa: N818 - no error: the server goes on as it is
    """The code of this callback module can't be loaded again; the text says why."""


class Reloader:
    """Called at SIGHUP, has a running server use what the files hold now.

    The code is loaded in the thread that calls, as it was the first time. All that has to wait for the server
    or its sessions is done in a thread of its own: the thread that hears the signals waits for none of them.

    Certificates and code are independent: if one of them can't be used, that is logged, and the other is
    reloaded.

    Args:
        server: the server.
        module: its callback module.
        call_soon: makes a call in the thread that hears the signals.
    """

    def __init__(
        self,
        server: GeventRef[Any],
        module: Module,
        call_soon: Callable[[Callable[[], object]], object],
    ) -> None:
        self._server = server
        self._module = module
        self._call_soon = call_soon
        self._on_done: Callable[[], object] | None = None
        self._once_more = False

    def __call__(self, on_done: Callable[[], object]) -> None:
        """Begin; while it is under way already, have it done once more after that.

        Args:
            on_done: called, by `call_soon`, when nothing is left to do.
        """
        self._once_more = self._on_done is not None
        self._on_done = on_done
        if not self._once_more:
            self._begin()

    def _begin(self) -> None:
        code = _outcome_of(self._load)
        try:
            threading.Thread(target=self._apply, args=[code], name="gen_smtp-reload", daemon=True).start()
        except RuntimeError as error:  # there are too many threads
            events.emit(ReloadFailed(f"{CERTIFICATES} and {CODE}", error))
            self._end()

    def _load(self) -> Module:
        self._module = load_again(self._module)
        return self._module

    def _apply(self, code: Callable[[], Module]) -> None:
        try:
            attempt(CERTIFICATES, lambda: live_changes.reload_tls(self._server, RELOAD_ANSWER_TIME))
            attempt(CODE, lambda: self._change_code(code()))
            if files.has_files():
                attempt(TRANSCRIPTS, files.reopen_files)
        finally:
            self._call_soon(self._end)

    def _change_code(self, module: Module) -> None:
        change = live_changes.change_code(self._server, module, None, RELOAD_ANSWER_TIME)
        for session, error in change.kept.items():
            events.emit(SessionKeptCode(session.actor_urn, error))

    def _end(self) -> None:
        if self._once_more:
            self._once_more = False
            self._begin()
            return
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done()


def attempt(what: str, action: Callable[[], T]) -> T | None:
    """Reload one thing and log what came of it; None if it failed.

    Whatever the action raises is a failure: a module that calls `sys.exit` ends nothing but its own loading.
    """
    try:
        result = action()
    except NotReloadable as reason:
        events.emit(ReloadSkipped(what, str(reason)))
        return None
    except ActorDeadError:  # the server ends: it will not need it
        return None
    except BaseException as error:
        events.emit(ReloadFailed(what, error))
        return None
    events.emit(Reloaded(what))
    return result


def _outcome_of(action: Callable[[], T]) -> Callable[[], T]:
    """Run an action now; the function returned gives its result, or raises what it raised."""
    try:
        result = action()
    except BaseException as error:
        raised = error

        def fail() -> T:
            raise raised

        return fail
    return lambda: result


def read_certificates_again(configurations: Sequence[ListenerOptions]) -> tuple[ListenerOptions, ...]:
    """The same options with the certificates and keys that the files hold now.

    Raises:
        OptionsError: one can't be used, and why.
    """
    return tuple(each.with_certificates_read_again() for each in configurations)


def load_again(module: Module) -> Module:
    """The callback module that has the same name once the Python module that it stands in is loaded again.

    Other Python modules, which it may import, stay as they are.

    Raises:
        NotReloadable: it can't be found by a name: a class inside a function, or in the program's own file.
        BehaviourError: what has the name now is no callback module.
        Exception: whatever the code raises; the Python module keeps what it had.
    """
    if isinstance(module, functools.partial):
        return functools.partial(load_again(module.func), *module.args, **module.keywords)
    home = _home_of(module)
    before = dict(vars(home))
    try:
        with loading(home.__name__):
            found: Any = importlib.reload(home)
        for name in module.__qualname__.split("."):
            found = getattr(found, name)
        return check_module(found)
    except BaseException:
        # The functions in use look their names up here: they are to find what they were written with.
        vars(home).update(before)
        raise


def _home_of(module: Module) -> ModuleType:
    """The Python module in which a callback module has its name."""
    home = sys.modules.get(getattr(module, "__module__", None) or "")
    path = getattr(module, "__qualname__", "<none>")
    if home is None or "<" in path:
        raise NotReloadable(f"{module!r} has no name in a module")
    if home.__name__ == "__main__":
        raise NotReloadable(f"{path} stands in the program itself; put it into a module that this imports")
    if home.__name__.partition(".")[0] == __name__.partition(".")[0]:
        raise NotReloadable(f"{path} is gen_smtp's own")
    return home
