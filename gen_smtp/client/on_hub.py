"""Bringing callers to the hub: from any thread, greenlet or turn of an actor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from actors import GeventFuture, spawn
from actors.runtime.hub import Hub

P = ParamSpec("P")
T = TypeVar("T")


def on_hub(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that waits on the hub: in the caller's own greenlet, if that is there.

    Raises:
        BaseException: what it raises.
    """
    if Hub.current().is_here():
        return function(*args, **kwargs)
    future: GeventFuture[Any] = spawn(lambda: function(*args, **kwargs))
    try:
        result: T = future.get()
    finally:
        future.forget_error()
    return result
