"""The command gen-smtp as its users run it: a process of its own, real clients, real signals."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pwd
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import gen_smtp
from tests.certificates import Certificates
from tests.gen_smtp.preloaded import Preloaded

PROJECT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "gen_smtp"]
DEADLINE = 30.0

CALLBACK = '''
from gen_smtp.gen_smtp_server_session import Behaviour, ok


class MyServer(Behaviour):
    """Says its options in its banner and writes mail down."""

    def init(self, hostname, session_count, peername, options):
        self.options = options
        return ok(f"{hostname} {sorted(options.items())}")

    def handle_DATA(self, sender, recipients, data):
        with open(self.options["file"], "wb") as file:
            file.write(data)
        return ok("written")
'''


def environment() -> dict[str, str]:
    """The environment of the command, from any current folder."""
    return {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does, and tells nobody."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


class Server:
    """A running `gen-smtp serve`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def next_address(self) -> str:
        """The address that the next line of its output says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = re.match(r"listening on (\S+) \((.*)\)\n", line)
        assert match, f"{line!r}\n{self.log()}"
        return match[1]

    def next_port(self) -> int:
        """The port of that address."""
        return int(self.next_address().rpartition(":")[2])

    def log(self) -> str:
        """What it logged so far."""
        return self._log.read_text()

    def wait_for_log(self, text: str) -> None:
        """Wait until something was logged."""
        wait_until(lambda: text in self.log())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@pytest.fixture(scope="module")
def preloaded() -> Iterator[Preloaded]:
    """The command, for cases in which it ends at once."""
    with Preloaded(environment()) as forking:
        yield forking


@contextmanager
def serving(folder: Path, *arguments: str, path: Path | None = None) -> Iterator[Server]:
    """`gen-smtp serve` with these arguments, run in `folder`; killed if it is still there at the end.

    Args:
        path: another folder where Python looks for modules from its start on.
    """
    log = folder / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [*COMMAND, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env=environment() | ({"PYTHONPATH": f"{path}:{PROJECT}"} if path else {}),
        ) as process,
    ):
        try:
            yield Server(process, log)
        finally:
            process.kill()


def trusting(certificates: Certificates) -> ssl.SSLContext:
    """A client's context."""
    return ssl.create_default_context(cafile=certificates.cafile)


def send(client: smtplib.SMTP) -> dict[str, tuple[int, bytes]]:
    """Send a message; what was refused."""
    return client.sendmail("you@example.net", ["me@example.org"], b"Subject: hello\r\n\r\nhello\r\n")


class TestServe:
    def test_the_example_takes_mail(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path, "--address", "127.0.0.1", "--port", "0", "--domain", "d.example") as server,
            smtplib.SMTP("127.0.0.1", server.next_port(), timeout=DEADLINE) as client,
        ):
            assert client.ehlo()[1].startswith(b"d.example\n")
            assert send(client) == {}

    def test_a_worker_that_is_full_leaves_clients_to_the_others(self, tmp_path: Path) -> None:
        arguments = ("--address", "127.0.0.1", "--port", "0", "--workers", "2", "--limit", "max_sessions=1")
        with serving(tmp_path, *arguments) as server, contextlib.ExitStack() as stack:
            address = ("127.0.0.1", server.next_port())
            clients = []
            for _ in range(2):
                clients.append(stack.enter_context(socket.create_connection(address, DEADLINE)))
                assert clients[-1].recv(3) == b"220"
            waiting = stack.enter_context(socket.create_connection(address, DEADLINE))
            clients[0].close()
            assert waiting.recv(3) == b"220"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_well(self, tmp_path: Path, number: signal.Signals) -> None:
        with serving(tmp_path, "--address", "127.0.0.1", "--port", "0") as server:
            port = server.next_port()
            with (
                socket.create_connection(("127.0.0.1", port), DEADLINE) as client,
                client.makefile("rb") as replies,
            ):
                assert replies.readline().startswith(b"220 ")
                assert server.stop(number) == 0
                assert replies.readline().endswith(b" Service shutting down\r\n")
                assert replies.read() == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
            assert "Traceback" not in server.log()

    def test_another_process_takes_over_with_the_same_command_line(self, tmp_path: Path) -> None:
        """And with a new version of the class, for that is loaded anew."""
        (tmp_path / "mymodule.py").write_text(CALLBACK)
        pidfile = tmp_path / "pid"
        arguments = ["--address", "127.0.0.1", "--port", "0", "--drain", "600", "--pidfile", str(pidfile)]
        with serving(tmp_path, "mymodule:MyServer", *arguments, "--callback-option", "size=5") as server:
            address = ("127.0.0.1", server.next_port())
            with socket.create_connection(address, DEADLINE) as old, old.makefile("rb") as replies:
                assert replies.readline().endswith(b" [('size', 5)]\r\n")
                assert pidfile.read_text() == f"{server.process.pid}\n"
                (tmp_path / "mymodule.py").write_text(CALLBACK.replace("{sorted", "new {sorted"))
                server.process.send_signal(signal.SIGUSR2)
                assert server.next_port() == address[1]
                server.wait_for_log("has taken over, this one ends with its last session")
                with smtplib.SMTP(timeout=DEADLINE) as client:
                    assert client.connect(*address)[1].endswith(b" new [('size', 5)]")
                old.sendall(b"QUIT\r\n")
                assert replies.readline().startswith(b"221 ")
            assert server.process.wait(DEADLINE) == 0
            heir = int(pidfile.read_text())
            assert re.findall(r"process (\d+) has taken over", server.log()) == [str(heir)]
            os.kill(heir, signal.SIGTERM)
            assert server.process.stdout is not None
            assert server.process.stdout.read() == ""  # that one has ended, too
            assert not pidfile.exists()
            assert "Traceback" not in server.log()

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_another_process_that_fails_leaves_the_pid_file_to_this_one(
        self, tmp_path: Path, workers: str
    ) -> None:
        """It had written itself in; here it fails as it says where it listens."""
        pidfile = tmp_path / "pid"
        arguments = ["--address", "127.0.0.1", "--port", "0", "--pidfile", str(pidfile), "--workers", workers]
        with serving(tmp_path, *arguments) as server:
            server.next_port()
            assert pidfile.read_text() == f"{server.process.pid}\n"
            assert server.process.stdout is not None
            server.process.stdout.close()
            server.process.send_signal(signal.SIGUSR2)
            server.wait_for_log("no other process takes over, this one goes on")
            wait_until(pidfile.exists)
            assert pidfile.read_text() == f"{server.process.pid}\n"
            assert server.stop() == 0
            assert not pidfile.exists()

    def test_a_class_of_the_current_folder_with_its_options(self, tmp_path: Path) -> None:
        (tmp_path / "mymodule.py").write_text(CALLBACK)
        written = tmp_path / "mail"
        options = ("--callback-option", f"file={written}", "--callback-option", "size=5")
        with (
            serving(
                tmp_path, "mymodule:MyServer", "--address", "127.0.0.1", "--port", "0", *options
            ) as server,
            smtplib.SMTP(timeout=DEADLINE) as client,
        ):
            _, banner = client.connect("127.0.0.1", server.next_port())
            assert banner.decode().endswith(f" [('file', '{written}'), ('size', 5)]")
            send(client)
            assert written.read_bytes() == b"Subject: hello\r\n\r\nhello\r\n"

    def test_starttls_and_auth(self, tmp_path: Path, certificates: Certificates) -> None:
        files = ("--certfile", certificates.rsa.certfile, "--keyfile", certificates.rsa.keyfile)
        policy = ("--require-tls", "--require-auth", "--callback-option", "auth")
        with (
            serving(tmp_path, "--address", "127.0.0.1", "--port", "0", *files, *policy) as server,
            smtplib.SMTP("localhost", server.next_port(), timeout=DEADLINE) as client,
        ):
            client.ehlo()
            assert client.docmd("MAIL FROM:<a@example.net>")[0] == 530
            client.starttls(context=trusting(certificates))
            client.login("username", "PaSSw0rd")
            assert send(client) == {}

    def test_implicit_tls(self, tmp_path: Path, certificates: Certificates) -> None:
        files = ("--certfile", certificates.ecdsa.certfile, "--keyfile", certificates.ecdsa.keyfile)
        with (
            serving(tmp_path, "--address", "127.0.0.1", "--port", "0", "--protocol", "ssl", *files) as server,
            smtplib.SMTP_SSL(
                "localhost", server.next_port(), timeout=DEADLINE, context=trusting(certificates)
            ) as client,
        ):
            assert send(client) == {}

    def test_behind_a_balancer(self, tmp_path: Path) -> None:
        here = ("--address", "127.0.0.1", "--port", "0", "--domain", "d.example")
        networks = ("--proxy-protocol", "::1", "--proxy-protocol", "127.0.0.0/8", "--xclient", "192.0.2.7")
        with (
            serving(tmp_path, *here, *networks, "--trust-proxied-tls") as server,
            socket.create_connection(("127.0.0.1", server.next_port()), DEADLINE) as client,
            client.makefile("rb") as replies,
        ):
            client.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n")
            banner = replies.readline()
            assert banner.startswith(b"220 d.example ")
            client.sendall(b"XCLIENT ADDR=192.0.2.8\r\n")
            assert replies.readline() == banner

    def test_lmtp_on_a_unix_socket(self, tmp_path: Path, short_path: Path) -> None:
        path = str(short_path / "lmtp")
        with serving(tmp_path, "--lmtp", "--family", "unix", "--address", path) as server:
            assert server.next_address() == path
            with smtplib.LMTP(path, timeout=DEADLINE) as client:
                refused = client.sendmail("you@example.net", ["a@example.org", "b@example.org"], b"hello\r\n")
                assert refused == {}
                # smtplib reads only one of LMTP's replies to a message, one for each recipient.
                assert client.getreply() == (250, b"2.0.0 delivered to b@example.org")

    def test_several_listeners_of_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "two.toml").write_text(
            """
            [[listener]]
            address = "127.0.0.1"
            port = 0
            domain = "one.example"

            [[listener]]
            family = "inet6"
            address = "::1"
            port = 0
            domain = "two.example"
            """
        )
        with serving(tmp_path, "--config", "two.toml") as server:
            ports = server.next_port(), server.next_port()
            for host, port, domain in zip(
                ("127.0.0.1", "::1"), ports, (b"one.example", b"two.example"), strict=True
            ):
                with smtplib.SMTP(timeout=DEADLINE) as client:
                    assert client.connect(host, port)[1].startswith(domain)

    def test_log_level_debug_logs_more_than_error(self, tmp_path: Path) -> None:
        for level, has_lines in (("debug", True), ("error", False)):
            with serving(tmp_path, "--address", "127.0.0.1", "--port", "0", "--log-level", level) as server:
                with smtplib.SMTP("127.0.0.1", server.next_port(), timeout=DEADLINE) as client:
                    client.ehlo()
                assert server.stop() == 0
                assert bool(server.log()) is has_lines


class TestDroppingRoot:
    def test_happens_before_anybody_is_served(self, tmp_path: Path) -> None:
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        with serving(tmp_path, "--address", "127.0.0.1", "--port", "0", "--user", user.pw_name) as server:
            port = server.next_port()
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            # Real, effective, saved and file system's.
            assert re.search(r"^Uid:\t(.*)$", status, re.M)[1].split() == [str(user.pw_uid)] * 4  # type: ignore[index]
            assert re.search(r"^Gid:\t(.*)$", status, re.M)[1].split() == [str(user.pw_gid)] * 4  # type: ignore[index]
            with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
                assert send(client) == {}
            assert server.stop() == 0


SLOW_INITGROUPS = """
import os, socket

real = os.initgroups

def initgroups(*args):
    with socket.socket(socket.AF_UNIX) as early:
        early.connect("mail")
        early.settimeout(0.5)
        try:
            said = early.recv(100)
        except TimeoutError:
            said = None
    os.write(2, f"early client heard {said}\\n".encode())
    real(*args)

os.initgroups = initgroups
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_no_client_is_accepted_while_root_is_given_up(short_path: Path) -> None:
    (short_path / "sitecustomize.py").write_text(SLOW_INITGROUPS)
    (short_path / "mymodule.py").write_text(
        "import os\nfrom gen_smtp.gen_smtp_server_session import Behaviour, ok\n\n"
        "class MyServer(Behaviour):\n"
        "    def init(self, hostname, session_count, peername, options):\n"
        "        return ok(f'served by {os.getuid()}')\n"
    )
    arguments = ["--family", "unix", "--address", "mail", "--user", "nobody", "mymodule:MyServer"]
    with serving(short_path, *arguments, path=short_path) as server:
        assert server.next_address() == "mail"
        assert "early client heard None" in server.log()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(str(short_path / "mail"))
            assert client.recv(100) == b"220 served by %d\r\n" % pwd.getpwnam("nobody").pw_uid
        assert server.stop() == 0


class TestCheck:
    @pytest.mark.parametrize("arguments", [["--workers", "2"], ["--pidfile", "pid", "mymodule:MyServer"]])
    def test_starts_nothing(self, tmp_path: Path, arguments: list[str]) -> None:
        (tmp_path / "mymodule.py").write_text(CALLBACK)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            place = ["--address", "127.0.0.1", "--port", str(taken.getsockname()[1])]
            ended = run("serve", *place, *arguments, "--check", cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "nothing is wrong; nothing was started\n"
        assert not (tmp_path / "pid").exists()

    def test_says_what_is_wrong_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "listeners.toml").write_text("[[listener]]\nhost = '::'\n")
        ended = run("serve", "--config", "listeners.toml", "--check", cwd=tmp_path)
        assert ended.returncode == 2
        assert "listener 1, option host: there is no such option; did you mean address?" in ended.stderr


class TestErrors:
    """Exit code 2 and one line that names the option."""

    def test_of_a_transcript_that_can_not_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "missing" / "file")
        ended = run("serve", "--address", "127.0.0.1", "--port", "0", "--transcript", "link", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.endswith("--transcript: cannot write 'link': No such file or directory\n")

    @pytest.mark.parametrize(
        ("arguments", "start"),
        [
            (["--port", "70000"], "--port: "),
            (["--family", "inet4"], "--family: "),
            (["--address", "1.2.3.400"], "--address: "),
            (
                ["--certfile", "missing.pem"],
                "--certfile: cannot read 'missing.pem': No such file or directory",
            ),
            (["--protocol", "ssl"], "--protocol: 'ssl' needs a certificate"),
            (["--lmtp", "--port", "25"], "--port: LMTP"),
            (["--timeout", "0"], "--timeout: "),
            (["--allow-bare-newlines", "maybe"], "--allow-bare-newlines: "),
            (["--transcript", "/no/folder/file"], "--transcript: there is no folder '/no/folder'"),
            (["--transcript", "/dev/full/x"], "--transcript: there is no folder '/dev/full'"),
            (["--transcript-from", "10.0.0.1"], "--transcript-from: nothing is written down"),
            (["--bare-newlines-from", "192.0.2.17"], "--bare-newlines-from: nothing is allowed"),
            (["--callback-option", "=1"], "--callback-option: "),
            (["--limit", "max_sessions=0"], "--limit max_sessions: not a limit: 0"),
            (["--deadline", "data_block=0"], "--deadline data_block: not a time in seconds: 0"),
            (
                ["--deadline", "data_blok=5"],
                "--deadline: option data_blok: there is no such option; did you mean data_block?",
            ),
            (["--config", "missing.toml"], "--config: cannot read 'missing.toml'"),
            (["--log-level", "loud"], "--log-level: "),
            (["--user", "no such user"], "--user, --group: there is no user 'no such user'"),
            (["--group", "nogroup"], "--group: needs --user"),
            (
                ["--grace", "-1"],
                "--grace: not a time in seconds: -1.0; allowed: a number of seconds",
            ),
            (["--drain", "inf"], "--drain: not a time in seconds: inf; "),
            (
                ["--pidfile", "missing/pid", "--port", "0", "--log-level", "error"],
                "--pidfile: cannot write 'missing/pid': No such file or directory",
            ),
            (["--workers", "0"], "--workers: not a number of workers: 0; "),
            (["--mode", "999"], "--mode: only a unix socket has a file"),
            (["no_such_module:MyServer"], "MODULE:CLASS: there is no module 'no_such_module'"),
            (["collections:NoSuchClass"], "MODULE:CLASS: there is no 'NoSuchClass' in 'collections'"),
            (["collections"], "MODULE:CLASS: 'collections' is not of the form module:Class"),
            (["string:Formatter", "--port", "0"], "MODULE:CLASS: "),
        ],
    )
    @pytest.mark.parametrize("check", [False, True])
    def test_in_the_arguments(
        self, preloaded: Preloaded, tmp_path: Path, arguments: list[str], start: str, check: bool
    ) -> None:
        ended = preloaded.run("serve", *arguments, *(["--check"] if check else []), cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"gen-smtp: {start}")
        assert ended.stderr.count("\n") == 1

    @pytest.mark.parametrize("arguments", [["--port", "smtp"], ["--timeout", "soon"], ["--prt", "25"]])
    def test_in_the_form_of_the_arguments(self, preloaded: Preloaded, arguments: list[str]) -> None:
        ended = preloaded.run("serve", *arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert arguments[0] in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_a_module_that_starts_a_server_of_its_own(self, tmp_path: Path) -> None:
        """The README's quick start, given to the command as it stands."""
        text = (PROJECT / "README.md").read_text()
        (tmp_path / "quick.py").write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])  # type: ignore[index]
        ended = run("serve", "quick:MyServer", "--address", "127.0.0.1", "--port", "0", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "gen-smtp: MODULE:CLASS: quick starts a server when it is imported, beside the one that is to "
            "serve its class; put that under `if __name__ == '__main__':`\n"
        )

    @pytest.mark.parametrize("start", ["serve_forever", "start", "start_link", "running"])
    def test_a_module_that_starts_it_in_another_way(self, tmp_path: Path, start: str) -> None:
        (tmp_path / "other.py").write_text(
            "from gen_smtp import gen_smtp_server\nfrom gen_smtp.gen_smtp_server_session import Behaviour\n"
            f"done = gen_smtp_server.{start}(Behaviour, [{{'port': 0}}])\n"
            "with done:\n    pass\n"
        )
        ended = run("serve", "other:Behaviour", "--address", "127.0.0.1", "--port", "0", cwd=tmp_path)
        assert ended.returncode == 2
        assert "other starts a server when it is imported" in ended.stderr

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = run("serve", "--address", "127.0.0.1", "--port", str(port))
        assert ended.returncode == 2
        expected = f"gen-smtp: --port: cannot listen on 127.0.0.1 port {port} (tcp): Address already in use"
        assert expected in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_in_a_file_names_file_and_listener(self, tmp_path: Path) -> None:
        (tmp_path / "bad.toml").write_text("[[listener]]\n[[listener]]\nport = true\n")
        ended = run("serve", "--config", "bad.toml", cwd=tmp_path)
        assert ended.returncode == 2
        assert ended.stderr.startswith("gen-smtp: bad.toml, line 3: listener 2, option port: ")


class TestHelp:
    def test_version(self) -> None:
        ended = run("--version")
        assert ended.returncode == 0
        version = importlib.metadata.version("gen-smtp")
        how = {"c": "with its parts in C", "python": "in Python alone"}[gen_smtp.compiled]
        assert ended.stdout == f"gen-smtp {version}, {how}\n"

    def test_teaches_with_examples(self) -> None:
        ended = run("serve", "--help")
        assert ended.returncode == 0
        assert "gen-smtp serve mymodule:MyServer" in ended.stdout
        assert "[[listener]]" in ended.stdout
        assert "--allow-insecure-auth" in ended.stdout

    def test_is_what_no_argument_asks_for(self) -> None:
        ended = run()
        assert "Serve mail with a callback class." in ended.stdout + ended.stderr
