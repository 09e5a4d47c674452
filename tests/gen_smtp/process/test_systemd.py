"""What a service manager hears: sd_notify(3), from the functions and from whole programs."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gen_smtp.process.events import NotifyFailed
from gen_smtp.process.systemd import ServiceManager
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, Client, collected, everything, take
from tests.gen_smtp.processes import processes, stopped


class Manager:
    """A service manager's ear.

    Attributes:
        address: what `NOTIFY_SOCKET` is to be.
        sender: the process of the last message heard.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.sender = 0

    def hear(self, within: float = PATIENCE) -> dict[str, str]:
        """The next message.

        Raises:
            TimeoutError: none came within so many seconds.
        """
        self._socket.settimeout(within)
        data, [(_, _, credentials)], _, _ = self._socket.recvmsg(4096, 128)
        self.sender = struct.unpack("3i", credentials)[0]
        return dict(line.partition("=")[::2] for line in data.decode().split("\n"))

    def hear_until(self, name: str) -> dict[str, str]:
        """The next message that says something of a name; those before it are skipped."""
        while name not in (message := self.hear()):
            pass
        return message

    def skip_all(self) -> None:
        """Skip what was said so far."""
        try:
            while True:
                self.hear(0)
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, short_path: Path) -> Generator[Manager]:
    """A service manager that listens."""
    path = str(short_path / "notify")
    one = Manager(path if request.param == "a path" else f"@{path}")
    yield one
    one.close()


@pytest.fixture
def listening(short_path: Path) -> Generator[Manager]:
    """A service manager that listens, at a path."""
    one = Manager(str(short_path / "notify"))
    yield one
    one.close()


class TestAMessage:
    def test_is_a_datagram_of_assignments(self, manager: Manager) -> None:
        told = ServiceManager({"NOTIFY_SOCKET": manager.address})
        assert told.listens
        told.ready("listening")
        assert manager.hear() == {"READY": "1", "STATUS": "listening"}
        told.reloading()
        reloading = manager.hear()
        assert reloading["RELOADING"] == "1"
        assert reloading["MONOTONIC_USEC"].isdecimal()
        told.stopping(10.0)
        stopping = manager.hear()
        assert (stopping["STOPPING"], stopping["EXTEND_TIMEOUT_USEC"]) == ("1", "15000000")
        told.hand_over(4711)
        assert manager.hear() == {"MAINPID": "4711", "WATCHDOG": "1"}
        told.alive()
        assert manager.hear() == {"WATCHDOG": "1"}

    @pytest.mark.parametrize("address", [None, "", "vsock:2:1", "relative"])
    def test_is_not_sent_where_nobody_says_where_to(self, address: str | None) -> None:
        told = ServiceManager({} if address is None else {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
        with collected(NotifyFailed) as failures:
            told.ready("listening")
        assert not told.listens
        assert told.heartbeat is None
        assert everything(failures) == []

    def test_that_nobody_takes_is_told_in_the_log(self, short_path: Path) -> None:
        told = ServiceManager({"NOTIFY_SOCKET": str(short_path / "nobody")})
        with collected(NotifyFailed) as failures:
            told.ready("listening")
            assert take(failures).what == "READY=1"


class TestTheHeartbeat:
    @pytest.mark.parametrize(
        ("settings", "seconds"),
        [
            ({}, None),
            ({"WATCHDOG_USEC": "3000000"}, 1.5),
            ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
            ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "-1"}, None),
            ({"WATCHDOG_USEC": "often"}, None),
        ],
    )
    def test_is_half_of_what_the_manager_waits_for(
        self, settings: dict[str, str], seconds: float | None
    ) -> None:
        assert ServiceManager({"NOTIFY_SOCKET": "/run/notify", **settings}).heartbeat == seconds


BOTH = pytest.mark.parametrize("workers", [1, 2])


def greeted(address: object) -> Client:
    """A client that has read its banner."""
    client = Client(address)
    assert client.reply().startswith("220 ")
    return client


class TestAProgram:
    @BOTH
    def test_says_when_it_serves_reloads_and_stops(
        self, tmp_path: Path, listening: Manager, workers: int
    ) -> None:
        told = {"NOTIFY_SOCKET": listening.address}
        with processes(tmp_path, workers=workers, environment=told, times={"grace": 20.0}) as server:
            ready = listening.hear()
            [(host, port)] = server.hear_addresses()
            assert ready == {"READY": "1", "STATUS": f"listening on {host}:{port}"}
            with greeted((host, port)) as client:
                client.say(*DATA)
                os.kill(server.process.pid, signal.SIGHUP)
                assert listening.hear()["RELOADING"] == "1"
                assert listening.hear() == ready
                os.kill(server.process.pid, signal.SIGTERM)
                stopping = listening.hear()
                assert (stopping["STOPPING"], stopping["EXTEND_TIMEOUT_USEC"]) == ("1", "25000000")
                os.kill(server.process.pid, signal.SIGHUP)
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
            server.rest()
            with pytest.raises(BlockingIOError):
                listening.hear(0)  # it reloads nothing while it stops

    @BOTH
    def test_names_its_successor_which_gives_signs_of_life_from_then_on(
        self, tmp_path: Path, listening: Manager, workers: int
    ) -> None:
        # Nobody reads the signs of life while the successor starts, and the kernel keeps ten of them.
        told = {"NOTIFY_SOCKET": listening.address, "WATCHDOG_USEC": "1600000"}
        with processes(tmp_path, workers=workers, environment=told) as server, ExitStack() as stack:
            [address] = server.hear_addresses()
            assert "READY" in listening.hear()
            assert listening.hear() == {"WATCHDOG": "1"}
            old = server.process.pid
            held = stack.enter_context(greeted(address))  # so the old process stays
            new = server.restart(old)
            while "MAINPID" not in (message := listening.hear()):
                assert (message, listening.sender) == ({"WATCHDOG": "1"}, old)
            assert (message, listening.sender) == ({"MAINPID": str(new), "WATCHDOG": "1"}, old)
            os.kill(old, signal.SIGHUP)  # it is no concern of that one any more
            for _ in range(3):
                assert (listening.hear(), listening.sender) == ({"WATCHDOG": "1"}, new)
            assert held.say("QUIT") == "221 Bye"
            with greeted(address):
                os.kill(new, signal.SIGTERM)
                assert listening.hear_until("STOPPING")["STOPPING"] == "1"
            server.rest()

    def test_gives_no_sign_of_life_while_its_hub_is_blocked(self, tmp_path: Path, listening: Manager) -> None:
        os.mkfifo(tmp_path / "gate")
        told = {"NOTIFY_SOCKET": listening.address, "WATCHDOG_USEC": "200000"}
        with processes(tmp_path, environment=told) as server:
            [address] = server.hear_addresses()
            listening.hear_until("WATCHDOG")
            with greeted(address) as client:
                client.send("VRFY block\r\n")
                with (tmp_path / "gate").open("w"):  # it is blocked now
                    listening.skip_all()
                    with pytest.raises(TimeoutError):
                        listening.hear(0.5)
                assert listening.hear() == {"WATCHDOG": "1"}
                assert client.reply().startswith("250 ")

    def test_gives_no_sign_of_life_while_one_of_its_workers_gives_none(
        self, tmp_path: Path, listening: Manager
    ) -> None:
        told = {"NOTIFY_SOCKET": listening.address, "WATCHDOG_USEC": "200000"}
        with processes(tmp_path, workers=2, environment=told) as server:
            server.hear_addresses()
            listening.hear_until("WATCHDOG")
            _, worker = server.hear("WorkerStarted")
            with stopped(worker):
                listening.skip_all()
                with pytest.raises(TimeoutError):  # but for one that is on its way still
                    for _ in range(2):
                        listening.hear(0.5)
            assert listening.hear() == {"WATCHDOG": "1"}
            # One that is dead and replaced is no reason for silence.
            os.kill(worker, signal.SIGKILL)
            server.hear("WorkerEnded")
            server.hear("WorkerStarted")
            listening.skip_all()
            assert listening.hear() == {"WATCHDOG": "1"}

    def test_that_fails_to_serve_says_nothing(self, tmp_path: Path, listening: Manager) -> None:
        (tmp_path / "fail").touch()
        with processes(tmp_path, environment={"NOTIFY_SOCKET": listening.address}) as server:
            server.rest()
            with pytest.raises(BlockingIOError):
                listening.hear(0)

    def test_that_stops_itself_at_once_ends_well(self, tmp_path: Path, listening: Manager) -> None:
        (tmp_path / "stop").touch()
        with processes(tmp_path, environment={"NOTIFY_SOCKET": listening.address}) as server:
            server.hear("ended")
            assert server.process.wait(PATIENCE) == 0
            with pytest.raises(BlockingIOError):
                listening.hear(0)

    def test_tells_of_a_reload_that_could_not_be_as_its_hub_was_blocked(
        self, tmp_path: Path, listening: Manager
    ) -> None:
        os.mkfifo(tmp_path / "gate")
        told = {"NOTIFY_SOCKET": listening.address}
        patience = {"process.reload.RELOAD_ANSWER_TIME": 0.1}
        with processes(tmp_path, environment=told, constants=patience) as server:
            [address] = server.hear_addresses()
            ready = listening.hear()
            with greeted(address) as client:
                client.send("VRFY block\r\n")
                with (tmp_path / "gate").open("w"):  # it is blocked now
                    os.kill(server.process.pid, signal.SIGHUP)
                    assert listening.hear()["RELOADING"] == "1"
                    assert listening.hear() == ready
                    server.hear("ReloadFailed")
                assert client.reply().startswith("250 ")
