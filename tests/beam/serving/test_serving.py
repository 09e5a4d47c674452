"""Processes that serve as nodes: by themselves, with a successor, with workers, and by the command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.beam.beams import Beam, BeamError, Epmd, write_cookie
from tests.gen_smtp.live import PATIENCE, Client
from tests.gen_smtp.processes import Processes, command_line, processes

Serve = Callable[..., AbstractContextManager[Processes]]

# Looks all the time whether somebody has the name.
WATCH = """
-module(watch).
-export([start/1, stop/1]).
start(Name) -> spawn(fun() -> loop(Name, 0, 0) end).
loop(Name, Looks, Missed) ->
    receive
        {stop, From} -> From ! {looked, Looks > 0, Missed}
    after 0 ->
        loop(Name, Looks + 1, case global:whereis_name(Name) of undefined -> Missed + 1; _ -> Missed end)
    end.
stop(Pid) -> Pid ! {stop, self()}, receive {looked, _, _} = Looked -> Looked end.
"""


@pytest.fixture
def serve(epmd: Epmd, beam: Beam, tmp_path: Path) -> Serve:
    """`serve(workers=1, **options)`: processes that serve `{global, mx}`, as nodes `mx1...`."""

    def start(workers: int = 1, drain: float = 0.0, **options: Any) -> AbstractContextManager[Processes]:
        node = {
            "node": "mx1@127.0.0.1",
            "cookie_file": str(write_cookie(tmp_path)),
            "seeds": [beam.name],
            "name": "global:mx",
            **options,
        }
        times = {"node": node, "drain": drain}
        environment = {"ERL_EPMD_PORT": str(epmd.port)}
        return processes(tmp_path, workers=workers, times=times, environment=environment)

    return start


def wait_for_name(beam: Beam, node: str = "mx1@127.0.0.1") -> None:
    """Wait until a node's actor has the name."""
    look = "case global:whereis_name(mx) of undefined -> undefined; P_ -> node(P_) end"
    beam.wait_until(look, f"'{node}'")


def test_a_process_that_serves_has_the_name_until_it_ends(serve: Serve, beam: Beam) -> None:
    with serve() as program:
        (address,) = program.hear_addresses()
        wait_for_name(beam)
        with Client(address) as client:
            assert client.reply().startswith("220")
            assert beam("length(gen_server:call({global, mx}, sessions))") == "1"
            program.process.send_signal(signal.SIGTERM)
            assert client.rest().startswith("421")
        program.hear("ended")
    beam.wait_until("global:whereis_name(mx)", "undefined")


def test_gen_server_stop_ends_the_process(serve: Serve, beam: Beam) -> None:
    with serve() as program:
        program.hear_addresses()
        wait_for_name(beam)
        assert beam("gen_server:stop({global, mx})") == "ok"
        program.hear("ended")


def test_a_successor_takes_the_name_over_and_at_no_time_has_nobody_it(serve: Serve, beam: Beam) -> None:
    beam.load(WATCH)
    with serve(drain=PATIENCE) as program:
        (address,) = program.hear_addresses()
        wait_for_name(beam)
        beam("Watch = watch:start(mx)")
        with Client(address) as client:
            client.reply()
            heir = program.restart(program.process.pid)
            wait_for_name(beam, "mx1-b@127.0.0.1")
            assert client.say("NOOP") == "250 Ok"  # the predecessor's session goes on
            assert beam("gen_server:call({global, mx}, sessions)") == "[]"
        program.hear("ended", program.process.pid)
        assert beam("watch:stop(Watch)") == "{looked,true,0}"
        wait_for_name(beam, "mx1-b@127.0.0.1")
        third = program.restart(heir)  # and the next one has the first name again
        wait_for_name(beam)
        program.hear("ended", heir)
        os.kill(third, signal.SIGTERM)
        program.hear("ended", third)


def test_a_successor_that_fails_leaves_the_name_where_it_was(
    serve: Serve, beam: Beam, tmp_path: Path
) -> None:
    with serve() as program:
        program.hear_addresses()
        wait_for_name(beam)
        (tmp_path / "fail").touch()
        os.kill(program.process.pid, signal.SIGUSR2)
        program.hear("SuccessorFailed")
        wait_for_name(beam)
        assert beam("gen_server:call({global, mx}, sessions)") == "[]"
        (tmp_path / "fail").unlink()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_successor_that_fails_late_gives_the_name_back_and_at_no_time_has_nobody_it(
    serve: Serve, beam: Beam, tmp_path: Path, workers: int
) -> None:
    beam.load(WATCH)
    with serve(workers=workers) as program:
        program.hear_addresses()
        beam.wait_until("is_pid(global:whereis_name(mx))")
        beam(f"Late{workers} = watch:start(mx)")
        (tmp_path / "late").write_text("raises")
        predecessors = [f"'mx1{number}@127.0.0.1'" for number in ("", "-1", "-2")]
        for _ in range(2):
            os.kill(program.process.pid, signal.SIGUSR2)
            program.hear("SuccessorFailed")
            assert beam("node(global:whereis_name(mx))") in predecessors
        assert beam(f"watch:stop(Late{workers})") == "{looked,true,0}"


def test_the_name_of_a_successor_that_is_killed_late_is_its_predecessors(
    serve: Serve, beam: Beam, tmp_path: Path
) -> None:
    with serve() as program:
        program.hear_addresses()
        wait_for_name(beam)
        (tmp_path / "late").write_text("killed")
        for _ in range(2):
            os.kill(program.process.pid, signal.SIGUSR2)
            program.hear("SuccessorFailed")
            wait_for_name(beam)
            beam.wait_until("length(gen_server:call({global, mx}, sessions))", "0")


class TestWorkers:
    def test_the_name_stands_for_all_of_them(self, serve: Serve, beam: Beam) -> None:
        with serve(workers=2, only=[beam.name]) as program, ExitStack() as stack:
            (address,) = program.hear_addresses()
            beam.wait_until("is_pid(global:whereis_name(mx))")
            served: set[str] = set()
            count = 0
            while len(served) < 2:  # the kernel gives clients to whom it likes
                client = stack.enter_context(Client(address))
                assert client.reply().startswith("220")
                served.add(client.say("VRFY pid"))
                count += 1
                assert count < 500
            beam.wait_until("length(gen_server:call({global, mx}, sessions))", str(count))
            nodes = "lists:usort([node(S_) || S_ <- gen_server:call({global, mx}, sessions)])"
            assert beam(nodes) == "['mx1-1@127.0.0.1','mx1-2@127.0.0.1']"
            assert beam("maps:get(sessions, gen_server:call({global, mx}, info))") == str(count)
            assert beam("maps:get(workers, gen_server:call({global, mx}, info))") == "2"
            assert beam("length(gen_server:call({global, mx}, addresses))") == "1"

    def test_another_worker_takes_the_name_of_one_that_is_killed(self, serve: Serve, beam: Beam) -> None:
        with serve(workers=2) as program:
            program.hear_addresses()
            workers = {program.hear("WorkerStarted")[1] for _ in range(2)}
            beam.wait_until("lists:sort(nodes(hidden))", "['mx1-1@127.0.0.1','mx1-2@127.0.0.1']")
            beam.wait_until("is_pid(global:whereis_name(mx))")
            beam("Holder = global:whereis_name(mx)")
            holder = int(beam("maps:get(process, gen_server:call(Holder, info))"))
            assert holder in workers
            os.kill(holder, signal.SIGKILL)
            beam.wait_until("is_pid(global:whereis_name(mx)) andalso global:whereis_name(mx) =/= Holder")
            assert beam("gen_server:call({global, mx}, sessions)") == "[]"

    def test_stop_stops_all_of_them(self, serve: Serve, beam: Beam) -> None:
        with serve(workers=2) as program:
            program.hear_addresses()
            beam.wait_until("is_pid(global:whereis_name(mx))")
            assert beam("gen_server:call({global, mx}, stop)") == "ok"
            program.hear("ended")
        beam.wait_until("global:whereis_name(mx)", "undefined")

    def test_a_successor_of_workers_takes_over_too(self, serve: Serve, beam: Beam) -> None:
        beam.load(WATCH)
        with serve(workers=2) as program:
            program.hear_addresses()
            beam.wait_until("is_pid(global:whereis_name(mx))")
            beam("Watch2 = watch:start(mx)")
            program.restart(program.process.pid)
            program.hear("ended", program.process.pid)
            nodes = "case global:whereis_name(mx) of undefined -> no; P_ -> atom_to_list(node(P_)) end"
            assert beam(f'string:prefix({nodes}, "mx1-b-") =/= nomatch') == "true"
            assert beam("watch:stop(Watch2)") == "{looked,true,0}"


class TestCommand:
    def run(self, epmd: Epmd, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command `gen-smtp serve`."""
        command = command_line("serve", "--port", "0", "--address", "127.0.0.1", *arguments)
        return subprocess.run(
            command, env=epmd.environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE * 3
        )

    def test_it_serves_as_a_node(self, epmd: Epmd, beam: Beam, tmp_path: Path) -> None:
        command = command_line("serve", "--port", "0", "--address", "127.0.0.1")
        node = ["--node", "cli@127.0.0.1", "--cookie-file", str(write_cookie(tmp_path))]
        name = ["--seed", beam.name, "--name", "global:cli"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([*command, *node, *name], env=epmd.environment, stderr=log)
        try:
            beam.wait_until("is_pid(global:whereis_name(cli))")
            assert beam("gen_server:call({global, cli}, sessions)") == "[]"
            assert beam("gen_server:stop({global, cli})") == "ok"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()

    def test_a_taken_name_is_said_in_one_line(self, epmd: Epmd, beam: Beam, tmp_path: Path) -> None:
        beam("global:re_register_name(taken, self())")
        cookie = str(write_cookie(tmp_path))
        node = ("--node", "cli2@127.0.0.1", "--cookie-file", cookie, "--seed", beam.name)
        done = self.run(epmd, tmp_path, *node, "--name", "global:taken")
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("gen-smtp: --name: the name ('global', 'taken') is taken by")
        assert done.returncode == 2

    @pytest.mark.parametrize(
        ("content", "mode", "message"),
        [
            (None, 0, "--cookie-file: {} cannot be read: No such file or directory"),
            ("secret", 0o440, "--cookie-file: {} must be accessible by its owner only, and its mode is 440"),
            ("\n", 0o400, "--cookie-file: {} holds no cookie"),
        ],
    )
    def test_check_looks_at_the_cookie(
        self, epmd: Epmd, tmp_path: Path, content: str | None, mode: int, message: str
    ) -> None:
        cookie = tmp_path / "the-cookie"
        if content is not None:
            cookie.write_text(content)
            cookie.chmod(mode)
        done = self.run(epmd, tmp_path, "--check", "--node", "c@10.0.0.5", "--cookie-file", str(cookie))
        assert done.stderr.strip().startswith(f"gen-smtp: {message.format(cookie)}")
        assert done.returncode == 2

    def test_check_of_a_node_starts_nothing(self, epmd: Epmd, tmp_path: Path) -> None:
        cookie = str(write_cookie(tmp_path))
        done = self.run(epmd, tmp_path, "--check", "--node", "c@10.0.0.5", "--cookie-file", cookie)
        assert (done.returncode, done.stdout) == (0, "nothing is wrong; nothing was started\n")
        assert "c" not in epmd.names()

    def test_check_names_the_option_of_a_file(self, epmd: Epmd, tmp_path: Path) -> None:
        table = '[node]\nnode = "c@10.0.0.5"\ncookie_file = "nowhere"\n'
        (tmp_path / "mx.toml").write_text(f"[[listener]]\nport = 0\n{table}")
        command = command_line("serve", "--check", "--config", "mx.toml")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE * 3)
        problem = "nowhere cannot be read: No such file or directory"
        assert done.stderr == f"gen-smtp: mx.toml, line 5, node.cookie_file: {problem}\n"

    def test_a_port_that_is_taken_names_its_flag(self, epmd: Epmd, tmp_path: Path) -> None:
        cookie = str(write_cookie(tmp_path))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            node = ("--node", "cli6@127.0.0.1", "--cookie-file", cookie, "--node-port", port)
            done = self.run(epmd, tmp_path, *node)
        last = done.stderr.strip().splitlines()[-1]
        assert last == (
            f"gen-smtp: --node-port: the node cannot listen on 127.0.0.1 port {port}: Address already in use"
        )

    def test_a_cookie_that_others_may_read_is_refused(self, epmd: Epmd, tmp_path: Path) -> None:
        cookie = write_cookie(tmp_path)
        cookie.chmod(0o444)
        done = self.run(epmd, tmp_path, "--node", "cli3@127.0.0.1", "--cookie-file", str(cookie))
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith(f"gen-smtp: --cookie-file: {cookie} must be accessible by its owner only")
        assert done.returncode == 2

    def test_without_a_beam_it_says_what_to_do(self, epmd: Epmd, tmp_path: Path) -> None:
        cookie = str(write_cookie(tmp_path))
        node = ("--node", "cli4@127.0.0.1", "--cookie-file", cookie)
        done = self.run(epmd, tmp_path, *node, "--name", "global:mx")
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("gen-smtp: --name: no node of Erlang's answers")
        assert "erl -name" in last
        assert done.returncode == 2

    def test_another_cookie_than_the_beams_is_said(self, epmd: Epmd, beam: Beam, tmp_path: Path) -> None:
        cookie = tmp_path / "cookie"
        cookie.write_text("another")
        cookie.chmod(0o400)
        node = ("--node", "cli7@127.0.0.1", "--cookie-file", str(cookie), "--seed", beam.name)
        done = self.run(epmd, tmp_path, *node, "--name", "global:mx")
        last = done.stderr.strip().splitlines()[-1]
        assert f"connected are: none; {beam.name} is not: {beam.name} does not take the cookie" in last

    def test_without_an_epmd_it_says_so(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        environment = {**os.environ, "ERL_EPMD_PORT": str(port)}
        command = command_line("serve", "--port", "0", "--address", "127.0.0.1")
        node = ["--node", "cli5@127.0.0.1", "--cookie-file", str(write_cookie(tmp_path))]
        done = subprocess.run(
            [*command, *node], env=environment, capture_output=True, text=True, timeout=PATIENCE * 3
        )
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("gen-smtp: --node: ")
        assert "epmd" in last
        assert done.returncode == 2


def test_what_is_not_exposed_cannot_be_called(serve: Serve, beam: Beam) -> None:
    with serve() as program:
        program.hear_addresses()
        wait_for_name(beam)
        with pytest.raises(BeamError) as caught:
            beam("erpc:call('mx1@127.0.0.1', os, cmd, [\"true\"])")
        assert "undef" in caught.value.term
