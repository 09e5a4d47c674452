"""A program that serves, in processes of its own: the one started, its workers, and those that take over."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.gen_smtp.live import PATIENCE, listener

PROJECT = Path(__file__).parents[2]

# It says what happens, each time in one line of JSON with its process, and writes the recipients of a message
# down before that has its 250. Its successor is the same program, and says so on the same standard output.
PROGRAM = """
import importlib, json, os, signal

with open("settings.json") as file:
    settings = json.load(file)
if settings["patched"]:
    from gevent import monkey
    monkey.patch_all()

import gevent
from actors import events
from gen_smtp import gen_smtp_server
from gen_smtp.process import events as process_events
from gen_smtp.gen_smtp_server_session import Behaviour, ok

for path, value in settings["constants"].items():
    module, _, name = path.rpartition(".")
    changed = importlib.import_module(f"gen_smtp.{module}")
    getattr(changed, name)  # it must be there
    setattr(changed, name, value)

def say(kind, value=None):
    os.write(1, f"{json.dumps([kind, os.getpid(), value])}\\n".encode())

def value_of(event):
    names = ("pid", "why", "address", "what")
    return next((getattr(event, name) for name in names if hasattr(event, name)), None)

class Server(Behaviour):
    taken = 0

    def handle_DATA(self, sender, recipients, data):
        file = os.open("taken", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, "".join(f"{each}\\n" for each in recipients).encode())
        os.close(file)
        Server.taken += 1
        if Server.taken % 100 == 0:
            say("a hundred taken")
        return ok("taken")

    def handle_VRFY(self, address):
        if address == "block":  # the hub, until somebody writes
            with open("gate") as gate:
                gate.read()
        return ok(str(os.getpid()))

def fail_late(inherited):  # when all is done but to tell the predecessor
    with open("late") as file:
        if file.read() == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    raise LookupError("too late")

if os.path.exists("late"):
    from gen_smtp.process import inherited
    inherited.InheritedSockets.report_ready = fail_late

def on_started(server):
    addresses = gen_smtp_server.addresses(server) if settings["workers"] == 1 else server.addresses()
    if os.path.exists("fail"):
        raise LookupError("not today")
    if os.path.exists("stop"):
        gen_smtp_server.stop(server)
    if os.path.exists("hang"):
        say("hanging")
        gevent.sleep(3600)
    say("started", addresses)

def on_serving(server):
    say("serving", gen_smtp_server.addresses(server))
    return lambda: say("served")

times = settings["times"]
if times.pop("say_serving", False):
    times["on_serving"] = on_serving

for kind in process_events.ProcessEvent.__subclasses__():
    events.subscribe(kind, lambda event: say(type(event).__name__, value_of(event)))
say("begun")
gen_smtp_server.serve_forever(
    Server, settings["listeners"], workers=settings["workers"], on_started=on_started, **times
)
say("ended")
"""


class Processes:
    """All processes of a program, and what they say.

    Attributes:
        process: the one that was started.
        folder: where they run; `taken` has the recipients of the messages taken.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self._heard: list[tuple[str, int, Any]] = []
        self._unread = b""

    def hear(self, kind: str, pid: int | None = None) -> tuple[int, Any]:
        """The next thing of a kind that a process says, any one or this: its process and the value.

        What else is said is kept.
        """
        while True:
            for said in self._heard:
                if said[0] == kind and pid in (None, said[1]):
                    self._heard.remove(said)
                    return said[1], said[2]
            if not self._listen():
                raise AssertionError(f"all ended without saying {kind!r}: {self._heard}\n{self.log()}")

    def hear_addresses(self) -> list[Any]:
        """Where the program listens, once it does."""
        return [each if isinstance(each, str) else tuple(each) for each in self.hear("started")[1]]

    def heard(self, kind: str, pid: int) -> list[Any]:
        """What a process has said of a kind, before the last thing heard."""
        return [value for said, sayer, value in self._heard if (said, sayer) == (kind, pid)]

    def change(self, **settings: Any) -> None:
        """Change what those read that start from now on: `listeners`, say."""
        file = self.folder / "settings.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | settings))

    def rest(self) -> list[tuple[str, int, Any]]:
        """All that is said until the last of the processes has ended, with what was kept."""
        while self._listen():
            pass
        return self._heard

    def restart(self, pid: int) -> int:
        """Have a process replaced by its successor; the successor's process."""
        os.kill(pid, signal.SIGUSR2)
        heir = self.hear("HandedOver", pid)[1]
        assert isinstance(heir, int)
        return heir

    def taken(self) -> list[str]:
        """The recipients of all messages taken, in order."""
        file = self.folder / "taken"
        return file.read_text().splitlines() if file.exists() else []

    def take_more(self, hundreds: int) -> None:
        """Wait until so many more hundreds of messages were taken."""
        for _ in range(hundreds):
            self.hear("a hundred taken")

    def log(self) -> str:
        """What they wrote to standard error."""
        return (self.folder / "log").read_text()

    def _listen(self) -> bool:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._unread:
            readable, _, _ = select.select([descriptor], [], [], PATIENCE)
            assert readable, f"nothing was said for {PATIENCE} s: {self._heard}\n{self.log()}"
            said = os.read(descriptor, 65536)
            if not said:
                return False
            self._unread += said
        line, _, self._unread = self._unread.partition(b"\n")
        kind, pid, value = json.loads(line)
        self._heard.append((kind, pid, value))
        return True


@contextmanager
def processes(
    folder: Path,
    *,
    workers: int = 1,
    patched: bool = False,
    listeners: Sequence[Mapping[str, Any]] = ({},),
    times: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    sockets: Sequence[Any] = (),
) -> Generator[Processes]:
    """The program, run in `folder`; what is left of it at the end is killed.

    Args:
        folder: its current folder, for `taken` and the log.
        workers: how many serve.
        patched: whether gevent patches the program.
        listeners: options of each listener, beside loopback and port 0.
        times: `grace` and `drain`, and what else `serve_forever` takes; with `say_serving` each process that
            serves says "serving" and, at its end, "served".
        constants: what some constants of gen_smtp are instead: `{"process.successor.START_TIME": 1.0}`.
        environment: what is added to the environment.
        sockets: become descriptors 3, 4, ... of the program, as a service manager has it.
    """
    settings = {
        "workers": workers,
        "patched": patched,
        "listeners": [listener(**each) for each in listeners],
        "times": times or {},
        "constants": constants or {},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, "-c", PROGRAM]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            with_sockets(command, sockets),
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            pass_fds=[each.fileno() for each in sockets],
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "PYTHONDONTWRITEBYTECODE": "1",
                **(environment or {}),
            },
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Processes(process, folder)
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)


MANAGER = """
import os, sys

given, command = sys.argv[1].split(), sys.argv[2:]
away = [os.dup(int(each)) for each in given]
high = [os.dup2(each, 100 + place) for place, each in enumerate(away)]
for place, each in enumerate(high):
    os.dup2(each, 3 + place)
if given:
    os.environ |= {"LISTEN_FDS": str(len(given)), "LISTEN_PID": str(os.getpid())}
if "WATCHDOG_USEC" in os.environ:
    os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(command[0], command)
"""


def command_line(*arguments: str) -> list[str]:
    """The command gen-smtp with these arguments."""
    return [sys.executable, "-m", "gen_smtp", *arguments]


def with_sockets(command: Sequence[str], sockets: Sequence[Any]) -> list[str]:
    """The command, to be run as a service manager runs it, with these sockets from descriptor 3 on."""
    descriptors = " ".join(str(each.fileno()) for each in sockets)
    return [sys.executable, "-S", "-E", "-c", MANAGER, descriptors, *command]


@contextmanager
def stopped(*pids: int) -> Generator[None]:
    """Have processes stand still for the length of a `with` block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    while not all(stands_still(pid) for pid in pids):
        os.sched_yield()
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # killed meanwhile
                os.kill(pid, signal.SIGCONT)


def stands_still(pid: int) -> bool:
    """Whether all threads of a process are stopped."""
    states = [
        task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}
