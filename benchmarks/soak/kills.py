"""A server that is killed at random moments under load, over and over, and the Maildirs that it leaves."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.ledger import Fault, Ledger
from benchmarks.soak.maildirs import collect, count_unfinished
from benchmarks.soak.mails import MailMaker, SoakMail, make_lines
from benchmarks.soak.nursery import Server, nursery
from benchmarks.soak.smtp import Broken, Conversation, Delivery, connect

MODULE = "gen_smtp.maildir:MaildirHandler"
CLIENTS = 4
RECIPIENTS = ("alice@soak.example", "bob@soak.example")

STEPS_BEFORE_KILL = 400
"""A server lives for up to so many things that its clients send or hear."""

LONGEST_DELAY = 0.004
"""Seconds that pass at most between the last of them and the kill: a few times what a delivery takes."""


@dataclass(frozen=True, slots=True)
class KillReport:
    """What came of it.

    Attributes:
        kills: how often a server was killed.
        ledger: the books.
        faults: what is wrong in them.
        left_in_tmp: messages whose delivery a kill has cut off.
        complaints: what the servers logged, from warnings up; there should be nothing.
    """

    kills: int
    ledger: Ledger
    faults: list[Fault]
    left_in_tmp: int
    complaints: str

    def __str__(self) -> str:
        ended = ", ".join(f"{number} {outcome}" for outcome, number in self.ledger.outcomes.items())
        return (
            f"{self.kills} kills; copies sent: {ended}; copies found: {self.ledger.found}, "
            f"{self.ledger.repeated} of them again after no reply; {self.left_in_tmp} left in tmp; "
            f"{len(self.faults)} faults, {len(self.complaints.splitlines())} lines of complaints"
        )


def run_kills(
    folder: Path,
    kills: int,
    seed: int,
    on_kill: Callable[[int], object] = lambda number: None,
    *,
    module: str = MODULE,
) -> KillReport:
    """Kill a server so many times while clients send, then look at every message.

    Args:
        folder: an empty folder: gets the Maildirs, one for each recipient, and the servers' log.
        kills: how many times.
        seed: what is sent, and when the kills come, as far as clients' steps say.
        on_kill: called after each, with its number from 1.
        module: the handler.
    """
    ledger, chance = Ledger(), random.Random(seed)
    lines = make_lines(chance)
    clients = [_Client(number, random.Random(chance.random()), ledger, lines) for number in range(CLIENTS)]
    maildirs = folder / "maildirs"
    log = folder / "server.log"
    with nursery(module, log) as servers:
        for number in range(1, kills + 1):
            server = servers.start(_listeners(maildirs))
            _load_and_kill(server, clients, chance)
            on_kill(number)
        server = servers.start(_listeners(maildirs))
        for client in clients:
            client.finish(server.addresses[0])
    collect(maildirs, ledger)
    return KillReport(kills, ledger, list(ledger.faults()), count_unfinished(maildirs), log.read_text())


def _listeners(maildirs: Path) -> list[dict[str, object]]:
    handler = {"maildir": str(maildirs), "mailboxes": "address", "create_mailboxes": True}
    return [
        {
            "address": "127.0.0.1",
            "port": 0,
            "domain": "soak.example",
            "sessionoptions": {"callbackoptions": handler},
        }
    ]


def _load_and_kill(server: Server, clients: list[_Client], chance: random.Random) -> None:
    trigger = _Trigger(chance.randrange(1, STEPS_BEFORE_KILL))
    threads = [
        threading.Thread(target=client.send_until_broken, args=(server.addresses[0], trigger.step))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    trigger.wait()
    time.sleep(chance.uniform(0.0, LONGEST_DELAY))  # any moment will do
    server.kill()
    for thread in threads:
        thread.join()


class _Trigger:
    """Says when so many steps were made, by all clients together."""

    def __init__(self, steps: int) -> None:
        self._left = iter(range(steps - 1))
        self._reached = threading.Event()

    def step(self) -> None:
        """One more."""
        if next(self._left, None) is None:
            self._reached.set()

    def wait(self) -> None:
        """Wait for the last."""
        self._reached.wait()


class _Client:
    """Sends one message after another; one that had no 250 it sends again, as clients do."""

    def __init__(self, number: int, chance: random.Random, ledger: Ledger, lines: bytes) -> None:
        self._chance = chance
        self._ledger = ledger
        self._mails = MailMaker(chance, f"client{number}", RECIPIENTS, lines)
        self._in_hand: SoakMail | None = None

    def send_until_broken(self, address: tuple[str, int], on_step: Callable[[], object]) -> None:
        """Send messages until the server is gone."""
        with suppress(Broken):
            conversation = connect(address, on_step)
            try:
                _greet(conversation)
                while True:
                    self._send(conversation, self._in_hand or self._mails.make())
            finally:
                conversation.close()

    def finish(self, address: tuple[str, int]) -> None:
        """Send the message in hand, to a server that lives."""
        if self._in_hand is not None:
            conversation = connect(address)
            try:
                _greet(conversation)
                self._send(conversation, self._in_hand)
            finally:
                conversation.close()

    def _send(self, conversation: Conversation, mail: SoakMail) -> None:
        self._in_hand = mail
        delivery = Delivery(conversation, mail)
        try:
            delivery.run(pipelined=self._chance.random() < 0.5, cuts=list(self._cuts(len(mail.data))))
        finally:
            for copy, outcome in zip(mail.copies(), delivery.outcomes, strict=True):
                self._ledger.note_attempt(copy, mail.digest, outcome)
        self._in_hand = None

    def _cuts(self, size: int) -> Iterator[int]:
        """Some messages in pieces: a kill may come between two of them."""
        if self._chance.random() < 0.3:
            yield from sorted(self._chance.randrange(size) for _ in range(3))


def _greet(conversation: Conversation) -> None:
    conversation.reply()
    conversation.command("EHLO client.example")
