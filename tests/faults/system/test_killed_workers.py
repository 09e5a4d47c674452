"""Worker processes that are killed while messages flow: what had its 250 is there, the others go on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.gen_smtp.live import RCPT, Client
from tests.gen_smtp.workers.test_pool import Program, program

CALLBACKS = """
from gen_smtp.maildir.handler import MaildirHandler as MyServer
"""
SENDERS = 4
KILLS = 3
MESSAGES_BETWEEN = 20


class Sender(threading.Thread):
    """Sends one message after the other, and comes again when its connection is lost.

    Attributes:
        stored: the messages that had their 250.
        sent: all that were sent to their end.
        lost: how many connections it has lost.
    """

    def __init__(self, address: object, name: str, pace: threading.Semaphore) -> None:
        super().__init__()
        self._address, self._sender, self._pace = address, name, pace
        self.enough = False
        self.sent: list[str] = []
        self.stored: list[str] = []
        self.lost = 0

    def run(self) -> None:
        while not self.enough:
            try:
                with Client(self._address) as client:
                    self._send_messages(client)
            except ConnectionError:
                self.lost += 1

    def _send_messages(self, client: Client) -> None:
        if not client.reply():
            raise ConnectionAbortedError
        while not self.enough:
            if client.say(*RCPT, "DATA")[:3] != "354":
                raise ConnectionAbortedError
            self.sent.append(f"{self._sender} {len(self.sent)}")
            client.send(f"{self.sent[-1]}\r\n.\r\n")
            if client.reply()[:3] != "250":
                raise ConnectionAbortedError
            self.stored.append(self.sent[-1])
            self._pace.release()


@contextmanager
def load(server: Program, pace: threading.Semaphore) -> Generator[list[Sender]]:
    """Clients that send for the length of a `with` block."""
    senders = [Sender(server.address, f"sender {number}:", pace) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.enough = True
        for sender in senders:
            sender.join()


def test_what_they_took_is_kept_the_rest_can_be_sent_again_and_the_other_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "callbacks.py").write_text(CALLBACKS)
    options = {"callbackoptions": {"maildir": str(tmp_path / "mail")}}
    pace = threading.Semaphore(0)
    with program(tmp_path, sessionoptions=options) as server:
        steady, doomed = server.counts()
        with server.client_of(steady) as spared:
            with load(server, pace) as senders:
                for _ in range(KILLS):
                    for _ in range(MESSAGES_BETWEEN):
                        assert pace.acquire(timeout=20)
                    os.kill(doomed, signal.SIGKILL)
                    assert server.hear("died") == [doomed, "was killed by signal 9"]
                    doomed = server.hear("started")
                    assert spared.say("NOOP") == "250 Ok"
                for _ in range(MESSAGES_BETWEEN):
                    assert pace.acquire(timeout=20)
            spared.send("QUIT\r\n")
            assert spared.rest() == "221 Bye\r\n"
        while any((counts := server.counts()).values()):
            pass
        assert set(counts) == {steady, doomed}
        server.signal(signal.SIGTERM)
        assert server.ended_well()
    kept = [path.read_text().splitlines()[-1] for path in (tmp_path / "mail" / "new").iterdir()]
    assert len(set(kept)) == len(kept)
    assert {each for sender in senders for each in sender.stored} <= set(kept)
    assert set(kept) <= {each for sender in senders for each in sender.sent}
    # A sender has one connection at a time, so that a kill can have cost it no more than one.
    assert sum(sender.lost for sender in senders) <= KILLS * SENDERS
