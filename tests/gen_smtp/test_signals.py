"""What SIGTERM and SIGINT do to `serve_forever`, in programs of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

PROGRAM = """
import os, signal, sys

patched, when, number = sys.argv[1] == "patched", sys.argv[2], int(sys.argv[3])
if patched:
    from gevent import monkey
    monkey.patch_all()

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour

before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

def end_this(server):
    if when == "before serving":
        os.kill(os.getpid(), number)
    else:
        server.stop()

gen_smtp_server.serve_forever(Behaviour, [{"address": "127.0.0.1", "port": 0}], on_started=end_this)
if not patched:
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
print("ended well")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["before serving", "stopped"])
@pytest.mark.parametrize("patched", ["patched", "unpatched"])
def test_a_signal_or_a_stop_ends_the_program_well_however_early(
    patched: str, when: str, number: signal.Signals
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, patched, when, str(int(number))],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert (ended.returncode, ended.stdout) == (0, "ended well\n"), ended.stderr
