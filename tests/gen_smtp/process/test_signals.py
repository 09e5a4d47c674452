"""What SIGTERM and SIGINT do to `serve_forever`, in programs of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, Client
from tests.gen_smtp.processes import PROJECT, processes

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


class TestASecondSignal:
    @pytest.mark.parametrize(
        ("first", "second", "patched"),
        [
            (signal.SIGTERM, signal.SIGTERM, False),
            (signal.SIGINT, signal.SIGTERM, False),
            (signal.SIGTERM, signal.SIGTERM, True),
        ],
    )
    def test_waits_for_nobody(
        self, tmp_path: Path, patched: bool, first: signal.Signals, second: signal.Signals
    ) -> None:
        with processes(tmp_path, patched=patched, times={"grace": 600.0}) as server:
            [address] = server.hear_addresses()
            with Client(address) as busy, Client(address) as idle:
                assert busy.reply().startswith("220 ")
                assert busy.say(*DATA).startswith("354 ")
                assert idle.reply().startswith("220 ")
                os.kill(server.process.pid, first)
                assert idle.reply().startswith("421 ")
                os.kill(server.process.pid, second)
                assert "250" not in busy.rest()
                server.hear("ended")
            assert server.process.wait(PATIENCE) == 0

    def test_ends_a_process_that_something_blocks(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "gate")
        with processes(tmp_path, constants={"process.service.CUT_TIME": 0.1}) as server:
            [address] = server.hear_addresses()
            with Client(address) as client:
                assert client.reply().startswith("220 ")
                client.send("VRFY block\r\n")
                with (tmp_path / "gate").open("w"):  # it is blocked now
                    # Two of the same number, one upon the other, could arrive as one.
                    os.kill(server.process.pid, signal.SIGTERM)
                    os.kill(server.process.pid, signal.SIGINT)
                    server.hear("CutShort")
                    assert -server.process.wait(PATIENCE) in (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize(("workers", "grace"), [(1, 600.0), (2, 0.0)])
def test_a_message_in_hand_gets_the_grace_that_was_asked_for(
    tmp_path: Path, workers: int, grace: float
) -> None:
    with processes(tmp_path, workers=workers, times={"grace": grace}) as server:
        [address] = server.hear_addresses()
        with Client(address) as busy:
            assert busy.reply().startswith("220 ")
            assert busy.say(*DATA).startswith("354 ")
            os.kill(server.process.pid, signal.SIGTERM)
            if grace:
                with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
                    while True:
                        Client(address).close()
                busy.send(MESSAGE)
                assert busy.reply() == "250 taken"
                assert busy.say("QUIT") == "221 Bye"
            else:
                assert "250" not in busy.rest()
            server.hear("ended")


def test_signals_are_heard_in_a_greenlet_of_a_patched_program() -> None:
    """Its main thread is where it runs, though `threading` does not say so."""
    program = PROGRAM.replace(
        "gen_smtp_server.serve_forever(", "gevent.spawn(gen_smtp_server.serve_forever, "
    )
    program = program.replace("on_started=end_this)", "on_started=end_this).get()").replace(
        "from gevent import monkey", "import gevent; from gevent import monkey"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "patched", "before serving", str(int(signal.SIGTERM))],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert (ended.returncode, ended.stdout) == (0, "ended well\n"), ended.stderr


@pytest.mark.parametrize("name", ["grace", "drain"])
def test_times_are_checked(name: str) -> None:
    with pytest.raises(gen_smtp_server.OptionsError) as wrong:
        gen_smtp_server.serve_forever(Behaviour, **{name: -1})  # type: ignore[arg-type]
    assert wrong.value.option == name
