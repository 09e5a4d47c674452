"""`serve_forever` with several workers, and SIGHUP, in programs of their own: real signals, real clients."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.certificates import CertificateFiles, Certificates
from tests.gen_smtp.live import DATA, PATIENCE, Client, behaviour, listener, serving
from tests.gen_smtp.processes import stopped

PROJECT = Path(__file__).parents[3]

CALLBACKS = """
from gen_smtp.gen_smtp_server_session import Behaviour, ok

class MyServer(Behaviour):
    def init(self, hostname, session_count, peername, options):
        self.extensions = [("STARTTLS", True)] if options == "TLS" else []
        return ok(f"code {VERSION}")

    def handle_EHLO(self, hostname, extensions):
        return ok([*extensions, *self.extensions])

    def handle_VRFY(self, address):
        return ok(f"verified by code {VERSION}")

    def handle_DATA(self, sender, recipients, data):
        return ok("taken")
"""

# It says what happens on its standard output, in lines of JSON, and answers questions on its standard input.
PROGRAM = """
import errno, json, os, sys, threading

settings = json.loads(sys.argv[1])
if settings["patched"]:
    from gevent import monkey
    monkey.patch_all()

from actors import events
from actors.runtime.hub import Hub
from gen_smtp import gen_smtp_server
from gen_smtp.process.events import ProcessEvent, Reloaded, ReloadFailed, WorkerEnded, WorkerStarted
from callbacks import MyServer

def say(kind, value):
    sys.stdout.write(json.dumps([kind, value]) + "\\n")
    sys.stdout.flush()

events.subscribe(WorkerStarted, lambda event: say("started", event.pid))
events.subscribe(WorkerEnded, lambda event: say("died", [event.pid, event.how]))
events.subscribe(Reloaded, lambda event: say("reloaded", event.what))
events.subscribe(ReloadFailed, lambda event: say("failed", [event.what, str(event.error)]))

exec(settings["before"])

def count(workers):
    for seconds in open(0, "rb", buffering=0, closefd=False):
        counts = workers.session_counts(timeout=float(seconds))
        say("counts", [[pid, number] for pid, number in counts.items()])

def on_started(server):
    if settings["workers"] == 1:
        say("addresses", gen_smtp_server.addresses(server))
        return
    say("addresses", server.addresses())
    say("pids", server.pids())
    threading.Thread(target=count, args=[server], daemon=True).start()

gen_smtp_server.serve_forever(
    MyServer, [settings["listener"]], workers=settings["workers"], on_started=on_started
)
say("ended well", Hub.running() is None)
"""


SHORTAGE = """
from gen_smtp.process.events import WorkerNotStarted
from gen_smtp.workers import pool, worker

events.subscribe(WorkerNotStarted, lambda event: say("not started", event.seconds))
pool.SHORTEST_BACK_OFF, pool.LONGEST_BACK_OFF = 0.01, 0.08
real = FAILING

def failing(*args, **kwargs):
    if os.path.exists("no room"):
        raise OSError(errno.EAGAIN, "no room")
    return real(*args, **kwargs)

FAILING = failing
"""


class Program:
    """A running program that serves.

    Attributes:
        process: the parent, or the only one.
        address: where it listens.
        pids: the workers that were started at first.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path, workers: int) -> None:
        self.process = process
        self._folder = folder
        self._heard: list[list[Any]] = []
        found = self.hear("addresses")[0]
        self.address = found if isinstance(found, str) else tuple(found)
        self.pids = [self.hear("started") for _ in range(workers if workers > 1 else 0)]

    def hear(self, kind: str) -> Any:
        """The next thing of a kind that it says; what else it says is kept."""
        for said in self._heard:
            if said[0] == kind:
                self._heard.remove(said)
                return said[1]
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if said[0] == kind:
                return said[1]
            self._heard.append(said)
        raise AssertionError(f"it ended without saying {kind!r}: {self.log()}")

    def heard(self, kind: str) -> list[Any]:
        """What of a kind was said before the last thing heard."""
        return [value for said, value in self._heard if said == kind]

    def counts(self, within: float = PATIENCE) -> dict[int, int]:
        """The sessions of each worker, when all have answered or so many seconds are over."""
        self.ask(within)
        return dict(self.hear("counts"))

    def ask(self, within: float) -> None:
        """Have it count sessions for so many seconds at most."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{within}\n")
        self.process.stdin.flush()

    def client_of(self, pid: int) -> Client:
        """A client that this worker serves."""
        others = [each for each in self.counts() if each != pid]
        with stopped(*others):
            client = Client(self.address)
            assert client.reply().startswith("220 ")
        return client

    def log(self) -> str:
        """What it logged so far."""
        return (self._folder / "log").read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the parent."""
        self.process.send_signal(number)

    def end(self) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(PATIENCE)

    def ended_well(self) -> bool:
        """Whether it goes on after `serve_forever`, no hub having been started in it, and ends with 0."""
        return self.hear("ended well") is True and self.end() == 0


@contextmanager
def program(
    folder: Path, workers: int = 2, *, patched: bool = False, before: str = "", **options: Any
) -> Generator[Program]:
    """The program, run in `folder`; killed if it is still there at the end.

    Args:
        folder: gets the callback module, if it is not there, and the log.
        workers: how many serve.
        patched: whether gevent patches the program.
        before: what the program does before it serves.
        options: the listener's options.
    """
    if not (folder / "callbacks.py").exists():
        write_callbacks(folder, 1)
    settings = {
        "workers": workers,
        "patched": patched,
        "before": before,
        "listener": listener(**{"address": "localhost", **options}),
    }
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{PROJECT}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"},
        ) as process,
    ):
        try:
            yield Program(process, folder, workers)
        finally:
            process.kill()  # its workers stop then, too


def write_callbacks(folder: Path, version: int) -> None:
    """Write the callback module."""
    (folder / "callbacks.py").write_text(f"VERSION = {version}\n{CALLBACKS}")


def copy(source: CertificateFiles, folder: Path) -> dict[str, str]:
    """Put a certificate and its key where the server's options point; those options."""
    certfile, keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
    shutil.copy(source.certfile, certfile)
    shutil.copy(source.keyfile, keyfile)
    return {"certfile": certfile, "keyfile": keyfile, "callbackoptions": "TLS"}


def starttls(client: Client, certificates: Certificates, name: str) -> ssl.SSLSocket:
    """The TLS connection after STARTTLS, if the server's certificate is for `name`."""
    assert client.say("EHLO me", "STARTTLS").startswith("220 ")
    context = ssl.create_default_context(cafile=certificates.cafile)
    return context.wrap_socket(client.socket, server_hostname=name)


class TestSessions:
    def test_each_worker_counts_its_own_and_the_parent_has_the_sum(self, tmp_path: Path) -> None:
        with program(tmp_path) as server, ExitStack() as clients:
            first, second = server.pids
            assert server.heard("pids") == [[]]  # when on_started was called, none was forked
            assert server.counts() == {first: 0, second: 0}
            for pid in (first, second, second):
                clients.enter_context(server.client_of(pid))
            assert server.counts() == {first: 1, second: 2}

    def test_a_worker_that_does_not_answer_in_time_is_left_out(self, tmp_path: Path) -> None:
        with program(tmp_path) as server:
            first, second = server.counts()
            with stopped(first):
                assert server.counts(within=1.0) == {second: 0}
            with server.client_of(first):
                # What it answered late is not taken for an answer to another question.
                assert server.counts() == {first: 1, second: 0}

    def test_counting_them_holds_up_no_replacement(self, tmp_path: Path) -> None:
        with program(tmp_path) as server:
            first, second = server.counts()
            with stopped(first):
                server.ask(within=PATIENCE)
                os.kill(second, signal.SIGKILL)
                assert server.hear("died")[0] == second
                server.hear("started")
                assert server.heard("counts") == []
            assert dict(server.hear("counts"))[first] == 0
            assert len(server.counts()) == 2


class TestAWorkerThatDies:
    def test_takes_no_queued_connection_along_and_is_replaced(self, tmp_path: Path) -> None:
        with program(tmp_path) as server, ExitStack() as stack:
            first, second = server.counts()
            with stopped(first, second):
                clients = [stack.enter_context(Client(server.address)) for _ in range(40)]
                os.kill(first, signal.SIGKILL)
                assert server.hear("died") == [first, "was killed by signal 9"]
            third = server.hear("started")
            for client in clients:
                assert client.reply() == "220 code 1"
                assert client.say(*DATA).startswith("354")
                client.send("Subject: hello\r\n\r\nhello\r\n.\r\n")
                assert client.reply() == "250 taken"
            counts = server.counts()
            assert set(counts) == {second, third}
            assert sum(counts.values()) == len(clients)

    def test_is_replaced_under_load(self, tmp_path: Path) -> None:
        """Nothing is lost but the connections that it had accepted itself."""
        with program(tmp_path) as server:
            first, _ = server.counts()
            lost: list[OSError] = []
            replaced = threading.Event()

            def send_mails() -> None:
                after = 0
                while after < 20:
                    after += replaced.is_set()
                    try:
                        with Client(server.address) as client:
                            greeting = client.reply()
                            if greeting and client.say(*DATA).startswith("354"):
                                client.send("hello\r\n.\r\n")
                                greeting = client.reply()
                    except (ConnectionResetError, BrokenPipeError) as error:
                        lost.append(error)
                        continue
                    if greeting != "250 taken":
                        lost.append(ConnectionResetError(greeting))

            senders = [threading.Thread(target=send_mails) for _ in range(4)]
            for sender in senders:
                sender.start()
            os.kill(first, signal.SIGKILL)
            server.hear("started")
            replaced.set()
            for sender in senders:
                sender.join()
            # Each sender has one connection at a time, so no more of them can have been with that worker.
            assert len(lost) <= len(senders)
            assert len(server.counts()) == 2

    def test_too_often_ends_the_whole_with_a_clear_error(self, tmp_path: Path) -> None:
        with program(tmp_path) as server:
            server.counts()
            pid, other = server.pids
            with server.client_of(other) as client:
                for deaths in range(1, 7):
                    os.kill(pid, signal.SIGKILL)
                    assert server.hear("died")[0] == pid
                    if deaths < 6:
                        pid = server.hear("started")
                assert client.reply().startswith("421 ")
            assert server.end() == 1
            assert "WorkersGaveUp: a worker ended more than 5 times in 10 s" in server.log()
            assert "was killed by signal 9" in server.log()

    @pytest.mark.parametrize("failing", ["os.fork", "pool.open_channel", "worker.launch"])
    def test_is_replaced_later_where_the_system_has_no_room_for_another(
        self, tmp_path: Path, failing: str
    ) -> None:
        with program(tmp_path, before=SHORTAGE.replace("FAILING", failing)) as server:
            first, second = server.counts()
            (tmp_path / "no room").touch()
            os.kill(first, signal.SIGKILL)
            died = "died" if failing == "worker.launch" else "not started"
            assert server.hear("died")[0] == first
            told = [server.hear(died) for _ in range(7)]  # more often than a worker may die
            if died == "not started":
                assert told == [0.01, 0.02, 0.04, 0.08, 0.08, 0.08, 0.08]
            with Client(server.address) as client:
                assert client.reply() == "220 code 1"
            (tmp_path / "no room").unlink()
            while len(counts := server.counts()) < 2:
                pass
            assert second in counts
            server.signal(signal.SIGTERM)
            assert server.ended_well()

    def test_that_can_not_be_started_at_first_is_an_error(self, tmp_path: Path) -> None:
        script = """
            import os
            from gen_smtp import gen_smtp_server
            from gen_smtp.gen_smtp_server_session import Behaviour

            forks = [os.fork]

            def fork():
                if not forks:
                    raise BlockingIOError(11, "no room")
                return forks.pop()()

            os.fork = fork
            try:
                gen_smtp_server.serve_forever(Behaviour, [{"address": "127.0.0.1", "port": 0}], workers=2)
            except gen_smtp_server.StartError as error:
                print(error)
            """
        assert run_script(script, tmp_path) == "a worker could not be started: no room\n"

    def test_by_the_end_of_its_server_is_replaced_too(self, tmp_path: Path) -> None:
        """A worker is stopped by its parent alone; SIGTERM for one of them renews it."""
        with program(tmp_path) as server:
            first, second = server.counts()
            with server.client_of(first) as client:
                os.kill(first, signal.SIGTERM)
                assert client.reply().startswith("421 ")
            assert server.hear("died") == [first, "exited with code 0"]
            third = server.hear("started")
            assert set(server.counts()) == {second, third}

    def test_by_retiring_is_replaced_when_its_last_session_has_ended(self, tmp_path: Path) -> None:
        """SIGUSR2 for one of them renews it, and its sessions go on."""
        with program(tmp_path) as server:
            first, second = server.counts()
            with server.client_of(first) as client:
                os.kill(first, signal.SIGUSR2)
                for _ in range(2):
                    assert client.say(*DATA).startswith("354 ")
                    client.send("hello\r\n.\r\n")
                    assert client.reply() == "250 taken"
                assert client.say("QUIT").startswith("221 ")
            assert server.hear("died") == [first, "exited with code 0"]
            third = server.hear("started")
            assert set(server.counts()) == {second, third}


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_waits_for_the_mail_in_hand(self, tmp_path: Path, number: signal.Signals) -> None:
        with program(tmp_path) as server:
            first, second = server.counts()
            with (
                server.client_of(first) as busy,
                server.client_of(first) as idle,
                server.client_of(second) as other,
            ):
                busy.say(*DATA)
                server.signal(number)
                assert idle.reply().startswith("421 ")
                assert other.reply().startswith("421 ")
                with pytest.raises(ConnectionRefusedError):
                    Client(server.address)
                busy.send("hello\r\n.\r\n")
                assert busy.reply() == "250 taken"
                assert server.ended_well()
            assert server.log() == ""

    def test_at_a_second_signal_waits_for_nobody(self, tmp_path: Path) -> None:
        with program(tmp_path) as server:
            first, _ = server.counts()
            with server.client_of(first) as busy, server.client_of(first) as idle:
                busy.say(*DATA)
                server.signal(signal.SIGTERM)
                assert idle.reply().startswith("421 ")
                begin = time.monotonic()
                server.signal(signal.SIGTERM)
                assert busy.reply() == ""
                assert server.ended_well()
                assert time.monotonic() - begin < 4.0  # of the five seconds of grace

    def test_workers_stop_when_their_parent_is_killed(self, tmp_path: Path) -> None:
        with program(tmp_path) as server:
            first, second = server.counts()
            with server.client_of(first) as one, server.client_of(second) as two:
                server.signal(signal.SIGKILL)
                assert one.reply().startswith("421 ")
                assert two.reply().startswith("421 ")
            assert server.process.stdout is not None
            assert server.process.stdout.read() == ""  # nobody is left who has it open

    def test_a_unix_socket_is_the_parents_to_remove(self, tmp_path: Path, short_path: Path) -> None:
        path = short_path / "mail"
        with program(tmp_path, family="unix", address=str(path), port=None) as server:
            first, _ = server.counts()
            os.kill(first, signal.SIGTERM)
            server.hear("started")
            server.counts()
            with Client(server.address) as client:
                assert client.reply() == "220 code 1"
            server.signal(signal.SIGTERM)
            assert server.ended_well()
            assert not path.exists()

    def test_what_on_started_raises_ends_it_before_there_is_a_worker(self, short_path: Path) -> None:
        script = """
            import os
            from gen_smtp import gen_smtp_server
            from gen_smtp.gen_smtp_server_session import Behaviour

            def fail(workers):
                [path] = workers.addresses()
                assert os.path.exists(path)
                raise LookupError("not today")

            options = [{"family": "unix", "address": "mail"}]
            try:
                gen_smtp_server.serve_forever(Behaviour, options, workers=2, on_started=fail)
            except LookupError as error:
                print(error, os.path.exists("mail"))
            """
        assert run_script(script, short_path) == "not today False\n"


class TestHangup:
    def test_has_every_worker_use_new_certificates_and_code(
        self, tmp_path: Path, certificates: Certificates
    ) -> None:
        with (
            program(tmp_path, sessionoptions=copy(certificates.one, tmp_path)) as server,
            ExitStack() as stack,
        ):
            first, second = server.counts()
            live = stack.enter_context(server.client_of(first))
            with starttls(server.client_of(second), certificates, "one.example") as secure:
                copy(certificates.two, tmp_path)
                write_callbacks(tmp_path, 2)
                server.signal(signal.SIGHUP)
                reloaded = [server.hear("reloaded") for _ in range(6)]
                assert sorted(reloaded) == ["callback code"] * 3 + ["certificates"] * 3
                secure.sendall(b"VRFY me\r\n")
                assert secure.recv(100) == b"250 verified by code 2\r\n"
            assert live.say("VRFY me") == "250 verified by code 2"
            os.kill(second, signal.SIGKILL)
            for pid in (first, server.hear("started")):
                with server.client_of(pid) as client:
                    assert client.say("VRFY me") == "250 verified by code 2"
                    starttls(client, certificates, "two.example").close()

    def test_with_unusable_files_changes_nothing(self, tmp_path: Path, certificates: Certificates) -> None:
        with program(tmp_path, sessionoptions=copy(certificates.one, tmp_path)) as server:
            first, second = server.counts()
            (tmp_path / "key.pem").write_text("no key")
            (tmp_path / "callbacks.py").write_text("VERSION = 2\nraise LookupError('not today')\n")
            server.signal(signal.SIGHUP)
            what, why = server.hear("failed")
            assert what == "certificates"
            assert "key.pem" in why
            assert server.hear("failed") == ["callback code", "not today"]
            os.kill(second, signal.SIGKILL)
            for pid in (first, server.hear("started")):
                with server.client_of(pid) as client:
                    assert client.say("VRFY me") == "250 verified by code 1"
                    starttls(client, certificates, "one.example").close()
            assert server.heard("failed") == []  # none of the workers tried it again

    @pytest.mark.parametrize("patched", [False, True])
    def test_does_the_same_in_a_single_process(
        self, tmp_path: Path, certificates: Certificates, patched: bool
    ) -> None:
        options = copy(certificates.one, tmp_path)
        with program(tmp_path, 1, patched=patched, sessionoptions=options) as server:
            with Client(server.address) as live:
                assert live.reply() == "220 code 1"
                copy(certificates.two, tmp_path)
                write_callbacks(tmp_path, 2)
                server.signal(signal.SIGHUP)
                assert [server.hear("reloaded"), server.hear("reloaded")] == ["certificates", "callback code"]
                assert live.say("VRFY me") == "250 verified by code 2"
            with Client(server.address) as later:
                assert later.reply() == "220 code 2"
                starttls(later, certificates, "two.example").close()
            server.signal(signal.SIGTERM)
            assert server.end() == 0


def run_script(script: str, folder: Path) -> str:
    """The output of a program that ends well."""
    lines = script.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(line[indent:] for line in lines)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


class TestRefused:
    @pytest.mark.parametrize("workers", [0, -1, True, 1.0, "2", None])
    def test_is_what_is_no_number_of_workers(self, workers: Any) -> None:
        with pytest.raises(gen_smtp_server.OptionsError) as wrong:
            gen_smtp_server.serve_forever(Behaviour, [listener()], workers=workers)
        assert wrong.value.option == "workers"
        assert wrong.value.allowed == "1 or more"

    def test_are_several_where_actors_run(self) -> None:
        with serving(behaviour()), pytest.raises(gen_smtp_server.OptionsError) as wrong:
            gen_smtp_server.serve_forever(Behaviour, [listener()], workers=2)
        assert wrong.value.option == "workers"
        assert "actors run in this process already" in str(wrong.value)

    @pytest.mark.parametrize(
        ("before", "call", "problem"),
        [
            ("from gevent import monkey; monkey.patch_all()", "serve()", "monkey-patched"),
            ("import threading", "threading.Thread(target=serve).start()", "main thread"),
        ],
    )
    def test_are_several_where_they_cannot_be_forked_or_hear_no_signals(
        self, tmp_path: Path, before: str, call: str, problem: str
    ) -> None:
        script = f"""
            {before}
            from gen_smtp import gen_smtp_server
            from gen_smtp.gen_smtp_server_session import Behaviour

            def serve():
                try:
                    gen_smtp_server.serve_forever(Behaviour, [{{"port": 0}}], workers=2)
                except gen_smtp_server.OptionsError as error:
                    print(error)

            {call}
            """
        assert problem in run_script(script, tmp_path)

    def test_is_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            script = f"""
                from gen_smtp import gen_smtp_server
                from gen_smtp.gen_smtp_server_session import Behaviour

                options = [{{"port": 0}}, {{"address": "127.0.0.1", "port": {taken.getsockname()[1]}}}]
                try:
                    gen_smtp_server.serve_forever(Behaviour, options, workers=2)
                except gen_smtp_server.ListenError as error:
                    print(error)
                """
            assert "Address already in use" in run_script(script, tmp_path)


class TestCommandLine:
    def test_workers_serve_as_the_user_that_root_was_dropped_for(self, tmp_path: Path) -> None:
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        arguments = ["--workers", "2", "--address", "127.0.0.1", "--port", "0", "--user", user.pw_name]
        with subprocess.Popen(
            [sys.executable, "-m", "gen_smtp", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            said = re.match(r"listening on 127\.0\.0\.1:(\d+) \(smtp\)\n", process.stdout.readline())
            assert said
            started = [
                line for line in (process.stderr.readline(), process.stderr.readline()) if "worker" in line
            ]
            pids = [int(line.split()[-2]) for line in started]
            with Client(("127.0.0.1", int(said[1]))) as client:
                assert client.reply().startswith("220 ")
                for pid in (process.pid, *pids):
                    status = Path(f"/proc/{pid}/status").read_text()
                    assert re.findall(r"^Uid:\t(\d+)\t(\d+)", status, re.M) == [(str(user.pw_uid),) * 2]
                process.send_signal(signal.SIGTERM)
                assert client.reply().startswith("421 ")
            rest = process.stderr.read()
            assert process.wait(PATIENCE) == 0
            assert "Traceback" not in rest

    def test_says_what_is_wrong_with_the_number(self, tmp_path: Path) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "gen_smtp", "serve", "--port", "0", "--workers", "0"],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        assert ended.returncode == 2
        assert ended.stderr == "gen-smtp: --workers: not a number of workers: 0; allowed: 1 or more\n"
