"""Postfix and Dovecot's LMTP as next hops."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.queue.broker import free_ports, wait_until
from gen_smtp.queue import queue_events
from gen_smtp.queue.envelope import mail_of
from gen_smtp.testing import SmtpCatcher
from tests.certificates import Certificates
from tests.gen_smtp.live import collected
from tests.gen_smtp.queue.lines import Line, mail_to
from tests.real_clients.tools.postfix import Postfix

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start these servers"),
]

NOBODY = 65534

DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
protocols = lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
auth_username_format = %n
mail_location = maildir:{folder}/mail/%n
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
  override_fields = uid={nobody} gid={nobody} home={folder}/mail
}}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path that other users may read."""
    with tempfile.TemporaryDirectory(prefix="gs-", dir="/tmp") as made:
        os.chmod(made, 0o755)
        yield Path(made)


@pytest.fixture
def dovecot(require_tool: Callable[[str], str], folder: Path) -> Iterator[int]:
    """The port of a Dovecot that has a mailbox for b@example.com."""
    command = require_tool("dovecot")
    (port,) = free_ports(1)
    (folder / "run").mkdir()
    (folder / "mail").mkdir()
    shutil.chown(folder / "mail", NOBODY, NOBODY)
    (folder / "users").write_text("b:{PLAIN}secret::::::\n")
    configuration = folder / "own.conf"
    configuration.write_text(DOVECOT.format(folder=folder, port=port, nobody=NOBODY))
    process = subprocess.Popen(
        [command, "-F", "-c", str(configuration)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    started, log = threading.Event(), []
    assert process.stderr is not None

    def read(lines: Iterator[str]) -> None:
        for line in lines:
            log.append(line)
            if "starting up" in line:
                started.set()

    reader = threading.Thread(target=read, args=(process.stderr,))
    reader.start()
    try:
        assert started.wait(30), log
        yield port
    finally:
        process.terminate()
        process.wait(30)
        reader.join(30)
        process.stderr.close()


def test_dovecot_takes_what_it_has_a_mailbox_for_and_the_rest_is_reported(
    line: Line, dovecot: int, folder: Path
) -> None:
    line.put(mail_to("b@example.com", "nobody@example.com"))
    reports = f"{line.queue}.reports"
    with collected(queue_events.MessageBounced) as bounced:
        line.deliver(f"lmtp:127.0.0.1:{dovecot}", reports_to=reports)
        assert bounced.get(timeout=30).recipients == ("nobody@example.com",)
    (kept,) = wait_until(lambda: list((folder / "mail" / "b").glob("new/*")))
    assert "Hello" in kept.read_text()
    wait_until(lambda: line.broker.count(reports))
    ((properties, body),) = line.broker.take_all(reports)
    assert mail_of(properties, body).recipients[0].address == "a@example.org"
    assert b"550 5.1.1" in body
    wait_until(line.is_empty)


def test_postfix_takes_mail_for_the_world(
    line: Line, folder: Path, require_tool: Callable[[str], str], certificates: Certificates
) -> None:
    (port,) = free_ports(1)
    with SmtpCatcher() as world:
        transports = {"example.com": f"smtp:[127.0.0.1]:{world.port}"}
        postfix = Postfix(require_tool("postfix"), folder, transports, certificates.cafile)
        with open(folder / "master.cf", "a") as services:
            services.write(f"127.0.0.1:{port} inet n - n - - smtpd -o mynetworks=127.0.0.0/8\n")
        with postfix:
            line.put(mail_to("b@example.com", "c@example.com"))
            line.deliver(f"smarthost:127.0.0.1:{port}")
            caught = world.wait_for(count=1, timeout=30)
    assert sorted(each for message in caught for each in message.recipients) == [
        "b@example.com",
        "c@example.com",
    ]
    wait_until(line.is_empty)
