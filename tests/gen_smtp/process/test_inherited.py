"""Sockets that a process is started with: found, given to the listeners, and served from."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.gen_smtp_server import ActivationError
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.parsing import parse_options
from gen_smtp.process.events import SocketDropped
from gen_smtp.process.inherited import FoundSocket, InheritedSockets, distribute, name_of
from tests.gen_smtp.live import DATA, MESSAGE, Client, collected, take
from tests.gen_smtp.processes import PROJECT, command_line, processes, with_sockets

FREE = 700
"""A descriptor from which on no other is in use."""

LOOPBACK = ("127.0.0.1", 0)
Opener = Callable[..., socket.socket]


@pytest.fixture
def opened() -> Generator[Opener]:
    """`opened(address, family)`: a listening socket on loopback, closed at the end."""
    with ExitStack() as stack:

        def open_(
            address: Any = ("127.0.0.1", 0), family: int = socket.AF_INET, **options: Any
        ) -> socket.socket:
            return stack.enter_context(socket.create_server(address, family=family, **options))

        yield open_


def given(*sockets: socket.socket) -> list[FoundSocket]:
    """The sockets as they are found: duplicates, with names."""
    return [FoundSocket(duplicate(each), f"number {place}") for place, each in enumerate(sockets, 1)]


def duplicate(one: socket.socket) -> Any:
    return socket.socket(fileno=os.dup(one.fileno()))


def listeners(*options: dict[str, Any]) -> tuple[ListenerOptions, ...]:
    return parse_options(list(options))


def at(one: socket.socket, **options: Any) -> dict[str, Any]:
    """A listener's options, where this socket listens."""
    host, port = one.getsockname()[:2]
    return {"address": host, "port": port, **options}


def addresses(sockets: Sequence[Any]) -> list[Any]:
    """Where they listen; they are closed."""
    found = []
    for each in sockets:
        found.append(None if each is None else each.getsockname())
        if each is not None:
            each.close()
    return found


class TestASocketIsForTheListener:
    def test_that_names_its_address_in_whatever_order(self, opened: Opener) -> None:
        one, two = opened(), opened()
        found = distribute(given(two, one), listeners(at(one), at(two)), strictly=True)
        assert addresses(found) == [one.getsockname(), two.getsockname()]

    def test_that_calls_its_address_by_name(self, opened: Opener) -> None:
        one = opened()
        found = distribute(given(one), listeners({**at(one), "address": "localhost"}), strictly=True)
        assert addresses(found) == [one.getsockname()]

    def test_of_ipv6(self, opened: Opener, ipv6_loopback: str) -> None:
        one = opened((ipv6_loopback, 0), socket.AF_INET6)
        found = distribute(given(one), listeners(at(one, family="inet6")), strictly=True)
        assert addresses(found) == [one.getsockname()]

    def test_on_the_same_path(
        self, opened: Opener, short_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = opened(str(short_path / "mail"), socket.AF_UNIX)
        monkeypatch.chdir(short_path)
        found = distribute(given(one), listeners({"family": "unix", "address": "mail"}), strictly=True)
        assert addresses(found) == [str(short_path / "mail")]

    def test_on_all_ipv4_addresses_if_it_is_on_all_of_both_families(
        self, opened: Opener, ipv6_loopback: str
    ) -> None:
        """What systemd makes of ListenStream=25."""
        one = opened(("::", 0), socket.AF_INET6, dualstack_ipv6=True)
        found = distribute(given(one), listeners({"port": one.getsockname()[1]}), strictly=True)
        assert addresses(found) == [one.getsockname()]

    def test_on_all_ipv6_addresses_rather_than_on_all_ipv4_addresses(
        self, opened: Opener, ipv6_loopback: str
    ) -> None:
        both = opened(("::", 0), socket.AF_INET6, dualstack_ipv6=True)
        port = both.getsockname()[1]
        found = distribute(
            given(both), listeners({"port": port}, {"port": port, "family": "inet6"}), strictly=False
        )
        assert addresses(found) == [None, both.getsockname()]

    def test_whose_name_it_has(self, opened: Opener) -> None:
        """As a predecessor gives it, whose port 0 says nothing."""
        one, two = opened(), opened()
        first, second = listeners({"port": 0, "address": "127.0.0.1"}, {"port": 0, "address": "localhost"})
        found = [FoundSocket(duplicate(one), name_of(second)), FoundSocket(duplicate(two), name_of(first))]
        assert addresses(distribute(found, [first, second], strictly=False)) == [
            two.getsockname(),
            one.getsockname(),
        ]

    def test_no_matter_which_where_they_are_alike(self, opened: Opener) -> None:
        alike = listeners(*[{"port": 0, "address": "127.0.0.1"}] * 2)
        sockets = [opened(), opened()]
        found = [FoundSocket(duplicate(each), name_of(alike[0])) for each in sockets]
        assert addresses(distribute(found, alike, strictly=True)) == [each.getsockname() for each in sockets]


class TestWhatDoesNotFit:
    def refusal(self, found: list[FoundSocket], *options: dict[str, Any]) -> str:
        """What is said about it."""
        with pytest.raises(ActivationError) as wrong:
            distribute(found, listeners(*options), strictly=True)
        for each in found:
            each.socket.close()
        return str(wrong.value)

    def test_is_a_socket_without_a_listener(self, opened: Opener) -> None:
        one, two = opened(), opened()
        assert self.refusal(given(one, two), at(one)) == (
            f"no listener for the inherited socket 127.0.0.1:{two.getsockname()[1]} (number 2)"
        )

    def test_is_a_listener_without_a_socket(self, opened: Opener) -> None:
        one = opened()
        assert self.refusal(given(one), at(one), {"port": 1}, {"family": "unix", "address": "/x"}) == (
            "no inherited socket for the listener 0.0.0.0:1 (inet), /x"
        )

    @pytest.mark.parametrize(
        "options",
        [
            {"address": "127.0.0.2"},
            {"port": 1},
            {"port": 0},
            {"address": "::1", "family": "inet6"},
            {"address": "0.0.0.0"},
            {"address": "no-such-host.invalid"},
        ],
    )
    def test_is_a_socket_elsewhere(self, opened: Opener, options: dict[str, Any]) -> None:
        one = opened()
        refusal = self.refusal(given(one), {**at(one), **options})
        port = one.getsockname()[1]
        assert refusal.startswith(
            f"the inherited socket 127.0.0.1:{port} (number 1) does not fit the listener "
        )

    def test_is_a_unix_socket_for_another_path(self, opened: Opener, short_path: Path) -> None:
        one = opened(str(short_path / "one"), socket.AF_UNIX)
        for options in ({"family": "unix", "address": str(short_path / "two")}, {"port": 1}):
            assert "does not fit" in self.refusal(given(one), options)

    def test_is_ipv6_alone_for_an_ipv4_listener(self, opened: Opener, ipv6_loopback: str) -> None:
        one = opened(("::", 0), socket.AF_INET6)
        assert "does not fit" in self.refusal(given(one), {"port": one.getsockname()[1]})

    def test_of_a_predecessor_is_closed_and_told(self, opened: Opener) -> None:
        one, two = opened(), opened()
        found = given(one, two)
        with collected(SocketDropped) as dropped:
            sockets = distribute(found, listeners({"port": 1}, at(two)), strictly=False)
            assert take(dropped).address == f"127.0.0.1:{one.getsockname()[1]} (number 1)"
        assert addresses(sockets) == [None, two.getsockname()]
        assert found[0].socket.fileno() == -1

    def test_is_nothing_where_nothing_was_inherited(self) -> None:
        assert distribute([], listeners({"port": 1}), strictly=True) == [None]


@pytest.fixture
def from_descriptor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """`from_descriptor(*files, **environment)`: an environment that speaks of duplicates of these files."""
    monkeypatch.setattr("gen_smtp.process.inherited.FIRST_DESCRIPTOR", FREE)

    def environment(*files: Any, **more: str) -> dict[str, str]:
        for place, each in enumerate(files):
            os.dup2(each.fileno(), FREE + place)
        return {"LISTEN_FDS": str(len(files)), "LISTEN_PID": str(os.getpid()), "HOME": "/", **more}

    return environment


class TestTheEnvironment:
    def test_says_how_many_sockets_there_are_and_forgets_it(
        self, opened: Opener, from_descriptor: Callable[..., dict[str, str]]
    ) -> None:
        one, two = opened(), opened()
        environment = from_descriptor(one, two, LISTEN_FDNAMES="a:b")
        inherited = InheritedSockets(environment)
        assert environment == {"HOME": "/"}
        assert inherited.of_manager
        assert not inherited.is_awaited
        sockets = inherited.sockets_for(listeners(at(two), at(one)))
        assert all(each is not None and not os.get_inheritable(each.socket.fileno()) for each in sockets)
        assert all(each is not None and each.socket.gettimeout() == 0.0 for each in sockets)
        assert addresses([each and each.socket for each in sockets]) == [two.getsockname(), one.getsockname()]

    def test_speaks_of_another_process(
        self, opened: Opener, from_descriptor: Callable[..., dict[str, str]]
    ) -> None:
        environment = from_descriptor(opened(), LISTEN_PID="1")
        try:
            inherited = InheritedSockets(environment)
            assert not inherited.of_manager
            assert inherited.sockets_for(listeners({})) == [None]
            assert environment["LISTEN_FDS"] == "1"
        finally:
            os.close(FREE)

    def test_says_nothing(self) -> None:
        inherited = InheritedSockets({})
        assert (inherited.of_manager, inherited.is_awaited, inherited.owns_files) == (False, False, False)
        assert inherited.sockets_for(listeners({}, {"port": 1})) == [None, None]

    def test_names_sockets_for_messages(
        self, opened: Opener, from_descriptor: Callable[..., dict[str, str]]
    ) -> None:
        inherited = InheritedSockets(from_descriptor(opened(), opened(), LISTEN_FDNAMES="submission.socket"))
        with pytest.raises(ActivationError, match=rf"\(submission.socket\), .*\(descriptor {FREE + 1}\)"):
            inherited.sockets_for(listeners({"port": 1}))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(FREE)

    @pytest.mark.parametrize("count", ["", "two", "-1", "1.0"])
    def test_has_no_number(self, count: str) -> None:
        with pytest.raises(ActivationError, match=f"LISTEN_FDS is '{count}', and no number"):
            InheritedSockets({"LISTEN_FDS": count, "LISTEN_PID": str(os.getpid())})

    def test_speaks_of_what_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gen_smtp.process.inherited.FIRST_DESCRIPTOR", FREE)
        with pytest.raises(ActivationError, match=f"descriptor {FREE} is no socket: Bad file descriptor"):
            InheritedSockets({"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})

    def test_speaks_of_a_file(self, tmp_path: Path, from_descriptor: Callable[..., dict[str, str]]) -> None:
        with (tmp_path / "file").open("w") as file:
            environment = from_descriptor(file)
        try:
            with pytest.raises(ActivationError, match="is no socket: Socket operation on non-socket"):
                InheritedSockets(environment)
        finally:
            os.close(FREE)

    @pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
    def test_speaks_of_a_socket_that_does_not_listen(
        self, kind: socket.SocketKind, from_descriptor: Callable[..., dict[str, str]]
    ) -> None:
        with socket.socket(socket.AF_INET, kind) as bare:
            environment = from_descriptor(bare)
        with pytest.raises(ActivationError, match="does not listen"):
            InheritedSockets(environment)

    @pytest.mark.parametrize("text", ["", "x", "-1:manager", "3.0:process"])
    def test_of_a_predecessor_that_is_none(self, text: str) -> None:
        with pytest.raises(ActivationError, match="was not written by gen_smtp"):
            InheritedSockets({"GEN_SMTP_HANDOVER": text, "LISTEN_FDS": "0"})

    @pytest.mark.parametrize(("owner", "of_manager"), [("manager", True), ("process", False)])
    def test_has_a_predecessor_that_waits_for_a_word(self, owner: str, of_manager: bool) -> None:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as reports:
            inherited = InheritedSockets({"GEN_SMTP_HANDOVER": f"{writer}:{owner}", "LISTEN_FDS": "0"})
            assert inherited.is_awaited
            assert (inherited.of_manager, inherited.owns_files) == (of_manager, not of_manager)
            inherited.report_ready()
            assert not inherited.is_awaited
            assert reports.read() == b"READY"

    def test_has_a_predecessor_that_is_gone(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        InheritedSockets({"GEN_SMTP_HANDOVER": f"{writer}:process", "LISTEN_FDS": "0"}).report_ready()


BOTH = pytest.mark.parametrize("workers", [1, 2])


class TestAProgram:
    @BOTH
    def test_serves_from_what_it_was_given_and_hands_it_on(
        self, tmp_path: Path, short_path: Path, opened: Opener, workers: int
    ) -> None:
        path = short_path / "mail"
        inet, unix = opened(), opened(str(path), socket.AF_UNIX)
        options = [{"family": "unix", "address": str(path), "port": None}, at(inet)]
        with processes(tmp_path, workers=workers, listeners=options, sockets=[inet, unix]) as server:
            pid = server.process.pid
            for _ in range(2):
                for address in server.hear_addresses():
                    with Client(address) as client:
                        assert client.reply().startswith("220 ")
                        assert client.say(*DATA).startswith("354 ")
                        client.send(MESSAGE)
                        assert client.reply() == "250 taken"
                old, pid = pid, server.restart(pid)
                server.hear("ended", old)
            os.kill(pid, signal.SIGTERM)
            server.rest()
            assert len(server.taken()) == 4
            assert path.exists()  # it is the service manager's

    def test_leaves_the_queue_to_the_next_one(self, tmp_path: Path, opened: Opener) -> None:
        """The service manager's socket outlives it: a stop and a start lose nobody who comes between them."""
        inet = opened()
        with processes(tmp_path, listeners=[at(inet)], sockets=[inet]) as server:
            [address] = server.hear_addresses()
            os.kill(server.process.pid, signal.SIGTERM)
            server.rest()
        with (
            Client(address) as waiting,
            processes(tmp_path, listeners=[at(inet)], sockets=[inet]),
        ):
            assert waiting.reply().startswith("220 ")

    def test_does_not_pass_them_on_to_programs_that_it_runs(self, tmp_path: Path, opened: Opener) -> None:
        inet = opened()
        with processes(tmp_path, listeners=[at(inet)], sockets=[inet]) as server:
            server.hear_addresses()
            environment = Path(f"/proc/{server.process.pid}/fdinfo/3").read_text()
            flags = re.search(r"^flags:\s*(\d+)", environment, re.M)
            assert flags is not None
            assert int(flags[1], 8) & os.O_CLOEXEC


class TestTheCommandLine:
    def run(self, sockets: Sequence[socket.socket], *arguments: str) -> subprocess.CompletedProcess[str]:
        """`gen-smtp serve`, started as a service manager does it, to its end."""
        return subprocess.run(
            with_sockets(command_line("serve", *arguments), sockets),
            pass_fds=[each.fileno() for each in sockets],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )

    def test_says_what_does_not_fit(self, opened: Opener) -> None:
        inet = opened()
        ended = self.run([inet], "--port", "1")
        assert ended.returncode == 2
        assert ended.stderr == (
            f"gen-smtp: LISTEN_FDS: the inherited socket 127.0.0.1:{inet.getsockname()[1]} (descriptor 3)"
            " does not fit the listener 0.0.0.0:1 (inet)\n"
        )
