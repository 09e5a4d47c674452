"""An Exim of the tests' own: its own configuration, queue and log, in a temporary folder, on no port."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.real_clients.tools.collector import PATIENCE

_CONFIGURATION = """\
exim_user = Debian-exim
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
keep_environment =
primary_hostname = relay.example
qualify_domain = relay.example
tls_advertise_hosts =
{settings}
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = next
begin transports
next:
  driver = smtp
  port = {port}
  hosts_avoid_tls = *
  hosts_try_dane =
  dnssec_request_domains =
begin retry
* * F,1h,1h
"""


class Exim:
    """Relays mail to a server.

    Args:
        command: its path.
        folder: for everything of it.
        port: of the server, on loopback.
        settings: lines for the first part of its configuration.
    """

    def __init__(self, command: str, folder: Path, port: int, settings: str = "") -> None:
        self._command = command
        self._folder = folder
        log = folder / "log"
        log.mkdir()
        log.chmod(0o777)  # Exim gives up root
        self._configuration = folder / "exim.conf"
        text = _CONFIGURATION.format(folder=folder, port=port, settings=settings)
        self._configuration.write_text(text, encoding="utf-8")

    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Take a message and try to deliver it, once; returns when it has tried."""
        command = [self._command, "-C", str(self._configuration), "-odi", "-i", "-f", sender, *recipients]
        done = subprocess.run(command, input=message, capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "log" / "main").read_text(encoding="utf-8")
