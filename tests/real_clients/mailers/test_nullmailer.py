"""A real nullmailer, which says no SIZE and writes all of a message before it reads."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gen_smtp.live import PATIENCE, behaviour, serving

PERMANENT = 35
"""ERR_MSG_PERMFAIL: nullmailer returns the mail. Anything else has it send it again."""
SENT = 0

Nullmailer = Callable[[int, bytes], "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def nullmailer(require_tool: Callable[[str], str], tmp_path: Path) -> Nullmailer:
    """`nullmailer(port, message)`: sends one message, as nullmailer-send has it sent."""
    command = require_tool("nullmailer-smtp")
    path = tmp_path / "mail"

    def send(port: int, message: bytes) -> subprocess.CompletedProcess[bytes]:
        path.write_bytes(b"a@example.com\nb@example.com\n\n" + message)
        return subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" 3<"$0"', str(path), command, "--host=127.0.0.1", f"--port={port}"],
            env={**os.environ, "HELOHOST": "client.example"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    return send


@pytest.mark.parametrize(
    ("octets", "outcome", "said"),
    [
        (10_000, SENT, b"taken"),
        (200_000, PERMANENT, b"552 Message too large"),
        (20_000_000, PERMANENT, b"552 Message too large"),
    ],
)
def test_a_message_that_is_too_large_is_returned_and_not_sent_again(
    nullmailer: Nullmailer, octets: int, outcome: int, said: bytes
) -> None:
    limits = {"message_size": 65536}
    with serving(behaviour(), sessionoptions={"limits": limits}) as server:
        done = nullmailer(server.addresses[0][1], b"Subject: x\n\n" + (b"y" * 70 + b"\n") * (octets // 71))
    assert done.returncode == outcome, done.stderr
    assert said in done.stdout
