"""Slow work, without keeping other clients waiting: `python examples/blocking_work.py`.

All sessions share one thread. A callback that blocks it stops them all; so it is named in `blocking`, or the
one call that blocks goes through `actors.run_blocking`: a worker thread does it, the session waits, the
others go on.
"""

from __future__ import annotations

import smtplib
import threading
import time
from typing import Any

import actors
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok

SECONDS = 0.5


def slow_lookup(recipient: str) -> bool:
    """A database far away."""
    time.sleep(SECONDS)
    return recipient.endswith("@example.com")


class Slow(Behaviour):
    blocking = frozenset({"handle_DATA"})

    def handle_RCPT(self, recipient: str) -> Any:
        known = actors.run_blocking(slow_lookup, recipient)
        return ok if known else error("550 No such recipient")

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        time.sleep(SECONDS)  # a disk that is slow: this whole callback runs in a worker thread
        return ok(f"filed by {threading.current_thread().name}")


def send_one(address: tuple[str, int]) -> None:
    with smtplib.SMTP(*address) as client:
        client.sendmail("me@example.com", ["you@example.com"], "Subject: slow\n\nHello\n")


def answers_meanwhile(address: tuple[str, int], busy: threading.Thread) -> list[float]:
    """How long a client waits for each answer while the others are busy."""
    waits = []
    with smtplib.SMTP(*address) as client:
        while busy.is_alive():
            begin = time.perf_counter()
            client.noop()
            waits.append(time.perf_counter() - begin)
    return waits


def main() -> None:
    actors.set_workers(4)  # how many may block at the same time; others wait their turn
    unlimited = {"limits": {"junk_commands": None}}  # for a client that says nothing but NOOP
    listener = {"address": "127.0.0.1", "port": 0, "sessionoptions": unlimited}
    with gen_smtp_server.running(Slow, [listener]) as server:
        address = gen_smtp_server.addresses(server)[0]
        senders = [threading.Thread(target=send_one, args=(address,)) for _ in range(4)]
        begin = time.perf_counter()
        for sender in senders:
            sender.start()
        waits = answers_meanwhile(address, senders[0])
        for sender in senders:
            sender.join()
        seconds = time.perf_counter() - begin
    print(f"4 mails, each with {2 * SECONDS:.1f} s of slow work, took {seconds:.1f} s together.")
    print(f"Meanwhile another client had {len(waits)} answers; the slowest took {max(waits) * 1000:.1f} ms.")


if __name__ == "__main__":
    main()
