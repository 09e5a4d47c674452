"""The client with servers of others: Postfix's smtp-sink and smtpd, Dovecot's LMTP with real mailboxes."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.gen_smtp_client import Client, Envelope, Recipient
from tests.gen_smtp.client.servers import Peer, serving

PATIENCE = 10.0
RequireTool = Callable[[str], str]
UTF8 = (
    "From: me@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
    "\r\nGrüße\r\n.\r\n"
)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="the server has to be started by root")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    """Until somebody listens there; neither program tells when it does."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    raise AssertionError("the server did not start")


# -- smtp-sink ----------------------------------------------------------------------------------------


@contextmanager
def sink(command: str, *flags: str, **options: Any) -> Generator[Client]:
    """A client of an smtp-sink with these flags."""
    port = free_port()
    user = ["-u", "root"] if os.getuid() == 0 else []
    process = subprocess.Popen(
        [command, *user, *flags, f"127.0.0.1:{port}", "100"], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        given = {"relay": "127.0.0.1", "port": port, "hostname": "client.test", "retries": 0}
        with Client(given | options) as client:
            yield client
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("flags", [(), ("-p",), ("-8",), ("-e",), ("-p", "-8")], ids=" ".join)
def test_smtp_sink_takes_messages_with_and_without_extensions(
    require_tool: RequireTool, flags: tuple[str, ...]
) -> None:
    envelope = Envelope("me@example.com", ["a@example.org", "b@example.org"])
    with sink(require_tool("smtp-sink"), *flags) as client:
        assert all(client.deliver(envelope, UTF8).ok for _ in range(3))


def test_smtp_sink_takes_a_hundred_messages_at_once(require_tool: RequireTool) -> None:
    with sink(require_tool("smtp-sink")) as client, client.connect() as connection:
        mails = [
            (Envelope("me@example.com", [f"{number}@example.org"]), b"x\r\n" * number)
            for number in range(100)
        ]
        outcomes = list(connection.deliver_all(mails))
    assert [outcome.recipients[0].address for outcome in outcomes] == [f"{n}@example.org" for n in range(100)]
    assert all(outcome.ok for outcome in outcomes)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize(("flag", "word"), [("-r", "temporary"), ("-f", "permanent")])
def test_smtp_sink_refuses(require_tool: RequireTool, flag: str, word: str, command: str) -> None:
    envelope = Envelope("me@example.com", ["a@example.org", "b@example.org"])
    with sink(require_tool("smtp-sink"), flag, command) as client:
        for _ in range(2):
            outcome = client.deliver(envelope, b"x")
            assert len(getattr(outcome, word)) == 2


def test_smtp_sink_speaks_lmtp(require_tool: RequireTool) -> None:
    envelope = Envelope("me@example.com", ["a@example.org", "b@example.org"])
    with sink(require_tool("smtp-sink"), "-L", protocol="lmtp") as client:
        for _ in range(2):
            assert client.deliver(envelope, b"x").ok


def test_smtp_sink_hangs_up(require_tool: RequireTool) -> None:
    """It disconnects at the end of each message."""
    with sink(require_tool("smtp-sink"), "-q", ".") as client:
        for _ in range(2):
            (recipient,) = client.deliver(Envelope("me@example.com", ["a@example.org"]), b"x").recipients
            assert recipient.temporary


# -- Dovecot ------------------------------------------------------------------------------------------

DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
postmaster_address = postmaster@localhost
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
passdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
}}
"""


class Mailboxes:
    """Dovecot's LMTP with the mailboxes of alice and bob."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def mails(self, name: str) -> list[bytes]:
        """The messages of a mailbox."""
        return [path.read_bytes() for path in (self.folder / "home" / name / "Maildir" / "new").glob("*")]


@pytest.fixture
def mailboxes(require_tool: RequireTool, short_path: Path) -> Generator[Mailboxes]:
    command = require_tool("dovecot")
    folder, port = short_path, free_port()
    folder.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    (folder / "home").mkdir()
    os.chown(folder / "home", nobody.pw_uid, nobody.pw_gid)
    lines = [f"{name}::{nobody.pw_uid}:{nobody.pw_gid}::{folder}/home/{name}::" for name in ("alice", "bob")]
    (folder / "users").write_text("\n".join(lines) + "\n")
    (folder / "users").chmod(0o644)
    (folder / "dovecot.conf").write_text(DOVECOT.format(folder=folder, port=port))
    process = subprocess.Popen([command, "-F", "-c", str(folder / "dovecot.conf")])
    try:
        wait_for(port, process)
        yield Mailboxes(folder, port)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@as_root
def test_dovecot_keeps_the_mail_of_those_who_have_a_mailbox(mailboxes: Mailboxes) -> None:
    envelope = Envelope("me@example.com", ["alice@localhost", "nobody@localhost", "bob@localhost"])
    options = {"relay": "127.0.0.1", "port": mailboxes.port, "protocol": "lmtp", "hostname": "client.test"}
    message = [b"Subject: one\r\n", b"\r\nHello\r\n.\r\n..\r\nend"]
    with Client(options) as client:
        for _ in range(2):
            outcome = client.deliver(envelope, iter(message))
            assert [each.delivered for each in outcome.recipients] == [True, False, True], outcome
            assert outcome.permanent[0].enhanced == "5.1.1"
    for name in ("alice", "bob"):
        mails = mailboxes.mails(name)
        assert len(mails) == 2
        assert all(mail.replace(b"\r\n", b"\n").endswith(b"\nHello\n.\n..\nend\n") for mail in mails)


# -- Postfix ------------------------------------------------------------------------------------------


@as_root
def test_postfix_takes_mail_by_a_unix_socket_and_hands_it_on(
    require_tool: RequireTool, short_path: Path, certificates: Any
) -> None:
    from tests.real_clients.tools.postfix import Postfix

    got: list[Any] = []
    done = threading.Event()

    def behind(peer: Peer) -> None:
        peer.greet("8BITMIME")
        got.extend((peer.envelope(), peer.message()))
        peer.say("250 taken")
        done.set()
        peer.line()

    short_path.chmod(0o755)
    with serving(behind) as server:
        transports = {"dest.example": f"smtp:[127.0.0.1]:{server.address[1]}"}
        with Postfix(require_tool("postfix"), short_path, transports, certificates.cafile) as postfix:
            options = {"relay": postfix.smtpd, "family": "unix", "hostname": "client.test"}
            recipient = Recipient("you@dest.example", notify=frozenset({"NEVER"}))
            with Client(options) as client, client.connect() as connection:
                assert connection.xclient({"ADDR": "192.0.2.1", "NAME": "far.example"}).positive
                outcome = connection.deliver(Envelope("me@example.com", [recipient], ret="HDRS"), UTF8)
            assert outcome.ok, postfix.log
            assert outcome.dsn
            assert done.wait(PATIENCE), postfix.log
    assert got[0][1] == "RCPT TO:<you@dest.example>"
    assert b"far.example" in got[1]
    assert got[1].endswith("Grüße\r\n..\r\n".encode())
