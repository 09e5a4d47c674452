"""What SIGHUP does to a busy process, and with code that can't be used."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.maildir import MaildirHandler
from gen_smtp.process.reload import NotReloadable, load_again
from tests.gen_smtp.live import Client
from tests.gen_smtp.workers.test_pool import Program, program, write_callbacks

WAITING = """

import actors

def wait():
    with open("gate") as gate:
        gate.read()

class MyServer(MyServer):
    def handle_RCPT(self, recipient):
        actors.run_blocking(wait)
        return ok
"""


def write_waiting_callbacks(folder: Path, version: int, more: str = "") -> None:
    write_callbacks(folder, version)
    with (folder / "callbacks.py").open("a") as file:
        file.write(WAITING + more)


def busy(client: Client) -> Client:
    """A client whose callback waits until somebody writes to `gate`."""
    assert client.say("HELO me", "MAIL FROM:<a@b.example>").startswith("250 ")
    client.send("RCPT TO:<a@b.example>\r\n")
    return client


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("workers", [1, 2])
class TestABusySession:
    def test_keeps_no_signal_behind_it_waiting(self, tmp_path: Path, gate: Path, workers: int) -> None:
        """With a wait of 5 s for each of them, the process would be deaf for longer than a test may take."""
        write_waiting_callbacks(tmp_path, 1)
        with program(tmp_path, workers) as server:
            clients = [Client(server.address) for _ in range(24)]
            idle = Client(server.address)
            try:
                assert all(each.reply().startswith("220 ") for each in (*clients, idle))
                waiting = [busy(each) for each in clients]
                write_waiting_callbacks(tmp_path, 2)
                for _ in range(300):
                    server.signal(signal.SIGHUP)
                server.hear("reloaded")
                server.signal(signal.SIGTERM)
                assert idle.rest().startswith("421 ")
                server.signal(signal.SIGINT)
                assert "250" not in waiting[0].rest()
            finally:
                for each in (*clients, idle):
                    each.close()

    def test_changes_at_its_next_command_while_the_others_have_changed(
        self, tmp_path: Path, gate: Path, workers: int
    ) -> None:
        write_waiting_callbacks(tmp_path, 1)
        with (
            program(tmp_path, workers) as server,
            Client(server.address) as first,
            Client(server.address) as second,
        ):
            assert first.reply() == second.reply() == "220 code 1"
            busy(first)
            write_waiting_callbacks(tmp_path, 2)
            server.signal(signal.SIGHUP)
            reloaded(server, workers)
            with Client(server.address) as later:
                assert later.reply() == "220 code 2"
            assert second.say("VRFY me") == "250 verified by code 2"
            with gate.open("w"):
                pass
            assert first.reply().startswith("250 ")
            assert first.say("VRFY me") == "250 verified by code 2"


def reloaded(server: Program, workers: int) -> None:
    """Wait until certificates were reloaded everywhere, so that the code is about to be."""
    for _ in range(2 * workers + (2 if workers > 1 else 0)):
        server.hear("reloaded")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "ending", ["raise SystemExit(0)", "import sys; sys.exit('no')", "raise KeyboardInterrupt"]
)
def test_a_module_that_ends_the_program_is_one_that_can_not_be_used(
    tmp_path: Path, workers: int, ending: str
) -> None:
    with program(tmp_path, workers) as server, Client(server.address) as client:
        assert client.reply() == "220 code 1"
        (tmp_path / "callbacks.py").write_text(f"VERSION = 2\n{ending}\n")
        server.signal(signal.SIGHUP)
        assert server.hear("failed")[0] == "callback code"
        assert client.say("VRFY me") == "250 verified by code 1"
        server.signal(signal.SIGTERM)
        assert server.end() == 0


def test_a_session_whose_code_change_ends_the_program_keeps_its_code(tmp_path: Path) -> None:
    raising = """
    @classmethod
    def code_change(cls, old_vsn, old, extra):
        raise SystemExit("no")
"""
    with program(tmp_path, 1) as server, Client(server.address) as client:
        assert client.reply() == "220 code 1"
        write_waiting_callbacks(tmp_path, 2, raising)
        server.signal(signal.SIGHUP)
        assert [server.hear("reloaded"), server.hear("reloaded")] == ["certificates", "callback code"]
        assert client.say("NOOP") == "250 Ok"
        assert 'goes on with the old code: RuntimeError("code_change raised SystemExit' in server.log()
        with Client(server.address) as later:
            assert later.reply() == "220 code 2"


class TestLoadingAgain:
    def test_leaves_out_what_is_gen_smtps_own(self) -> None:
        with pytest.raises(NotReloadable, match="MaildirHandler is gen_smtp's own"):
            load_again(MaildirHandler)

    def test_takes_a_class_that_is_derived_from_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = "from gen_smtp.maildir import MaildirHandler\nclass Mine(MaildirHandler):\n    number = {}\n"
        (tmp_path / "mine_to_reload.py").write_text(text.format(1))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr("sys.dont_write_bytecode", True)
        import mine_to_reload  # type: ignore[import-not-found]

        before: Any = mine_to_reload.Mine
        (tmp_path / "mine_to_reload.py").write_text(text.format(2))
        after: Any = load_again(before)
        assert (before.number, after.number) == (1, 2)
        assert after.__mro__[1] is MaildirHandler
