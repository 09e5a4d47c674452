"""Kill -9 of the broker, of the server and of the deliverers under load; then count what came."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.queue.broker import Broker, free_ports, wait_until
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok

DELAYS = "1s,2s"
QUEUE = "mail.kills"
CLIENTS = 6
PROGRESS = 15
"""Messages that must have their 250 between two kills."""
PATIENCE = 120.0
BOTH = "server and deliverer"

_TOKEN = re.compile(rb"^Subject: (\S+)\r$", re.M)
_ID = re.compile(rb"^\tid (\S+?);?\r$", re.M)


@dataclass
class Ledger:
    """What was sent and what came.

    Attributes:
        promised: the messages that have their 250.
        came: for each message that came, the message ids of its copies.
        exit_codes: of the programs, which SIGTERM has ended at last.
    """

    promised: set[bytes] = field(default_factory=set)
    came: dict[bytes, list[bytes]] = field(default_factory=dict)
    exit_codes: list[int] = field(default_factory=list)

    def lost(self) -> set[bytes]:
        """Messages with their 250 that did not come."""
        return self.promised - self.came.keys()

    def doubles(self) -> int:
        """Copies that came beside the first."""
        return sum(len(ids) - 1 for ids in self.came.values())

    def unlike(self) -> list[bytes]:
        """Messages whose copies have different message ids: no consumer can tell that they are doubles."""
        return [token for token, ids in self.came.items() if len(set(ids)) > 1]


class Crowd:
    """Clients that send, each one message after the other, and never the same again."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        self._port = port
        self._ledger = ledger
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(CLIENTS)]

    def start(self) -> None:
        """Begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._over.set()
        for each in self._threads:
            each.join(PATIENCE)

    def _send(self) -> None:
        while not self._over.is_set():
            with (
                contextlib.suppress(OSError, smtplib.SMTPException),
                smtplib.SMTP("127.0.0.1", self._port, timeout=20) as client,
            ):
                while not self._over.is_set():
                    token = b"t%d" % next(self._numbers)
                    client.sendmail(
                        "a@example.org", ["b@example.com"], b"Subject: %s\r\n\r\nHello\r\n" % token
                    )
                    self._ledger.promised.add(token)
            self._over.wait(0.05)


def make_sink(ledger: Ledger) -> type[Behaviour]:
    """A next hop that notes what comes, before it says 250."""

    class Sink(Behaviour):
        def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
            token, name = _TOKEN.search(data), _ID.search(data)
            assert token is not None
            assert name is not None
            ledger.came.setdefault(token[1], []).append(name[1])
            return ok

    return Sink


class Program:
    """A `gen-smtp` command that is killed and started again."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._arguments = arguments
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with open(self._folder / f"{self._arguments[0]}.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gen_smtp", *self._arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def end(self, number: int) -> int:
        """Send it a signal, and wait for its end; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)


def run_kills(
    broker: Broker, folder: Path, victims: Sequence[str], say: Callable[[str], object] = print
) -> Ledger:
    """Kill in turn, and start again what was killed.

    Args:
        broker: runs, and belongs to this alone.
        folder: for logs.
        victims: each `broker`, `server`, `deliverer`, or `BOTH` of the latter.
        say: told what is done.

    Returns:
        what was promised and what came.
    """
    ledger = Ledger()
    (port,) = free_ports(1)
    limits = {"max_sessions": None, "max_sessions_per_address": None, "connections_per_minute": None}
    listener = {"address": "127.0.0.1", "port": 0, "sessionoptions": {"limits": {"messages": None}}}
    with gen_smtp_server.running(make_sink(ledger), [listener], serveroptions=limits) as sink:
        hop = gen_smtp_server.addresses(sink)[0][1]
        programs = _programs(broker, folder, port, hop)
        with contextlib.ExitStack() as stack:
            for each in programs.values():
                each.start()
                stack.callback(each.end, signal.SIGKILL)  # whatever goes wrong here; at the end it is gone
            crowd = Crowd(port, ledger)
            crowd.start()
            stack.callback(crowd.stop)
            for number, victim in enumerate(victims, 1):
                _wait_for_progress(ledger)
                taken, came = len(ledger.promised), len(ledger.came)
                say(f"{number}/{len(victims)} {victim}: {taken} taken, {came} came")
                _kill(victim, broker, programs)
            _wait_for_progress(ledger)
            crowd.stop()
            with contextlib.suppress(AssertionError):  # the caller sees what is lost
                wait_until(lambda: not ledger.lost(), PATIENCE)
            ledger.exit_codes += [each.end(signal.SIGTERM) for each in programs.values()]
    return ledger


def _programs(broker: Broker, folder: Path, port: int, hop: int) -> dict[str, Program]:
    at_broker = f"url={broker.url}", f"queue={QUEUE}", "confirm_timeout=10"
    options = [word for option in at_broker for word in ("--callback-option", option)]
    limits = (
        "max_sessions=1000",
        "max_sessions_per_address=1000",
        "connections_per_minute=1000000",
        "messages=1000000",
    )
    options += [word for limit in limits for word in ("--limit", limit)]
    place = "--address", "127.0.0.1", "--port", str(port), "--log-level", "error"
    deliver = "--url", broker.url, "--queue", QUEUE, "--via", f"smarthost:127.0.0.1:{hop}", "--delays", DELAYS
    server = Program(folder, "serve", "gen_smtp.queue:QueueHandler", *place, *options)
    deliverers = {
        f"deliverer {number}": Program(
            folder, "deliver", *deliver, "--log-level", "error", "--hostname", "d.test"
        )
        for number in (1, 2)
    }
    return {"server": server, **deliverers}


def _wait_for_progress(ledger: Ledger) -> None:
    promised, came = len(ledger.promised), len(ledger.came)
    wait_until(
        lambda: len(ledger.promised) >= promised + PROGRESS and len(ledger.came) >= came + PROGRESS, PATIENCE
    )


def _kill(victim: str, broker: Broker, programs: dict[str, Program]) -> None:
    time.sleep(random.uniform(0.0, 0.1))
    if victim == "broker":
        broker.kill()
        broker.start()
        return
    deliverer = random.choice([each for each in programs if each != "server"])
    names = {"server": ["server"], "deliverer": [deliverer], BOTH: ["server", deliverer]}[victim]
    for name in names:
        programs[name].end(signal.SIGKILL)
        programs[name].start()
