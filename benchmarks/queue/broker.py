"""A RabbitMQ for tests and measurements: at free ports, with a name, folder, epmd and cookie of its own."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import pika.exceptions

PATIENCE = 40.0
"""Seconds after which something is taken not to come."""

START_PATIENCE = 120.0

HOMES = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*"))

# The programs of all tests share few cores: one scheduler, which never waits busily.
EMULATOR = (
    "+S 1:1 +SDcpu 1:1 +SDio 2 +A 1 +sbwt none +sbwtdcpu none +sbwtdio none "
    "-kernel inet_dist_use_interface {127,0,0,1}"
)

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
vm_memory_high_watermark.relative = 0.9
disk_free_limit.absolute = 1MB
heartbeat = 10
loopback_users = none
log.console = false
"""


TLS_CONFIGURATION = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {0}
ssl_options.certfile = {1}
ssl_options.keyfile = {2}
ssl_options.verify = verify_none
"""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


def wait_until(holds: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is true, and return it."""
    deadline = time.monotonic() + patience
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"it did not come true in {patience} s"
        time.sleep(0.05)
    return answer


class Broker:
    """A RabbitMQ broker. It ends with the process that owns it, however that ends, and its folder goes, too.

    Args:
        folder: where it keeps everything. Another process that is given the folder of a broker that runs
            finds it by that.
        owner: the number of the process that it ends with; None is this one.
        tls: the paths of an authority, a certificate and its key, if it is to take TLS as well.

    Attributes:
        port: where it takes AMQP.
        url: the same as clients want it.
        tls_url: the same with TLS; None without.
        cafile: the authority of its certificate; None without TLS.
    """

    def __init__(
        self, folder: Path, owner: int | None = None, tls: tuple[str, str, str] | None = None
    ) -> None:
        self.folder = folder
        self._owner = owner or os.getpid()
        self._facts = folder / "broker.json"
        if not self._facts.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._configure(tls)
        facts = self._read()
        self.port = facts["port"]
        self._distribution, self._epmd_port = facts["distribution"], facts["epmd"]
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        self._node = f"gs{self.port}@localhost"
        self.cafile: str | None = facts.get("cafile")
        self.tls_url = f"amqps://guest:guest@localhost:{facts['tls']}/%2F" if self.cafile else None

    def _configure(self, tls: tuple[str, str, str] | None) -> None:
        facts: dict[str, Any] = dict(zip(("port", "distribution", "epmd", "tls"), free_ports(4), strict=True))
        configuration = CONFIGURATION.format(port=facts["port"])
        if tls is not None:
            facts["cafile"] = tls[0]
            configuration += TLS_CONFIGURATION.format(*tls, port=facts["tls"])
        (self.folder / "rabbit.conf").write_text(configuration)
        (self.folder / "env.conf").write_text("")
        (self.folder / "plugins").write_text("[].\n")
        self._write(facts)

    def _read(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self._facts.read_text())
        return facts

    def _write(self, facts: dict[str, Any]) -> None:
        self._facts.write_text(json.dumps(facts))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the broker, and of commands that are to find it."""
        folder = self.folder
        settings = {
            "HOME": folder,
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin",
            "ERL_EPMD_PORT": self._epmd_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_HOME": HOMES[-1],
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_MNESIA_BASE": folder / "mnesia",
            "RABBITMQ_LOG_BASE": folder / "log",
            "RABBITMQ_CONF_ENV_FILE": folder / "env.conf",
            "RABBITMQ_CONFIG_FILE": folder / "rabbit.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_DIST_PORT": self._distribution,
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": EMULATOR,
            "LANG": "C.UTF-8",
        }
        return {name: str(value) for name, value in settings.items()}

    def start(self) -> None:
        """Start it, or start it again with what it has kept, and wait until it takes connections."""
        facts = self._read()
        if "epmd_group" not in facts:
            command = f"epmd -port {self._epmd_port} -address 127.0.0.1"
            facts["epmd_group"] = self._spawn(command, f"rm -rf '{self.folder}'")
        facts["group"] = self._spawn(f"{HOMES[-1]}/sbin/rabbitmq-server", "true")
        self._write(facts)
        wait_until(lambda: not self.is_closed() and self.answers(), START_PATIENCE)

    def _spawn(self, command: str, at_end: str) -> int:
        """Run a command in a process group of its own, until the owner ends; the number of the group."""
        watch = f"while kill -0 {self._owner} 2>/dev/null; do sleep 0.5; done"
        with open(self.folder / "out", "ab") as out:
            shell = subprocess.Popen(
                ["setsid", "sh", "-c", f"{command} & {watch}; {at_end}; kill -9 0"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment,
            )
        shell.returncode = 0  # nobody waits for it
        return shell.pid

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            pika.BlockingConnection(self.parameters(timeout=5)).close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    def parameters(self, timeout: float = PATIENCE) -> Any:
        """What pika needs to connect."""
        parameters = pika.URLParameters(self.url)
        parameters.socket_timeout = timeout
        parameters.stack_timeout = timeout
        return parameters

    def kill(self) -> None:
        """Kill -9 all of its processes at once."""
        self._signal(signal.SIGKILL)
        wait_until(self.is_closed)

    def is_closed(self) -> bool:
        """Tell whether nobody listens at its port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def pause(self) -> None:
        """Stop all of its processes: it is there, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The end of `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._read()["group"], number)

    def close(self) -> None:
        """End it, and remove what it has kept."""
        self.kill()
        os.killpg(self._read()["epmd_group"], signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, expression: str) -> str:
        """Run an Erlang expression in the broker; what it gave, as Erlang writes it."""
        cookie = (self.folder / ".erlang.cookie").read_text().strip()
        evaluation = (
            f"io:format(\"~p\", [rpc:call('{self._node}', erlang, apply, [fun() -> {expression} end, []])]), "
            "halt()."
        )
        name = f"gt{uuid.uuid4().hex[:8]}@localhost"
        done = subprocess.run(
            ["erl", "-noinput", "-sname", name, "-hidden", "-setcookie", cookie, "-eval", evaluation],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout

    def set_memory_alarm(self, on: bool) -> None:
        """Have the broker block all that publish, or no more."""
        kind = "set" if on else "clear"
        argument = "{{resource_limit, memory, node()}, []}" if on else "{resource_limit, memory, node()}"
        self.run(f"rabbit_alarm:{kind}_alarm({argument})")

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A blocking channel, for a test that looks into a queue."""
        connection = pika.BlockingConnection(self.parameters())
        try:
            yield connection.channel()
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()

    def count(self, queue: str) -> int | None:
        """How many messages are ready in a queue; None if there is no such queue."""
        with self.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).method.message_count)
            except pika.exceptions.ChannelClosedByBroker:
                return None

    def take_all(self, queue: str) -> list[tuple[Any, bytes]]:
        """Take all messages that are ready in a queue: properties and body of each."""
        taken = []
        with self.channel() as channel:
            while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                taken.append((got[1], got[2]))
        return taken


if __name__ == "__main__":  # a broker to try things with: python -m benchmarks.queue.broker FOLDER
    broker = Broker(Path(sys.argv[1]))
    broker.start()
    print(broker.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    broker.close()
