"""The commands that see and steer a server, run in this process against a server in another thread."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gen_smtp.cli import app, tables
from gen_smtp.cli.control_commands import COMMANDS
from gen_smtp.control.requests import REQUESTS
from tests.gen_smtp.control.test_control import Running, controlled
from tests.gen_smtp.live import Client

ROOT = Path(__file__).parents[3]


@pytest.fixture
def running(short_path: Path) -> Generator[Running]:
    with controlled(short_path / "control") as running:
        yield running


def run(running: Running | None, *arguments: str) -> Result:
    variables = {} if running is None else {"GEN_SMTP_CONTROL": running.path}
    return CliRunner().invoke(app, [*arguments], env=variables)


def test_sessions_as_a_table_and_as_json(running: Running) -> None:
    with running.client("EHLO client.test"):
        shown = run(running, "sessions")
        assert shown.exit_code == 0
        assert "1 of 1 session\n" in shown.stdout
        assert "client.test" in shown.stdout
        (session,) = json.loads(run(running, "sessions", "--json").stdout)["sessions"]
        assert session["helo"] == "client.test"
        one = run(running, "session", session["urn"])
        assert "recipient count  0" in one.stdout
        tree = run(running, "tree").stdout
        assert f"SmtpSession  {session['urn']}  127.0.0.1, " in tree
        kicked = run(running, "kick", session["urn"], "urn:x")
        assert (kicked.exit_code, kicked.stdout) == (
            1,
            f"{session['urn']}: ends\nurn:x: there is no such session\n",
        )


def test_what_a_client_says_is_text_and_no_more(running: Running) -> None:
    with running.client("EHLO [bold]x\x1b[31m"):
        pass
    answer: dict[str, Any] = {"sessions": [_session(helo="[bold]\x1b[31m\r\nx", user="\u202e")], "total": 1}
    shown = _printed(tables.sessions(answer))
    assert "[bold]\\x1b[31m\\x0d\\x0ax" in shown
    assert "\x1b" not in shown


def _session(**facts: Any) -> dict[str, Any]:
    names = ("urn", "process", "peer", "helo", "user", "state", "messages", "refused")
    return {**dict.fromkeys(names, 1), "age": 1.0, "idle": 1.0, **facts}


def _printed(shown: Any) -> str:
    console = tables.console()
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_all_pages_are_fetched(running: Running) -> None:
    clients = [running.client() for _ in range(5)]
    try:
        assert len(json.loads(run(running, "sessions", "--limit", "0", "--json").stdout)["sessions"]) == 5
        assert len(json.loads(run(running, "sessions", "--limit", "2", "--json").stdout)["sessions"]) == 2
    finally:
        for each in clients:
            each.close()


def test_figures_listeners_and_top(running: Running) -> None:
    with running.client("EHLO client.test"):
        assert "sessions_opened" in run(running, "stats").stdout
        assert "listening" in run(running, "listeners").stdout
        top = run(running, "top", "--count", "2", "--interval", "0.1")
        assert top.exit_code == 0
        assert "client.test" in top.stdout
        assert "a second: 0.0 new sessions" in top.stdout


def test_changes_say_what_they_have_done(running: Running) -> None:
    pid = os.getpid()
    assert run(running, "suspend").stdout == f"suspended (process {pid})\n"
    assert "suspended" in run(running, "listeners").stdout
    assert run(running, "resume").stdout == f"resumed (process {pid})\n"
    assert run(running, "reload", "--json").stdout == f'{{"processes": [{pid}]}}\n'
    added = run(running, "add-listener", "port=0", "address=127.0.0.1", "sessionoptions.limits.errors=5")
    address = added.stdout.removeprefix("listening on ").strip()
    host, _, port = address.partition(":")
    with Client((host, int(port))) as client:
        assert client.reply().startswith("220")
    removed = run(running, "remove-listener", address)
    assert removed.stdout == f"no longer listening on {address} (process {pid})\n"
    level = run(running, "log-level", "info", "--logger", "tests.cli")
    assert level.stdout == f"logging from info on (process {pid})\n"


def test_stop_waits_for_the_end(short_path: Path) -> None:
    with suppress(Exception), controlled(short_path / "control") as running:
        assert run(running, "stop", "--wait").stdout == "stopped\n"
        assert not (short_path / "control").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["session", "urn:x"], 1, "there is no session urn:x; it may have ended, see `gen-smtp sessions`"),
        (["log-level", "loud"], 1, "level: one of debug, info, warning, error, critical is needed"),
        (["add-listener", "prt=5"], 1, "listener 1, option prt: there is no such option"),
        (["add-listener", "=5"], 2, "OPTION=VALUE: '=5' has no key"),
        (["add-listener", "a=5", "a.b=5"], 2, "OPTION=VALUE: 'a.b' stands in 'a', which is given a value"),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_code(
    running: Running, arguments: list[str], code: int, text: str
) -> None:
    ended = run(running, *arguments)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert ended.stderr.startswith(f"gen-smtp: {text}")
    assert ended.stderr.count("\n") == 1


def test_no_server(short_path: Path) -> None:
    ended = run(None, "stats", "--control", str(short_path / "none"))
    assert ended.exit_code == 3
    assert "there is no socket" in ended.stderr
    ended = run(None, "stats")
    assert (ended.exit_code, ended.stderr) == (
        2,
        "gen-smtp: --control: say at which path the server answers, or set GEN_SMTP_CONTROL\n",
    )


def test_no_answer(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(short_path / "mute"))
        mute.listen()
        ended = run(None, "stats", "--control", str(short_path / "mute"), "--timeout", "0.1")
    assert ended.exit_code == 5


def test_every_request_has_a_command_and_a_row_in_the_docs() -> None:
    commands = {name for name, _ in COMMANDS}
    assert set(REQUESTS) == commands - {"top"}
    text = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")
    assert [name for name in commands if f"| `gen-smtp {name}" not in text] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (61, "1:01"), (3661, "1:01:01"), (180000, "2 d 2 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(5, "5"), (1536, "1.5 KiB"), (2**20, "1.0 MiB"), (2**31, "2.0 GiB")]
)
def test_octets(count: int, text: str) -> None:
    assert tables.octets(count) == text
