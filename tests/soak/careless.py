"""Handlers that break the promise, so that the tests can show that it would be noticed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from gen_smtp.callbacks.behaviour import Verdict
from gen_smtp.gen_smtp_server_session import Multiple, ok
from gen_smtp.maildir.delivery import Draft
from gen_smtp.maildir.handler import MaildirHandler

A_WHILE = 0.02


class SaysOkTooEarly(MaildirHandler):
    """The 250 comes first; a kill in between loses the message."""

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Verdict | Multiple:
        threading.Timer(A_WHILE, super().handle_DATA, (sender, recipients, data)).start()
        return ok


class WritesWhereReadersLook(MaildirHandler):
    """There is no `tmp`: a kill leaves half a message in `new`."""

    def _maildir(self, folder: Path) -> Any:
        return _OnlyNew(super()._maildir(folder))


class _OnlyNew:
    def __init__(self, maildir: Any) -> None:
        self._maildir = maildir

    def __getattr__(self, name: str) -> Any:
        return getattr(self._maildir, name)

    def write(self, name: str, parts: tuple[bytes, ...]) -> Draft:
        new = self._maildir.path / "new"
        new.mkdir(parents=True, exist_ok=True)
        with (new / name).open("wb", buffering=0) as file:
            for part in parts:
                time.sleep(A_WHILE / 2)
                file.write(part)
                time.sleep(A_WHILE / 2)
        return _Shown(self._maildir.path, name)


class _Shown(Draft):
    def publish(self) -> None:
        pass
