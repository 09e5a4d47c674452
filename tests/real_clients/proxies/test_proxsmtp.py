"""proxsmtp, a filter that passes on the client's hello, then says XCLIENT, and then at once MAIL."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PATIENCE, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

CLIENT = "127.0.0.9"
"""The client's address; the filter's own is 127.0.0.1."""
_CONFIGURATION = """\
OutAddress: 127.0.0.1:{behind}
Listen: 127.0.0.1:{port}
XClient: on
TempDirectory: {folder}
"""


@contextmanager
def proxsmtp(command: str, folder: Path, behind: int) -> Generator[int]:
    """A running proxsmtp in front of a port of this machine; its own port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    file = folder / "proxsmtp.conf"
    file.write_text(_CONFIGURATION.format(behind=behind, port=port, folder=folder))
    process = subprocess.Popen(
        [command, "-f", str(file), "-d", "4"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    started = threading.Event()
    said: list[str] = []

    def read(errors: Any) -> None:
        for line in errors:
            said.append(line)
            if "accepting connections" in line:
                started.set()
        started.set()

    reader = threading.Thread(target=read, args=(process.stderr,))
    reader.start()
    try:
        assert started.wait(PATIENCE), said
        yield port
    except BaseException:
        print("".join(said))
        raise
    finally:
        process.kill()
        process.wait(PATIENCE)
        reader.join(PATIENCE)
        assert process.stderr is not None
        process.stderr.close()


def test_every_mail_arrives(
    require_tool: Callable[[str], str], serve: Serve, collector: Collector, tmp_path: Path
) -> None:
    command = require_tool("proxsmtpd")
    with (
        proxsmtp(command, tmp_path, serve(xclient=["127.0.0.1"]).port) as port,
        smtplib.SMTP("127.0.0.1", port, "client.example", PATIENCE, (CLIENT, 0)) as client,
    ):
        for name in ("attachments", "dots"):
            assert client.sendmail(SENDER, [RECIPIENT], MESSAGES[name]) == {}
            mail = collector.mail()
            assert mail.data == MESSAGES[name]
            assert (mail.peername, mail.helo) == (IPv4Address(CLIENT), "client.example")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(SENDER, ["nobody@recipient.example"], MESSAGES["dots"])
