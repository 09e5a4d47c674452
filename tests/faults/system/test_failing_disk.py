"""Disks that are full or broken: no 250 for what is not stored, and all is well when they are."""

from __future__ import annotations

import errno
import os
import pty
import random
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.maildir.handler import MaildirHandler
from tests.faults.recovery import assert_empty, assert_recovered
from tests.gen_smtp.live import DATA, RCPT, behaviour, serving

SENDERS = 4
MESSAGES = 15


@contextmanager
def full_disk() -> Generator[int]:
    """A descriptor that the kernel has no space for writes to."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def broken_disk() -> Generator[int]:
    """A descriptor whose device is gone."""
    device, descriptor = pty.openpty()
    os.close(device)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("blocking", [frozenset(), frozenset({"handle_DATA"})], ids=["turn", "thread"])
@pytest.mark.parametrize(
    ("disk", "number"), [(full_disk, errno.ENOSPC), (broken_disk, errno.EIO)], ids=["full", "broken"]
)
def test_a_handler_that_lets_such_an_error_out_loses_its_session_and_no_mail(
    disk: Any, number: int, blocking: frozenset[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writes_to: list[int] = []

    def handle_DATA(self: Any, sender: str, recipients: list[str], body: bytes) -> Any:
        os.write(writes_to[-1], body)
        return ok("taken")

    with (
        disk() as bad,
        (tmp_path / "mail").open("wb") as good,
        serving(behaviour(handle_DATA=handle_DATA, blocking=blocking)) as server,
        server.greeted(*RCPT) as bystander,
    ):
        writes_to.append(bad)
        with server.greeted(*DATA) as client:
            client.send("lost?\r\n.\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"
        assert os.strerror(number) in caplog.text
        caplog.clear()
        writes_to.append(good.fileno())
        assert bystander.say("DATA")[:3] == "354"
        bystander.send("kept\r\n.\r\nQUIT\r\n")
        assert bystander.rest() == "250 taken\r\n221 Bye\r\n"
        assert_recovered(server)
    assert (tmp_path / "mail").read_bytes().startswith(b"kept\r\n")


@pytest.mark.parametrize("name", ["write", "fsync", "rename"])
def test_a_maildir_whose_disk_fails_now_and_then_has_each_message_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Senders come again until they have their 250, as they have to."""
    options = {"callbackoptions": {"maildir": str(tmp_path / "mail")}}
    refused: list[str] = []
    with serving(MaildirHandler, sessionoptions=options) as server:

        def send(sender: int) -> None:
            with server.greeted(*RCPT[:1]) as client:
                for number in range(MESSAGES):
                    while True:
                        assert client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")[:3] == "354"
                        client.send(f"number {number} of {sender}\r\n.\r\n")
                        if (reply := client.reply())[:3] == "250":
                            break
                        refused.append(reply)

        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing_now_and_then(getattr(os, name)))
            senders = [threading.Thread(target=send, args=[number]) for number in range(SENDERS)]
            for each in senders:
                each.start()
            for each in senders:
                each.join()
        caplog.clear()
        assert_empty(server)
    assert set(refused) == {
        "452 4.3.1 Insufficient system storage",
        "451 4.3.0 Error: the message could not be stored",
    }
    bodies = [path.read_text().splitlines()[-1] for path in (tmp_path / "mail" / "new").iterdir()]
    assert sorted(bodies) == sorted(f"number {n} of {s}" for s in range(SENDERS) for n in range(MESSAGES))
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


def failing_now_and_then(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, which fails about half of the time; by chance, so that two senders can't fall into step."""
    chance = random.Random(5)

    def flaky(*arguments: Any, **named: Any) -> Any:
        number = chance.choice([None, None, errno.ENOSPC, errno.EIO])
        if number is not None and threading.current_thread() is not threading.main_thread():
            raise OSError(number, os.strerror(number))
        return call(*arguments, **named)

    return flaky
