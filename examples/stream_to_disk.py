"""Big messages, straight to disk: `python examples/stream_to_disk.py`.

A callback class that has `handle_DATA_stream` gets each message as it arrives, and reads it like any binary
file. While it does not read, the client is held up, so that a message of any size takes next to no memory.
One that ends too early raises, and is never answered with 250: whoever has no 250 sends it again.
"""

from __future__ import annotations

import os
import resource
import shutil
import smtplib
import tempfile
from pathlib import Path
from typing import Any

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import (
    Behaviour,
    IncompleteMessage,
    MessageStream,
    error,
    ok,
)

MIB = 1024 * 1024
LINES = (b"x" * 62 + b"\r\n") * (MIB // 64)


class ToDisk(Behaviour):
    blocking = frozenset({"handle_DATA_stream"})  # it writes files

    def init(self, hostname: str, session_count: int, peername: Any, folder: Path) -> Any:
        self.folder = folder
        return ok

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> Any:
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="incoming-", delete=False) as file:
            incoming = Path(file.name)
            try:
                shutil.copyfileobj(stream, file)
                file.flush()
                os.fsync(file.fileno())
            except OSError:  # the disk is full, say
                incoming.unlink()
                return error("452 Insufficient system storage")  # said when the client has sent it all
            except IncompleteMessage as cut:
                incoming.unlink()
                print(f"dropped: {cut}")
                return error  # nobody hears it
        message = incoming.rename(self.folder / incoming.name.replace("incoming", "message"))
        return ok(f"kept as {message.name}")


def send(client: smtplib.SMTP, mib: int) -> None:
    """Begin a message and send so much of it; smtplib would want it as one piece."""
    client.ehlo()
    client.mail("me@example.com")
    client.rcpt("you@example.com")
    client.putcmd("data")
    client.getreply()
    for _ in range(mib):
        client.send(LINES)


def peak() -> float:
    """The most memory this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {
            "address": "127.0.0.1",
            "port": 0,
            "sessionoptions": {"callbackoptions": folder, "limits": {"message_size": None}},
        }
        with gen_smtp_server.running(ToDisk, [options]) as server:
            address = gen_smtp_server.addresses(server)[0]
            before = peak()
            with smtplib.SMTP(*address) as client:
                send(client, 64)
                client.send(b".\r\n")
                code, text = client.getreply()
            print(f"{code} {text.decode()}; this program has {peak() - before:.1f} MiB more memory now.")
            client = smtplib.SMTP(*address)
            send(client, 1)
            client.close()  # in the middle of it
        for message in folder.iterdir():
            print(f"{message.stat().st_size // MIB} MiB in {message.name}")


if __name__ == "__main__":
    main()
