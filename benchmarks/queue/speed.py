"""Mails a second over SMTP into the queue, beside what the broker confirms by itself, in one run."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from actors import spawn
from benchmarks.queue.broker import Broker, free_ports, wait_until
from benchmarks.queue.kills import Program
from gen_smtp.queue import Publisher
from gen_smtp.queue.queues import incoming_queue

CLIENTS = 100
SIZE = 1024
ENOUGH = 1500.0
"""Mails a second that are enough, however quick the broker is."""
SHARE = 0.5


def confirms_a_second(broker: Broker, queue: str, seconds: float) -> float:
    """What the broker confirms with so many messages under way, by pika alone."""
    publisher = Publisher(broker.url, queues=[incoming_queue(queue)])
    body = os.urandom(SIZE)
    publisher.publish(queue, body)
    over = time.monotonic() + seconds
    done = [0]

    def publish() -> None:
        while time.monotonic() < over:
            publisher.publish(queue, body, message_id="m", headers={"smtp-sender": "a@example.org"})
            done[0] += 1

    for each in [spawn(publish) for _ in range(CLIENTS)]:
        each.get(timeout=seconds + 60)
    publisher.close()
    return done[0] / seconds


def mails_a_second(port: int, count: int, source: str) -> float:
    """What smtp-source gets rid of with so many sessions."""
    begun = time.monotonic()
    subprocess.run(
        [
            source,
            "-d",  # a client sends one message after the other
            "-s",
            str(CLIENTS),
            "-m",
            str(count),
            "-l",
            str(SIZE),
            "-f",
            "a@example.org",
            "-t",
            "b@example.com",
            f"127.0.0.1:{port}",
        ],
        check=True,
    )
    return count / (time.monotonic() - begun)


def run_speed(folder: Path, count: int, seconds: float, rounds: int = 3) -> dict[str, float]:
    """Measure both in turn, and take the best of each.

    Returns:
        `broker`: confirms a second; `smtp`: mails a second.
    """
    source = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")
    if source is None:
        raise SystemExit("smtp-source is not there; Debian: apt-get install postfix")
    broker = Broker(folder / "broker")
    broker.start()
    (port,) = free_ports(1)
    options = [
        word for option in (f"url={broker.url}", "queue=mail.speed") for word in ("--callback-option", option)
    ]
    limits = "max_sessions=1000", "max_sessions_per_address=1000", "connections_per_minute=1000000"
    options += [word for limit in limits for word in ("--limit", limit)]
    place = "--address", "127.0.0.1", "--port", str(port), "--log-level", "error"
    server = Program(folder, "serve", "gen_smtp.queue:QueueHandler", *place, *options)
    server.start()
    best = {"broker": 0.0, "smtp": 0.0}
    try:
        wait_until(lambda: _listens(port))
        for _ in range(rounds):
            best["broker"] = max(best["broker"], confirms_a_second(broker, "mail.alone", seconds))
            best["smtp"] = max(best["smtp"], mails_a_second(port, count, source))
    finally:
        server.end(signal.SIGTERM)
        broker.close()
    return best


def is_enough(best: dict[str, float]) -> bool:
    """Whether that is 1,500 mails a second, or half of what the broker confirms, whichever is less."""
    return best["smtp"] >= min(ENOUGH, SHARE * best["broker"])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
