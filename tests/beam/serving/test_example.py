"""The example for Erlang: its README typed into a shell, and its supervisor."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.beam.beams import ROOT, Beam, Beams, Epmd, write_cookie
from tests.gen_smtp.live import Client

EXAMPLE = ROOT / "examples" / "erlang"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
COMMANDS = [block.splitlines() for block in re.findall(r"```erlang\n(.*?)```", README, re.DOTALL)]


@pytest.fixture
def shell(epmd: Epmd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beam]:
    """The node `names` of the README, where `mx.erl` is; all have the cookie of the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(write_cookie(tmp_path), home / ".erlang.cookie")
    (home / ".erlang.cookie").chmod(0o400)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copy(EXAMPLE / "mx.erl", tmp_path)
    with closing(Beams(epmd, tmp_path)) as nodes:
        node = nodes.start("names")
        node(f'os:putenv("HOME", "{home}"), ok = file:set_cwd("{tmp_path}")')
        yield node


def command_of(shell: Beam) -> str:
    """The command of the README that starts the program, as it is to be run here."""
    (line,) = [line for block in COMMANDS for line in block if line.startswith("mx:start(")]
    assert "python3 mx.py names@127.0.0.1" in line
    return line.replace("python3 mx.py", f"{sys.executable} {EXAMPLE / 'mx.py'}")


def test_the_readme_typed_into_a_shell(shell: Beam) -> None:
    whereis, sessions, session, supervised = COMMANDS
    assert whereis == ["global:whereis_name(mx)."]
    shell("c:c(mx)")
    start = command_of(shell).replace("mx:start(", "mx:child(").replace("names@127.0.0.1", shell.name)
    shell(start)
    assert shell(whereis[0]).startswith("<")
    assert shell(sessions[0]) == "[]"
    port = int(shell("[{_, Port_}] = gen_server:call({global, mx}, addresses), Port_"))
    with Client(("127.0.0.1", port)) as client:
        assert client.reply().startswith("220 mx.example.com")
        shell.wait_until("length(gen_server:call({global, mx}, sessions))", "1")
        take, watch, greet, goodbye, flush = session
        shell(take)
        shell(watch)
        shell(greet)
        shell(goodbye)
        assert flush == "flush()."
        assert shell("receive {'DOWN', _, process, S, Why} -> Why end") == "normal"
        client.rest()
    assert shell("gen_server:stop({global, mx})") == "ok"
    assert supervised[0] == "c(mx)."


def test_the_supervisor_starts_the_program_again_until_it_is_stopped(shell: Beam) -> None:
    shell("c:c(mx), process_flag(trap_exit, true)")
    shell(command_of(shell).replace("names@127.0.0.1", shell.name))
    shell("First = global:whereis_name(mx)")
    assert shell("exit(First, kill)") == "true"
    shell.wait_until("is_pid(global:whereis_name(mx)) andalso global:whereis_name(mx) =/= First")
    shell.wait_until("[is_pid(P_) || {mx, P_, _, _} <- supervisor:which_children(mx_sup)]", "[true]")
    assert shell("gen_server:call({global, mx}, sessions)") == "[]"
    assert shell("gen_server:stop({global, mx})") == "ok"
    shell.wait_until("global:whereis_name(mx)", "undefined")
    shell.wait_until("supervisor:which_children(mx_sup)", "[{mx,undefined,worker,[mx]}]")
