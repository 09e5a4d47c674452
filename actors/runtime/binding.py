"""Find out when the calling greenlet or thread ends, for what is bound to a caller that is no actor."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import gevent

_local = threading.local()


class _ThreadLife:
    """Lies in a thread's local storage and goes with the thread."""


def on_caller_end(callback: Callable[[], object]) -> None:
    """Call `callback` once when the calling greenlet, or else the calling thread, has ended.

    A plain thread has ended when its local storage is gone; a raw greenlet when it is collected.
    The main thread ends with the interpreter, which stops all actors anyway.

    Args:
        callback: called in the ending thread or in the hub of the greenlet; must be quick.
    """
    greenlet = gevent.getcurrent()
    if isinstance(greenlet, gevent.Greenlet):
        greenlet.rawlink(lambda _: callback())
    elif greenlet.parent is not None:
        weakref.finalize(greenlet, callback).atexit = False
    else:
        if not hasattr(_local, "life"):
            _local.life = _ThreadLife()
        weakref.finalize(_local.life, callback).atexit = False
