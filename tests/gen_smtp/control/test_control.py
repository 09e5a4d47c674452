"""The control socket of a server in this process: what it answers, and what it bears."""

from __future__ import annotations

import json
import logging
import os
import queue
import socket
import stat
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.control import point
from gen_smtp.control.client import ControlClient, NoPermission, NoServer
from gen_smtp.control.events import Controlled
from gen_smtp.control.messages import LONGEST_REQUEST, ControlError
from gen_smtp.options.checks import OptionsError
from tests.gen_smtp.live import PATIENCE, Client, behaviour, collected, listener, take


class Running:
    """A server with a control socket.

    Attributes:
        path: of the socket.
        address: where it listens for mail.
        control: a client that is connected.
    """

    def __init__(self, path: Path, address: Any) -> None:
        self.path = str(path)
        self.address = address
        self.control = ControlClient(self.path)

    def client(self, *lines: str) -> Client:
        """A client that has read its banner and said these lines."""
        client = Client(self.address)
        client.reply()
        client.say(*lines)
        return client

    def raw(self) -> socket.socket:
        """A connection to the control socket."""
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(PATIENCE)
        connected.connect(self.path)
        return connected


@contextmanager
def controlled(path: Path, module: Any = None, **options: Any) -> Generator[Running]:
    """Serve in a thread, until the block ends."""
    started: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve() -> None:
        try:
            gen_smtp_server.serve_forever(
                module or behaviour(),
                [listener()],
                on_started=lambda ref: started.put(gen_smtp_server.addresses(ref)),
                grace=1.0,
                **{"control": str(path), **options},
            )
        except BaseException as error:
            started.put(error)

    thread = threading.Thread(target=serve)
    thread.start()
    addresses = started.get(timeout=PATIENCE)
    if isinstance(addresses, BaseException):
        thread.join(PATIENCE)
        raise addresses
    running = Running(path, addresses[0])
    try:
        yield running
    finally:
        with ControlClient(str(path)) as last:
            last.ask("stop", now=True)
        running.control.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def path(short_path: Path) -> Path:
    return short_path / "control"


@pytest.fixture
def running(path: Path) -> Generator[Running]:
    with controlled(path) as running:
        yield running


class TestLooking:
    def test_sessions_by_the_page(self, running: Running) -> None:
        ask = running.control.ask
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(running.client("EHLO client.test"))
            first = ask("sessions", limit=3)
            second = ask("sessions", limit=3, after=first["next"])
            assert [len(first["sessions"]), len(second["sessions"]), second["next"]] == [3, 2, None]
            assert first["total"] == second["total"] == 5
            assert len({each["urn"] for each in first["sessions"] + second["sessions"]}) == 5
            assert ask("sessions", peer="127.0.0.9")["total"] == 0
            urn = second["sessions"][0]["urn"]
            assert ask("session", urn=urn)["helo"] == "client.test"

    def test_the_tree(self, running: Running) -> None:
        with running.client():
            (process,) = running.control.ask("tree")["processes"]
            server = next(each for each in process["actors"] if each["actor_class"] == "SmtpServer")
            below = running.control.ask("tree", under=server["urn"])["processes"][0]["actors"]
            assert [each["kind"] for each in below] == ["server", "listener", "session"]

    def test_figures_and_totals(self, running: Running) -> None:
        with running.client("EHLO client.test", "NONSENSE"):
            stats = running.control.ask("stats")
        assert stats["sum"]["sessions"] == 1
        assert stats["totals"]["refused.other.500"] == 1
        assert stats["processes"][0]["process"] == os.getpid()
        assert stats["listeners"][0]["sessions"] == 1

    @pytest.mark.parametrize(
        ("request_", "arguments", "code", "text"),
        [
            ("session", {"urn": "urn:x"}, "unknown_session", "there is no session urn:x"),
            ("kick", {"urns": ["urn:x"]}, "unknown_session", "there is no session urn:x"),
            ("tree", {"under": "urn:x"}, "unknown_actor", "there is no actor urn:x"),
            ("remove-listener", {"address": "x"}, "unknown_listener", "nothing listens on x"),
            ("session", {}, "bad_argument", "the argument 'urn' is needed"),
            ("sessions", {"limit": 0}, "bad_argument", "limit: a whole number from 1 to 1000"),
            ("sessions", {"limt": 5}, "bad_argument", "there is no argument 'limt'; there are: peer, "),
            ("sessions", {"after": [1]}, "bad_argument", "after: "),
            ("log-level", {"level": "loud"}, "bad_argument", "level: one of debug, info"),
            ("add-listener", {"options": {"prt": 5}}, "refused", "listener 1, option prt: there is no such"),
            ("dance", {}, "unknown_request", "there is no request 'dance'; there are: sessions, "),
        ],
    )
    def test_faults_have_a_code_and_a_text(
        self, running: Running, request_: str, arguments: Any, code: str, text: str
    ) -> None:
        with pytest.raises(ControlError) as caught:
            running.control.ask(request_, **arguments)
        assert caught.value.code == code
        assert str(caught.value).startswith(text)
        assert running.control.ask("stats")["suspended"] is False  # and the connection goes on


class TestSteering:
    def test_kick_ends_sessions_with_421(self, running: Running) -> None:
        with running.client("EHLO client.test") as client, collected(Controlled) as told:
            urn = running.control.ask("sessions")["sessions"][0]["urn"]
            answer = running.control.ask("kick", urns=[urn, "urn:x"])
            assert answer == {"kicked": [urn], "unknown": ["urn:x"]}
            assert client.reply().startswith("421 ")
            assert client.rest() == ""
            event = take(told)
            assert (event.request, event.user) == ("kick", os.getuid())

    def test_kick_leaves_a_message_in_hand_its_grace(self, running: Running) -> None:
        with running.client("EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA") as client:
            urn = running.control.ask("sessions")["sessions"][0]["urn"]
            running.control.ask("kick", urns=[urn], grace=PATIENCE)
            client.send("hello\r\n.\r\n")
            assert client.reply().startswith("250 ")

    def test_kick_cuts_off_a_callback_that_does_not_return(self, path: Path) -> None:
        held = threading.Event()
        module = behaviour(handle_VRFY=lambda self, address: held.wait() and None, blocking={"handle_VRFY"})
        with controlled(path, module) as running, running.client("EHLO client.test") as client:
            client.send("VRFY someone\r\n")
            while (each := running.control.ask("sessions")["sessions"][0])["state"] != "callback":
                pass
            running.control.ask("kick", urns=[each["urn"]], grace=0)
            assert client.rest() == ""
            held.set()

    def test_suspend_and_resume(self, running: Running) -> None:
        assert running.control.ask("suspend") == {"processes": [os.getpid()]}
        assert running.control.ask("listeners")["listeners"][0]["paused"] is True
        with Client(running.address) as client:
            running.control.ask("resume")
            assert client.reply().startswith("220 ")
        assert running.control.ask("stats")["suspended"] is False

    def test_listeners_come_and_go(self, running: Running) -> None:
        options = {"port": 0, "address": "127.0.0.1", "domain": "two.test"}
        address = running.control.ask("add-listener", options=options)["address"]
        host, _, port = address.partition(":")
        with Client((host, int(port))) as client:
            assert client.reply().startswith("220 two.test")
        assert len(running.control.ask("listeners")["listeners"]) == 2
        running.control.ask("remove-listener", address=address)
        assert [each["address"] for each in running.control.ask("listeners")["listeners"]] != [address]
        with pytest.raises(ConnectionRefusedError):
            Client((host, int(port)))

    def test_log_level(self, running: Running) -> None:
        logger = logging.getLogger("tests.control")
        try:
            running.control.ask("log-level", level="error", logger="tests.control")
            assert logger.level == logging.ERROR
        finally:
            logger.setLevel(logging.NOTSET)

    def test_reload_and_stop_need_no_hub(self, path: Path) -> None:
        """A callback that blocks the hub keeps looks waiting, and not these."""
        held, entered = threading.Event(), threading.Event()

        def block() -> None:
            entered.set()
            held.wait()

        module = behaviour(handle_VRFY=lambda self, _: block())
        with controlled(path, module) as running, running.client("EHLO x") as client:
            client.send("VRFY a\r\n")
            assert entered.wait(PATIENCE)
            assert running.control.ask("reload") == {"processes": [os.getpid()]}
            held.set()


class TestSocket:
    def test_is_its_owners_alone_unless_told_otherwise(self, running: Running) -> None:
        assert stat.S_IMODE(os.stat(running.path).st_mode) == 0o600

    def test_has_a_mode_and_a_group(self, path: Path) -> None:
        with controlled(path, control={"path": str(path), "mode": "660", "group": os.getgid()}):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660

    def test_is_gone_with_the_server(self, path: Path) -> None:
        with controlled(path):
            assert path.exists()
        assert not path.exists()

    def test_of_a_dead_server_makes_way_and_of_a_live_one_does_not(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        with controlled(path) as running:
            assert running.control.ask("listeners")
            with (
                pytest.raises(gen_smtp_server.ListenError, match="another server listens there"),
                controlled(path),
            ):
                pass
            assert running.control.ask("listeners")

    @pytest.mark.parametrize(
        ("control", "message"),
        [
            ({"mode": "660"}, "option control.path: the path of the socket is needed"),
            ({"path": "x", "mode": "999"}, "option control.mode: no file has such a mode"),
            ({"path": "@x", "mode": "600"}, "option control.mode: an abstract name has no file"),
            ({"path": "x", "owner": 5}, "option control.owner: there is no such option"),
            ("x" * 200, "option control.path: too long for a unix socket"),
        ],
    )
    def test_options_that_are_wrong_are_named(self, control: Any, message: str) -> None:
        with pytest.raises(OptionsError) as caught:
            gen_smtp_server.serve_forever(behaviour(), [listener()], control=control)
        assert str(caught.value).startswith(message)


class TestClient:
    def test_nobody_at_the_path(self, path: Path) -> None:
        with pytest.raises(NoServer, match=r"^there is no socket .*; does a server run with --control"):
            ControlClient(str(path)).ask("stats")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        with pytest.raises(NoServer, match=r"^nobody answers at .*: the server that had it has ended"):
            ControlClient(str(path)).ask("stats")
        path.unlink()
        path.write_text("")
        with pytest.raises(NoServer):
            ControlClient(str(path)).ask("stats")

    def test_no_permission(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if os.geteuid() == 0:
            # Root may connect to everything: another user asks, in a process of its own.
            assert _errors_of_nobody(path) == "NoPermission"
            return
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            path.chmod(0)
            with pytest.raises(NoPermission, match="this user may not connect"):
                ControlClient(str(path)).ask("stats")

    def test_a_server_that_says_nothing(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(path))
            mute.listen()
            with pytest.raises(ControlError, match="no answer from") as caught:
                ControlClient(str(path), timeout=0.05).ask("stats")
        assert caught.value.code == "no_answer"


def _errors_of_nobody(path: Path) -> str:
    os.chmod(path.parent, 0o755)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        path.chmod(0o600)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            said = "nothing"
            try:
                os.setuid(65534)
                ControlClient(str(path)).ask("stats")
            except BaseException as error:
                said = type(error).__name__
            os.write(writer, said.encode())
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(writer)
        with open(reader, "rb") as file:
            return file.read().decode()


class TestBounds:
    """No client harms the server, or another client."""

    def test_a_request_that_is_too_long(self, running: Running) -> None:
        with running.raw() as raw:
            raw.sendall(b"x" * (LONGEST_REQUEST + 2))
            answer = json.loads(raw.makefile("rb").read())
        assert answer["error"]["code"] == "too_large"

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (b"nonsense\n", "bad_request"),
            (b"[]\n", "bad_request"),
            (b"[" * 60000 + b"\n", "bad_request"),
            (b'{"request": "stats"}\n', "bad_version"),
            (b'{"version": 2, "request": "stats"}\n', "bad_version"),
            (b'{"version": 1, "request": []}\n', "unknown_request"),
            (b'{"version": 1, "request": "stats", "arguments": []}\n', "bad_request"),
            (b"\xff\xfe\n", "bad_request"),
        ],
    )
    def test_what_is_no_request(self, running: Running, line: bytes, code: str) -> None:
        with running.raw() as raw, raw.makefile("rb") as file:
            raw.sendall(line)
            assert json.loads(file.readline())["error"]["code"] == code
        assert running.control.ask("stats")

    def test_requests_in_one_piece_are_answered_in_their_order(self, running: Running) -> None:
        with running.raw() as raw, raw.makefile("rb") as file:
            request = '{{"version": 1, "request": "{}", "id": {}}}\n'
            raw.sendall("".join(request.format("stats", n) for n in range(5)).encode())
            assert [json.loads(file.readline())["id"] for _ in range(5)] == list(range(5))

    def test_too_many_clients(self, running: Running) -> None:
        with ExitStack() as stack:
            for _ in range(point.MOST_CLIENTS):
                client = stack.enter_context(ControlClient(running.path))
                client.ask("listeners")
            with pytest.raises(ControlError, match=f"{point.MOST_CLIENTS} clients are connected"):
                running.control.ask("listeners")
        running.control.close()
        # The places of those that have hung up are free as soon as the server has noticed.
        while True:
            try:
                assert running.control.ask("listeners")
                break
            except ControlError as error:
                assert error.code == "too_many"  # noqa: PT017 - until the server has noticed
                running.control.close()

    def test_a_client_that_reads_nothing_is_cut_off(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(point, "LINE_TIME", 0.1)
        with controlled(path) as running, running.raw() as deaf:
            request = b'{"version": 1, "request": "tree"}\n' * 2000
            deaf.settimeout(None)
            sender = threading.Thread(target=_send_all, args=(deaf, request))
            sender.start()
            assert running.control.ask("stats")  # meanwhile others are served
            sender.join(PATIENCE)
            assert not sender.is_alive()  # the server has hung up

    def test_a_client_that_does_not_end_its_line_is_cut_off(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(point, "LINE_TIME", 0.05)
        with controlled(path) as running, running.raw() as slow:
            slow.sendall(b'{"version"')
            assert slow.recv(100) == b""

    def test_a_fault_of_the_control_socket_is_told_and_no_more(
        self, running: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> Any:
            raise RuntimeError("a bug")

        monkeypatch.setattr("gen_smtp.control.station._parse", fail)
        with pytest.raises(ControlError, match="RuntimeError: a bug"):
            running.control.ask("stats")
        monkeypatch.undo()
        assert running.control.ask("stats")


def _send_all(connected: socket.socket, data: bytes) -> None:
    try:
        while True:
            connected.sendall(data)
    except OSError:
        pass


class TestOnServing:
    def test_is_called_once_and_what_it_returns_at_the_end(self, path: Path) -> None:
        told: list[Any] = []

        def on_serving(server: Any) -> Callable[[], object]:
            told.append(gen_smtp_server.addresses(server))
            return lambda: told.append("end")

        with controlled(path, on_serving=on_serving) as running:
            running.control.ask("reload")
            running.control.ask("stats")
            assert told == [[running.address]]
        assert told == [[running.address], "end"]

    def test_that_fails_ends_the_server(self, path: Path) -> None:
        def on_serving(server: Any) -> None:
            raise RuntimeError("no metrics")

        with pytest.raises(RuntimeError, match="no metrics"):
            gen_smtp_server.serve_forever(behaviour(), [listener()], on_serving=on_serving)

    def test_a_failure_at_the_end_is_told(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with controlled(path, on_serving=lambda _: lambda: 1 / 0):
            pass
        assert "what was to be called at the end failed" in caplog.text
