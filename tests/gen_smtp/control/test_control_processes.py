"""The control socket over several processes: workers, their replacements, a successor."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.control.client import ControlClient, NoServer
from tests.gen_smtp.live import Client
from tests.gen_smtp.processes import processes, stopped


def test_workers_are_one_server(short_path: Path) -> None:
    path = str(short_path / "control")
    with (
        processes(short_path, workers=2, times={"control": path, "say_serving": True}) as program,
        ExitStack() as stack,
    ):
        address = program.hear_addresses()[0]
        workers = {program.hear("WorkerStarted")[1] for _ in range(2)}
        assert {program.hear("serving")[0] for _ in range(2)} == workers
        control = stack.enter_context(ControlClient(path))
        ask = control.ask
        while len(ask("stats")["processes"]) < 2:  # until both answer
            pass
        assert {each["process"] for each in ask("stats")["processes"]} == workers
        clients = [stack.enter_context(Client(address)) for _ in range(6)]
        assert all(each.reply().startswith("220") for each in clients)
        served_by = {each.say("VRFY x")[4:] for each in clients}

        page = ask("sessions", limit=4)
        rest = ask("sessions", limit=4, after=page["next"])
        told = page["sessions"] + rest["sessions"]
        assert {each["port"] for each in told} == {each.socket.getsockname()[1] for each in clients}
        assert {str(each["process"]) for each in told} == served_by
        assert [each["started"] for each in told] == sorted(each["started"] for each in told)
        assert (page["total"], rest["next"]) == (6, None)
        assert ask("listeners")["listeners"][0]["sessions"] == 6

        assert ask("kick", urns=[each["urn"] for each in told])["unknown"] == []
        assert all(each.reply().startswith("421") for each in clients)

        # A listener that is added is every worker's, also of one that comes later.
        added = ask("add-listener", options={"port": 0, "address": "127.0.0.1", "domain": "two.test"})
        assert sorted(added["processes"]) == sorted(workers)
        host, _, port = added["address"].partition(":")
        ask("suspend")
        dead = min(workers)
        os.kill(dead, signal.SIGKILL)
        new = program.hear("WorkerStarted")[1]
        program.hear("serving", new)
        ask("reload")
        while new not in {each["process"] for each in ask("stats")["processes"]}:
            pass
        stats = ask("stats")
        assert all(each["suspended"] for each in stats["processes"])
        assert all(len(each["listeners"]) == 2 for each in stats["processes"])
        ask("resume")
        with Client((host, int(port))) as client:
            assert client.reply().startswith("220 two.test")
        ask("remove-listener", address=added["address"])
        with pytest.raises(ConnectionRefusedError):
            Client((host, int(port)))
        assert ask("log-level", level="error")["processes"] == sorted({*workers, new} - {dead})

        # Workers that stand still are named, and the others are asked all the same.
        with stopped(new):
            assert [each["process"] for each in ask("stats")["processes"]] == [max(workers)]
            assert control.missing == [new]
        assert ask("stop")["processes"] == sorted({*workers, new} - {dead})
        control.wait_for_end()
        said = [(kind, pid) for kind, pid, _ in program.rest()]
        # Once in each, not at SIGHUP, and not in the parent.
        assert [pid for kind, pid in said if kind == "serving"] == []
        assert sorted(pid for kind, pid in said if kind == "served") == sorted({*workers, new} - {dead})
        assert not (short_path / "control").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_successor_takes_the_path_over_and_no_request_is_lost(short_path: Path, workers: int) -> None:
    path = str(short_path / "control")
    with processes(short_path, workers=workers, times={"control": path, "say_serving": True}) as program:
        program.hear("started")
        program.hear("serving")
        if workers == 1:  # a successor that fails leaves the socket to this process
            (short_path / "fail").touch()
            os.kill(program.process.pid, signal.SIGUSR2)
            program.hear("SuccessorFailed")
            (short_path / "fail").unlink()
            with ControlClient(path) as control:
                assert control.ask("listeners")
        asked: list[Any] = []
        over = threading.Event()

        def keep_asking() -> None:
            try:
                while not over.wait(0.02):  # so that the processes get some of the processor, too
                    with ControlClient(path) as client:
                        client.ask("listeners")
                        asked.append(client.ask("reload")["processes"])
            except BaseException as error:
                asked.append(error)

        thread = threading.Thread(target=keep_asking)
        with ControlClient(path) as connected:
            connected.ask("listeners")
            thread.start()
            successor = program.restart(program.process.pid)
            new = program.hear("started", successor)
            assert new is not None
            # A client that stays connected is asked to come again by a hang-up, and does.
            assert connected.ask("listeners")["listeners"]
            count = len(asked)
            while len(asked) < count + 5 and not isinstance(asked[-1], BaseException):
                pass
            over.set()
            thread.join()
            assert [each for each in asked if isinstance(each, BaseException)] == []
            assert asked[0] != asked[-1]
            connected.ask("stop", now=True)
        if workers == 1:
            # The successor has called it, too, and the first process at its own end.
            assert {pid for kind, pid, _ in program.rest() if kind == "served"} == {
                program.process.pid,
                successor,
            }
        program.rest()
        with pytest.raises(NoServer):
            ControlClient(path).ask("stats")
        assert not (short_path / "control").exists()


def test_systemd_may_hold_the_socket(short_path: Path) -> None:
    path = str(short_path / "control")
    with socket.create_server(("127.0.0.1", 0)) as mail, socket.socket(socket.AF_UNIX) as control:
        control.bind(path)
        control.listen()
        names = {"LISTEN_FDNAMES": "smtp:control"}
        with processes(
            short_path,
            listeners=[{"port": mail.getsockname()[1]}],
            times={"control": path},
            environment=names,
            sockets=[mail, control],
        ) as program:
            program.hear("started")
            with ControlClient(path) as client:
                client.ask("stop")
            program.rest()
        # It is systemd's, as the files of listeners are.
        assert (short_path / "control").exists()
