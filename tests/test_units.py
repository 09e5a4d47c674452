"""The unit files for systemd are right, as far as can be told without being booted by it."""

from __future__ import annotations

import configparser
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.gen_smtp.live import PATIENCE, Client
from tests.gen_smtp.processes import command_line

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "examples" / "systemd"


def unit(name: str) -> configparser.ConfigParser:
    """A unit file; of options that it has several times, the last."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(UNITS / name)
    return parsed


SERVICE, SOCKET = unit("gen-smtp.service")["Service"], unit("gen-smtp.socket")["Socket"]
COMMAND = shlex.split(SERVICE["ExecStart"])


def value_of(flag: str) -> str:
    """The value that the service's command has for an option."""
    return COMMAND[COMMAND.index(flag) + 1]


def test_systemd_finds_no_fault_with_them(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    for path in UNITS.iterdir():
        # What it starts is not installed here.
        text = path.read_text().replace(COMMAND[0], sys.executable)
        (tmp_path / path.name).write_text(text)
    names = sorted(f"./{path.name}" for path in UNITS.iterdir())
    assert names == ["./gen-smtp.service", "./gen-smtp.socket"]
    verified = subprocess.run(
        [require_tool("systemd-analyze"), "--man=no", "verify", *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_the_command_has_such_options() -> None:
    taught = subprocess.run(
        command_line("serve", "--help"), capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert COMMAND[1] == "serve"
    for flag in (each for each in COMMAND if each.startswith("--")):
        assert f"{flag} " in taught


def test_what_it_says_of_installing_needs_the_folder_alone() -> None:
    """The project is in no package index."""
    text = (UNITS / "gen-smtp.service").read_text()
    assert "bin/pip install . " in text
    assert "pip install gen-smtp" not in text


def test_they_fit_each_other_and_the_server() -> None:
    assert value_of("--control").startswith(f"/run/{SERVICE['RuntimeDirectory']}/")
    assert SOCKET["ListenStream"] == value_of("--port")
    assert float(SERVICE["TimeoutStopSec"]) > float(value_of("--grace"))
    assert (SERVICE["Type"], SERVICE["NotifyAccess"]) == ("notify", "main")
    assert SERVICE["ExecReload"].endswith("kill -HUP $MAINPID")
    assert "KillMode" not in SERVICE  # all hear SIGTERM, also a process that finishes its sessions


def test_the_server_takes_what_systemds_own_tool_gives_it(require_tool: Callable[[str], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tool = [require_tool("systemd-socket-activate"), "--listen", f"127.0.0.1:{port}", "--fdname", "smtp"]
    passed = ["--setenv", f"PYTHONPATH={ROOT}"]
    command = command_line("serve", "--address", "127.0.0.1", "--port", str(port))
    with subprocess.Popen([*tool, *passed, *command], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Listening on ")
            with Client(("127.0.0.1", port)) as client:  # which starts the server
                assert client.reply().startswith("220 ")
                process.send_signal(signal.SIGTERM)
                assert client.reply().startswith("421 ")
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
