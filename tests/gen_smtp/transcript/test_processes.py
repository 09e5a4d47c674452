"""One transcript for several processes: whole lines, and another file behind a rotation."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.gen_smtp.live import Client
from tests.gen_smtp.processes import processes


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_opens_the_file_again(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "transcript"
    given = {"sessionoptions": {"transcript": str(path)}}
    with processes(tmp_path, workers=workers, listeners=[given]) as program:
        (address,) = program.hear_addresses()
        for _ in range(6):
            with Client(address) as client:
                client.reply()
                client.say("QUIT")
                assert client.rest() == ""
        assert path.read_text().count("S: 220 ") == 6
        path.rename(tmp_path / "before")
        os.kill(program.process.pid, signal.SIGHUP)
        for _ in range(workers):
            while program.hear("Reloaded")[1] != "transcripts":
                pass
        with Client(address) as client:
            client.reply()
            client.say("NOOP")
            assert path.read_text().count("C: NOOP") == 1
        assert "NOOP" not in (tmp_path / "before").read_text()
