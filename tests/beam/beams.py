"""BEAM nodes for tests: an epmd at a port of its own, and `erl` driven over standard input and output."""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 20.0
"""Seconds after which an answer is taken not to come."""

ROOT = Path(__file__).parents[2]
COOKIE = "secret-of-the-tests"
DRIVER = (Path(__file__).parent / "driver.erl").read_text(encoding="utf-8")
PROGRAM = "\n".join(line for line in DRIVER.splitlines() if not line.startswith("%%"))

# The processes of all nodes of a run share few cores: one scheduler each, which never waits busily.
EMULATOR = ("+S", "1:1", "+SDcpu", "1:1", "+SDio", "1", "+A", "1", "+sbwt", "none", "+sbwtdcpu", "none")

_numbers = itertools.count(1)


class BeamError(Exception):
    """An expression ended by an exception: class (`error`, `exit`, `throw`; `died` by a signal) and term."""

    def __init__(self, kind: str, term: str) -> None:
        super().__init__(kind, term)
        self.kind = kind
        self.term = term


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def write_cookie(folder: Path) -> Path:
    """A file with the tests' cookie, as only its owner may read it."""
    path = folder / "cookie"
    if not path.exists():
        path.write_text(COOKIE, encoding="ascii")
        path.chmod(0o400)
    return path


class Epmd:
    """An epmd of the tests' own. It ends with the tests, even if they are killed.

    Args:
        port: where it listens; None takes a free port.
        prefix: a command in front of it, such as `ip netns exec NAME`.
        address: the address it listens at.
    """

    def __init__(
        self, port: int | None = None, *, prefix: Sequence[str] = (), address: str = "127.0.0.1"
    ) -> None:
        self.port = port or free_port()
        self.address = address
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to find it."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return {**os.environ, "PATH": path, "ERL_EPMD_PORT": str(self.port)}

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        # The shell reads standard input, which ends with this process.
        script = (
            f"epmd -port {self.port} -address {self.address} & read line; kill -9 $!; wait $! 2>/dev/null"
        )
        self._process = subprocess.Popen(
            [*self._prefix, "sh", "-c", script],
            stdin=subprocess.PIPE,
            env=self.environment,
        )
        deadline = time.monotonic() + PATIENCE
        while self._ask_names() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no epmd answers at port {self.port}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it. The nodes live on."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(PATIENCE)
            self._process = None

    def names(self) -> dict[str, int]:
        """The names that are registered, without their host, and the ports of their nodes."""
        text = self._ask_names()
        if text is None:
            raise ConnectionError(f"no epmd answers at port {self.port}")
        words = [line.split() for line in text.splitlines() if line.startswith("name ")]
        return {word[1]: int(word[4]) for word in words}

    def _ask_names(self) -> str | None:
        done = subprocess.run(
            [*self._prefix, "epmd", "-port", str(self.port), "-names"],
            env={**self.environment, "ERL_EPMD_ADDRESS": self.address},
            capture_output=True,
            text=True,
        )
        return done.stdout if done.returncode == 0 else None


class Driven:
    """A process that is driven over its standard input and output: each question has a number, as its answer.

    Args:
        arguments: its command line.
        log: the file that standard error goes to.
        environment: its environment.
        name: what it is called in errors.
    """

    def __init__(self, arguments: Sequence[str], log: Path, environment: dict[str, str], name: str) -> None:
        self.name = name
        self._left = b""
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                bufsize=0,
            )
        try:
            self._hear("0", PATIENCE)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def __call__(self, text: str, timeout: float = PATIENCE) -> str:
        """Have a text evaluated there.

        Returns:
            The value as text.

        Raises:
            BeamError: an exception ended the evaluation.
            TimeoutError: nothing came in `timeout` seconds.
        """
        return self.result(self.begin(text), timeout)

    def begin(self, text: str) -> str:
        """Have a text evaluated without waiting for its value: `result` takes what this returns."""
        number = str(next(_numbers))
        assert self._process.stdin is not None
        self._process.stdin.write(self.question(number, text))
        return number

    def result(self, number: str, timeout: float = PATIENCE) -> str:
        """The value of what was begun. Raises: as a call."""
        kind, term = self._hear(number, timeout)
        if kind != "value":
            raise BeamError(kind, term)
        return term

    def wait_until(self, text: str, value: str = "true", timeout: float = PATIENCE) -> None:
        """Evaluate an expression again and again until it has a value.

        Raises:
            TimeoutError: it had another value to the end.
        """
        deadline = time.monotonic() + timeout
        while (last := self(text)) != value:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text} is {last} on {self.name}, not {value}")
            time.sleep(0.01)

    def log(self) -> str:
        """What it wrote to standard error: its logger's lines as well."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it, if it still runs, and wait until it has ended."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait(PATIENCE)

    def question(self, number: str, text: str) -> bytes:
        """A line that asks for a text to be evaluated."""
        raise NotImplementedError

    def answer(self, line: str) -> tuple[str, str, str] | None:
        """Number, kind and term of an answer; None if the line is none."""
        raise NotImplementedError

    def _hear(self, number: str, timeout: float) -> tuple[str, str]:
        """Kind and term of an answer. What else stands on standard output, late answers too, is left out."""
        deadline = time.monotonic() + timeout
        while True:
            answer = self.answer(self._read_line(deadline))
            if answer is not None and answer[0] == number:
                return answer[1], answer[2]

    def _read_line(self, deadline: float) -> str:
        pipe = self._process.stdout
        assert pipe is not None
        while b"\n" not in self._left:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no answer from {self.name}; its log: {self.log()[-2000:]}")
            octets = pipe.read(65536)
            if not octets:
                raise ConnectionError(f"{self.name} has ended; its log: {self.log()[-2000:]}")
            self._left += octets
        line, _, self._left = self._left.partition(b"\n")
        return line.decode("utf-8", "replace")


class Beam(Driven):
    """A node of Erlang's.

    `beam("1 + 1")` evaluates expressions and gives their value as `~0tp` writes it. Bindings are kept, but
    for those of variables whose name ends in `_`; a full stop at the end is added.

    Args:
        epmd: where it registers.
        name: its name without the host.
        folder: where it may write; its log stands there in `NAME.log`.
        arguments: more arguments of `erl`, such as `-hidden` or `-kernel net_ticktime 4`.
        prefix: a command in front of `erl`, such as `ip netns exec NAME`.
    """

    def __init__(
        self,
        epmd: Epmd,
        name: str,
        folder: Path,
        *arguments: str,
        host: str = "127.0.0.1",
        cookie: str = COOKIE,
        prefix: Sequence[str] = (),
    ) -> None:
        listen = ("-kernel", "inet_dist_use_interface", "{" + host.replace(".", ",") + "}")
        own = ("-name", f"{name}@{host}", "-setcookie", cookie, "-start_epmd", "false", *listen)
        super().__init__(
            [*prefix, "erl", *EMULATOR, "-noshell", *own, *arguments, "-eval", PROGRAM],
            folder / f"{name}.log",
            {**epmd.environment, "HOME": str(folder), "ERL_CRASH_DUMP_SECONDS": "0"},
            f"{name}@{host}",
        )

    def question(self, number: str, text: str) -> bytes:
        line = " ".join(text.split("\n")).strip().removesuffix(".")
        return f"{number} {line}.\n".encode()

    def answer(self, line: str) -> tuple[str, str, str] | None:
        if not line.startswith("="):
            return None
        number, kind, term = line.removeprefix("=").split(" ", 2)
        return number, kind, term

    def load(self, source: str) -> None:
        """Compile a module from its source, and load it."""
        path = self._log.parent / f"{self.name}-{next(_numbers)}.erl"
        path.write_text(source, encoding="utf-8")
        forms = f'{{ok, _, B_}} = compile:file("{path}", [binary, {{warn_missing_spec, false}}])'
        module = source.partition("-module(")[2].partition(")")[0]
        self(f'fun() -> {forms}, {{module, _}} = code:load_binary({module}, "{path}", B_), ok end()')

    def connect(self, other: str) -> None:
        """Ping another node, which must answer."""
        assert self(f"net_adm:ping('{other}')") == "pong", f"{self.name} does not reach {other}"


class PythonNode(Driven):
    """A Python process of its own, for what ends or stops a whole process. `node("1 + 1")` gives a repr.

    Args:
        epmd: where it is to register; it starts its node itself, by `beam.start`.
        name: what it is called in errors, and its log.
        folder: where it may write.
        prefix: a command in front of Python, such as `ip netns exec NAME`.
    """

    def __init__(self, epmd: Epmd, name: str, folder: Path, *, prefix: Sequence[str] = ()) -> None:
        driver = Path(__file__).parent / "python_driver.py"
        super().__init__(
            [*prefix, sys.executable, str(driver)],
            folder / f"{name}.log",
            {**epmd.environment, "PYTHONPATH": str(ROOT)},
            name,
        )

    def question(self, number: str, text: str) -> bytes:
        return json.dumps([number, text]).encode() + b"\n"

    def answer(self, line: str) -> tuple[str, str, str] | None:
        try:
            number, kind, term = json.loads(line)
        except ValueError:
            return None
        return number, kind, term


class Beams:
    """Starts nodes, and ends all of them when it is closed."""

    def __init__(self, epmd: Epmd, folder: Path) -> None:
        self.epmd = epmd
        self.folder = folder
        self._running: list[Driven] = []

    def start(self, name: str | None = None, *arguments: str, cookie: str = COOKIE) -> Beam:
        """Start a node, with a name of its own if none is given."""
        beam = Beam(self.epmd, name or f"beam{next(_numbers)}", self.folder, *arguments, cookie=cookie)
        self._running.append(beam)
        return beam

    def start_python(self) -> PythonNode:
        """Start a Python process."""
        node = PythonNode(self.epmd, f"python{next(_numbers)}", self.folder)
        self._running.append(node)
        return node

    def close(self) -> None:
        """End all of them."""
        for beam in self._running:
            beam.close()
        self._running.clear()
