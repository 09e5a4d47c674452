"""A mail server inside a program of plain threads: `python examples/threaded_program.py`.

Nothing is monkey-patched and no thread knows of gevent: references work from any thread, and callbacks hand
on what came through an ordinary queue.
"""

from __future__ import annotations

import functools
import logging
import queue
import smtplib
import sys
import threading
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok

Letter = tuple[str, bytes]
log = logging.getLogger("program")


class Inbox(Behaviour):
    def __init__(self, letters: queue.SimpleQueue[Letter | None]) -> None:
        self.letters = letters

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        self.letters.put((sender, data))  # does not block; a bounded queue's put would, see blocking_work.py
        return ok("in the queue")


def work(letters: queue.SimpleQueue[Letter | None]) -> None:
    """A thread of the program."""
    while (letter := letters.get()) is not None:
        sender, data = letter
        log.info("%d octets from %s", len(data), sender)


def send(server: gen_smtp_server.ServerRef, number: int) -> None:
    """Another one, a client."""
    with smtplib.SMTP(*gen_smtp_server.addresses(server)[0]) as client:
        sender = f"sender{number}@example.com"
        client.sendmail(sender, ["inbox@localhost"], f"Subject: {number}\n\nHello\n")
        print(
            f"{threading.current_thread().name}: sent; {len(gen_smtp_server.sessions(server))} sessions now"
        )


def main() -> None:
    logging.basicConfig(format="%(threadName)s: %(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    letters: queue.SimpleQueue[Letter | None] = queue.SimpleQueue()
    worker = threading.Thread(target=work, args=(letters,), name="worker")
    worker.start()
    listener = {"address": "127.0.0.1", "port": 0, "domain": "localhost"}
    server = gen_smtp_server.start(functools.partial(Inbox, letters), [listener])
    senders = [threading.Thread(target=send, args=(server, n), name=f"sender {n}") for n in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    gen_smtp_server.stop(server)
    letters.put(None)
    worker.join()
    log.info("stopped")


if __name__ == "__main__":
    main()
