"""A Dovecot of the tests' own that hands all mail on: an LMTP proxy and a submission proxy."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.real_clients.tools.collector import PATIENCE

_CONFIGURATION = """\
base_dir = {folder}
state_dir = {folder}
log_path = /dev/stderr
protocols = lmtp submission
listen = {hosts}
ssl = no
disable_plaintext_auth = no
auth_username_chars =
hostname = proxy.example
lmtp_proxy = yes
service lmtp {{
  inet_listener lmtp {{
    address = {hosts}
    port = {lmtp_port}
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission_port}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = proxy=y nopassword=y proxy_noauth=y host=127.0.0.1 port={submission}
}}
protocol lmtp {{
  passdb {{
    driver = static
    args = proxy=y nopassword=y protocol=lmtp host=127.0.0.1 port={lmtp}
  }}
}}
"""


class Dovecot:
    """A running Dovecot, as a context manager. Any password is right.

    Args:
        command: the path of the command dovecot.
        folder: for its files; root's, with a short path.
        lmtp: the port of the server behind it that takes mail by LMTP.
        submission: that of the one that takes mail by SMTP.
        hosts: the addresses where it listens.

    Attributes:
        lmtp_port, submission_port: where it listens itself.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        *,
        lmtp: int,
        submission: int,
        hosts: tuple[str, ...] = ("127.0.0.1",),
    ) -> None:
        self._command = command
        self._file = folder / "proxies.conf"  # Dovecot makes a link of the usual name
        # It takes no sockets over, and its port 0 is none.
        self.lmtp_port, self.submission_port = _free_ports(2)
        self._file.write_text(
            _CONFIGURATION.format(
                folder=folder,
                hosts=" ".join(hosts),
                lmtp=lmtp,
                submission=submission,
                lmtp_port=self.lmtp_port,
                submission_port=self.submission_port,
            )
        )
        self._log: list[str] = []
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._command, "-F", "-c", str(self._file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        if not self._started.wait(PATIENCE) or self._process.poll() is not None:
            self._stop()
            raise AssertionError(f"Dovecot did not start:\n{self.log}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        if error is not None:
            print(self.log)

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return "\n".join(self._log)

    def _read_log(self) -> None:
        output: Any = self._process.stdout
        with output:
            for line in output:
                self._log.append(line.rstrip())
                if "starting up" in line:
                    self._started.set()
        self._started.set()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)


def _free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in opened]
    for each in opened:
        each.close()
    return ports
