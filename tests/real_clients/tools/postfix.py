"""A Postfix of the tests' own: its own configuration, queue and log, in a temporary folder, on no port."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.real_clients.tools.collector import PATIENCE

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = /dev/stdout
myhostname = relay.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# Nothing is looked up and nothing goes anywhere but where the table of transports says.
smtp_dns_support_level = disabled
smtp_host_lookup = native
default_transport = error:no transport
transport_maps = inline:{{ {transports} }}
# Lines are handed on as they are.
smtp_line_length_limit = 0
lmtp_line_length_limit = 0
smtp_tls_CAfile = {cafile}
lmtp_tls_CAfile = {cafile}
"""

# Its smtpd listens on a unix socket: no port that could be taken.
_MASTER = """\
smtpd     unix  n  -  n  -      -  smtpd
  -o smtpd_authorized_xclient_hosts=static:all -o mynetworks=127.0.0.0/8,192.0.2.0/24
cleanup   unix  n  -  n  -      0  cleanup
qmgr      unix  n  -  n  300    1  qmgr
rewrite   unix  -  -  n  -      -  trivial-rewrite
bounce    unix  -  -  n  -      0  bounce
defer     unix  -  -  n  -      0  bounce
trace     unix  -  -  n  -      0  bounce
anvil     unix  -  -  n  -      1  anvil
proxymap  unix  -  -  n  -      -  proxymap
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
error     unix  -  -  n  -      -  error
smtp      unix  -  -  n  -      -  smtp
smtptls   unix  -  -  n  -      -  smtp
  -o smtp_tls_security_level=verify -o smtp_tls_verify_cert_match=localhost
lmtp      unix  -  -  n  -      -  lmtp
smtpfwd   unix  -  -  n  -      -  smtp
  -o smtp_send_xforward_command=yes
lmtpfwd   unix  -  -  n  -      -  lmtp
  -o lmtp_send_xforward_command=yes
postlog   unix-dgram n - n -    1  postlogd
"""


class _SmtpOverUnixSocket(smtplib.LMTP):
    """smtplib knows unix sockets in LMTP alone."""

    ehlo_msg = "ehlo"


class Postfix:
    """A running Postfix, as a context manager.

    Args:
        command: the path of the command postfix.
        folder: for its files; root's, with a short path, open to all for reading.
        transports: where mail goes, by the domain of the recipient (transport(5)).
        cafile: whose certificates it believes.
    """

    def __init__(self, command: str, folder: Path, transports: Mapping[str, str], cafile: str) -> None:
        self._command = [command, "-c", str(folder)]
        self._folder = folder
        table = ", ".join(f"{{ {domain} = {transport} }}" for domain, transport in transports.items())
        (folder / "main.cf").write_text(_MAIN.format(folder=folder, transports=table, cafile=cafile))
        (folder / "master.cf").write_text(_MASTER)
        (folder / "queue").mkdir(mode=0o755)
        (folder / "data").mkdir(mode=0o700)
        shutil.chown(folder / "data", "postfix")
        self._log: list[str] = []
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, "start-fg"],
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
            raise AssertionError(f"Postfix did not start:\n{self.log}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return "\n".join(self._log)

    @property
    def smtpd(self) -> str:
        """The path of its smtpd's unix socket."""
        return str(self._folder / "queue" / "public" / "smtpd")

    def client(self) -> smtplib.SMTP:
        """A client that is connected to Postfix's own smtpd."""
        return _SmtpOverUnixSocket(self.smtpd, local_hostname="client.example", timeout=PATIENCE)

    def _read_log(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            for line in output:
                self._log.append(line.rstrip())
                if "daemon started" in line:
                    self._started.set()
        self._started.set()

    def _stop(self) -> None:
        subprocess.run(
            [*self._command, "stop"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
