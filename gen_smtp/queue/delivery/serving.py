"""A process that delivers until a signal ends it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from gen_smtp.process.signals import SignalPipe
from gen_smtp.queue.delivery.deliverer import Deliverer, DeliverySettings
from gen_smtp.queue.delivery.next_hop import NextHop


def deliver_forever(
    settings: DeliverySettings, hop: NextHop, grace: float, pidfile: Path | None = None
) -> bool:
    """Deliver until SIGTERM or SIGINT; then end what is in hand.

    Args:
        settings: how.
        hop: where mail goes; it is closed at the end.
        grace: seconds for what is in hand.
        pidfile: gets the number of the process while it runs.

    Returns:
        whether all that was in hand is done.
    """
    deliverer = Deliverer(settings, hop)
    with SignalPipe((signal.SIGTERM, signal.SIGINT)) as signals, _number_in(pidfile):
        deliverer.start()
        while not signals.read():
            pass
        done = deliverer.drain(grace)
        hop.close()
    return done


@contextlib.contextmanager
def _number_in(pidfile: Path | None) -> Iterator[None]:
    if pidfile is None:
        yield
        return
    pidfile.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        pidfile.unlink(missing_ok=True)
