"""The messages that were caught, newest last, in memory or in a Maildir as well."""

from __future__ import annotations

import mailbox
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from actors import GeventFuture
from gen_smtp.testing import CaughtMessage

MOST_MESSAGES = 1000


@dataclass(frozen=True)
class Kept:
    """A message that was caught.

    Attributes:
        caught: the message, with all that is known of how it came.
        id: what the API calls it.
        created: when it came, in seconds since the epoch.
    """

    caught: CaughtMessage
    id: str = field(default_factory=lambda: secrets.token_hex(11))
    created: float = field(default_factory=time.time)


class Store:
    """Keeps so many messages; the oldest goes when one more comes. May be used from any thread.

    Args:
        most: how many.
        maildir: a folder that gets a copy of each, and loses none; None for none.
        on_kept: called with each message.
    """

    def __init__(
        self,
        most: int = MOST_MESSAGES,
        maildir: Path | None = None,
        on_kept: Callable[[Kept], object] = lambda kept: None,
    ) -> None:
        self._most = most
        self._maildir = None if maildir is None else mailbox.Maildir(maildir, create=True)
        self._on_kept = on_kept
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        self._waiting: list[GeventFuture[None]] = []
        self.read: set[str] = set()

    def add(self, caught: CaughtMessage) -> None:
        """Keep one more."""
        kept = Kept(caught)
        if self._maildir is not None:
            self._maildir.add(caught.data)
        with self._lock:
            self._kept[kept.id] = kept
            while len(self._kept) > self._most:
                self._forget(next(iter(self._kept)))
            waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.set()
        self._on_kept(kept)

    def all(self) -> list[Kept]:
        """All of them, the newest first."""
        with self._lock:
            return list(reversed(self._kept.values()))

    def get(self, message_id: str) -> Kept | None:
        """One of them, by its id; `latest` is the newest."""
        with self._lock:
            if message_id == "latest":
                return next(reversed(self._kept.values()), None)
            return self._kept.get(message_id)

    def delete(self, ids: Iterable[str]) -> None:
        """Forget some."""
        with self._lock:
            for each in ids:
                self._forget(each)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self.read.clear()

    def next_one(self) -> GeventFuture[None]:
        """A future that is done when one more message has come."""
        future: GeventFuture[None] = GeventFuture()
        with self._lock:
            self._waiting.append(future)
        return future

    def give_up(self, future: GeventFuture[None]) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            if future in self._waiting:
                self._waiting.remove(future)

    def _forget(self, message_id: str) -> None:
        self._kept.pop(message_id, None)
        self.read.discard(message_id)
