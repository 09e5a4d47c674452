"""A real Exim, which sends MAIL, all RCPTs and DATA in one go."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import events
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok
from tests.gen_smtp.live import Queue, behaviour, collected, everything, serving, take
from tests.real_clients.tools.exim import Exim

LATER, NOW = "later@example.org", "now@example.org"
MANY = [f"r{number}@example.com" for number in range(60)]
MESSAGE = b"Subject: hello\n\nhello\n"


@pytest.fixture
def exim_command(require_tool: Callable[[str], str]) -> str:
    command = require_tool("exim4")
    if os.geteuid() != 0:
        pytest.skip("only root can run Exim with a configuration of its own")
    return command


@pytest.fixture
def taken() -> Queue:
    """The messages that were taken: sender and recipients."""
    return queue.SimpleQueue()


@pytest.fixture
def module(taken: Queue) -> type[Behaviour]:
    """Puts off a sender, or a recipient, whose name says so."""

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        taken.put((sender, recipients))
        return ok("queued")

    def unless_later(self: Any, address: str) -> Any:
        return error("451 4.3.0 later") if address.startswith("later") else ok

    return behaviour(handle_MAIL=unless_later, handle_RCPT=unless_later, handle_DATA=handle_DATA)


@pytest.mark.parametrize(
    ("sender", "recipients", "put_off", "refused"),
    [
        (LATER, MANY, MANY, ["MAIL", *["RCPT"] * len(MANY), "DATA"]),
        (NOW, ["later1@example.com", "later2@example.com"], ["later1@example.com"], ["RCPT", "RCPT", "DATA"]),
    ],
)
def test_a_mail_that_is_put_off_holds_up_no_other_for_the_host(
    module: Any,
    taken: Queue,
    exim_command: str,
    short_path: Path,
    sender: str,
    recipients: list[str],
    put_off: list[str],
    refused: list[str],
) -> None:
    """With every 503 counted, 60 recipients were 20 errors and a 421."""
    short_path.chmod(0o755)
    limits = {"errors": 1, "junk_commands": 3}
    with (
        collected(events.CommandRefused) as refusals,
        serving(module, sessionoptions={"limits": limits}) as server,
    ):
        exim = Exim(exim_command, short_path, server.addresses[0][1])
        exim.send(sender, recipients, MESSAGE)
        exim.send(NOW, ["b@example.com"], MESSAGE)
        assert take(taken) == (NOW, ["b@example.com"])
    told = everything(refusals)
    assert [event.verb for event in told] == refused
    assert not [event for event in told if event.reply.startswith("421")]
    for recipient in put_off:
        assert f"== {recipient}" in exim.log
    assert "451 4.3.0 later" in exim.log
    assert "=> b@example.com" in exim.log
