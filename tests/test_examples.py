"""Every example, started by its one command, does what it says and ends well."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from gen_smtp.testing import SmtpCatcher

ROOT = Path(__file__).parents[1]
SECONDS = 30.0
MAIL = "From: me@example.com\nDate: Mon, 01 Jan 2024 00:00:00 +0000\nSubject: hello\n\nHello\n"


class Example:
    """A running example."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read lines up to one that matches; the match over all that was read."""
        read = ""
        for line in self.stdout:
            read += line
            if found := re.search(pattern, read):
                return found
        pytest.fail(f"{pattern!r} never came; but:\n{read}\n{self.process.stderr.read()}")  # type: ignore[union-attr]

    def type(self, line: str) -> None:
        """Type a line."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def finish(self, number: int | None = signal.SIGTERM, *, errors: str = "") -> str:
        """End it by a signal (None: by itself) and check that it ended well; the rest of what it said.

        `errors` is a pattern for what it said on standard error, in all.
        """
        if number is not None:
            self.process.send_signal(number)
        rest, said = self.process.communicate(timeout=SECONDS)
        assert re.fullmatch(errors, said), said
        assert self.process.returncode == 0
        return rest


def run(name: str, *arguments: str) -> str:
    """What an example that ends by itself says."""
    with Example(name, *arguments) as example:
        return example.finish(None)


def send(port: int, recipient: str = "you@example.com", sender: str = "me@example.com") -> Any:
    """Send a mail."""
    with smtplib.SMTP("127.0.0.1", port, timeout=SECONDS) as client:
        return client.sendmail(sender, [recipient], MAIL)


@contextmanager
def line_client(port: int) -> Iterator[Any]:
    """A connection to talk lines over, as `nc` does."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection,
        connection.makefile("rw", newline="") as file,
    ):
        yield file


def say(file: Any, line: str) -> str:
    """Say a line; the first line of what comes back."""
    file.write(f"{line}\r\n")
    file.flush()
    return str(file.readline())


# -- those that serve until they are stopped ----------------------------------------------------------


def test_quickstart_sends_itself_a_mail_and_takes_more() -> None:
    with Example("quickstart", "--port", "0") as example:
        port = int(example.read_until(r"Listening on 127\.0\.0\.1:(\d+)")[1])
        example.read_until(r"message from you@example\.com to .* queued as [0-9a-f]{32}, body length 7\d")
        example.read_until(rf"curl smtp://127\.0\.0\.1:{port}[\s\S]*Ctrl-C")
        assert send(port) == {}
        assert "message from me@example.com" in example.finish()


def type_as_printed(printed: str) -> None:
    """Do what an example says that its reader may type."""
    done = subprocess.run(["sh", "-c", printed], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr


def test_what_quickstart_says_to_type_sends_a_mail(require_tool: Any) -> None:
    require_tool("curl")
    with Example("quickstart", "--port", "0") as example:
        type_as_printed(example.read_until(r"( echo hello[\s\S]*?)\n\nCtrl-C")[1])
        assert "message from me@example.com" in example.finish()


def test_what_auth_tls_says_to_type_sends_mails(require_tool: Any) -> None:
    require_tool("curl")
    with Example("auth_tls", "--port", "0", "--tls-port", "0") as example:
        printed = example.read_until(r"( echo hello[\s\S]*?)\n\n( +echo hello[\s\S]*?)\n\nCtrl-C")
        for typed in printed.groups():
            type_as_printed(typed)
        assert len(re.findall(r"alice sends \d+ octets", example.finish())) == 2


def test_quickstart_ends_well_by_ctrl_c() -> None:
    with Example("quickstart", "--port", "0") as example:
        example.read_until("Ctrl-C")
        example.finish(signal.SIGINT)


def test_quickstart_says_so_when_the_port_given_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Example("quickstart", "--port", str(port)) as example:
            _, errors = example.process.communicate(timeout=SECONDS)
    assert example.process.returncode == 1
    assert str(port) in errors
    assert "Traceback" not in errors


def test_auth_tls_takes_mail_from_those_who_log_in() -> None:
    with Example("auth_tls", "--port", "0", "--tls-port", "0") as example:
        begun = example.read_until(
            r"smtp://localhost:(\d+) --ssl-reqd --cacert (\S+)[\s\S]*smtps://localhost:(\d+)"
        )
        trust = ssl.create_default_context(cafile=begun[2])
        with smtplib.SMTP("localhost", int(begun[1]), timeout=SECONDS) as client:
            with pytest.raises(smtplib.SMTPSenderRefused, match="Must issue a STARTTLS command first"):
                client.sendmail("a@example.com", ["b@example.com"], MAIL)
            client.starttls(context=trust)
            with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
                client.sendmail("a@example.com", ["b@example.com"], MAIL)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("alice", "underland")
            client.login("alice", "wonderland")
            assert client.sendmail("alice@example.com", ["bob@example.com"], MAIL) == {}
        with smtplib.SMTP_SSL("localhost", int(begun[3]), timeout=SECONDS, context=trust) as client:
            client.login("bob", "builder")
            assert client.sendmail("bob@example.com", ["alice@example.com"], MAIL) == {}
        rest = example.finish(errors=r"(.* authentication of alice failed \((plain|login)\)\n){2}")
        assert re.search(r"alice sends \d+ octets, .*TLSv1\.[23]", rest)
        assert re.search(r"bob sends \d+ octets, .*TLSv1\.[23]", rest)
        assert not Path(begun[2]).exists()


def test_stored_keys_lets_in_who_knows_the_password(require_tool: Any) -> None:
    gsasl = require_tool("gsasl")
    with Example("stored_keys", "--port", "0") as example:
        begun = example.read_until(r"(?s)alice SCRAM-SHA-256\$15000:.*  (gsasl .*)\n\nCtrl-C")
        assert "wonderland" not in begun[0].replace("password wonderland", "").replace("-p wonderland", "")
        command = [gsasl, *begun[1].replace("\\\n", " ").split()[1:]]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
        assert b"235 Authentication successful." in done.stdout
        command[command.index("wonderland")] = "underland"
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
        assert b"535 Authentication failed." in done.stdout
        example.finish(errors=r".* authentication of alice failed \(scram-sha-256\)\n")


def test_lmtp_answers_for_each_mailbox() -> None:
    with Example("lmtp", "--port", "0") as example:
        port = int(example.read_until(r"LMTP on 127\.0\.0\.1:(\d+)")[1])
        with line_client(port) as client:
            client.readline()
            assert say(client, "MAIL FROM:<me@example.com>") == "503 Error: send LHLO first\r\n"
            client.write("LHLO me\r\nMAIL FROM:<me@example.com>\r\n")
            for name in ("alice", "bob", "eve"):
                client.write(f"RCPT TO:<{name}@localhost>\r\n")
            client.write("DATA\r\nSubject: hello\r\n\r\nHello\r\n.\r\nQUIT\r\n")
            client.flush()
            replies = client.read().splitlines()
        assert replies[-6:] == [
            "250 2.1.5 recipient Ok",
            "550 5.1.1 No such mailbox",
            "354 enter mail, end with line containing only '.'",
            "250 2.1.5 Delivered to alice",
            "452 4.2.2 The mailbox of bob is full",
            "221 2.0.0 Bye",
        ]
        assert "alice: 25 octets, 1 messages" in example.finish()


def test_maildir_server_keeps_the_mail_of_its_domain_alone(tmp_path: Path) -> None:
    maildir = tmp_path / "mail"
    with Example("maildir_server", "--port", "0", "--maildir", str(maildir)) as example:
        begun = example.read_until(
            r"Listening on 127\.0\.0\.1:(\d+), keeping mail for example\.com in (\S+)\."
        )
        assert begun[2] == str(maildir)
        assert send(int(begun[1])) == {}
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="We take mail for example\\.com only"):
            send(int(begun[1]), "you@elsewhere.example")
        [message] = (maildir / "new").iterdir()
        assert message.read_text().endswith(MAIL)
        example.read_until(r"Ctrl-C")
        example.finish()


def test_mail_queue_says_250_for_no_mail_that_no_broker_has() -> None:
    """With a broker it is tried in tests/gen_smtp/queue/test_queue_handler.py."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"amqp://127.0.0.1:{unused.getsockname()[1]}/"
    with Example("mail_queue", "--port", "0", "--url", url, "--seconds", "0.2") as example:
        begun = example.read_until(
            r"Listening on 127\.0\.0\.1:(\d+), mail for example\.com goes into mail\.in"
        )
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="We take mail for example\\.com only"):
            send(int(begun[1]), "you@elsewhere.example")
        with pytest.raises(smtplib.SMTPDataError, match="could not be queued"):
            send(int(begun[1]))
        example.read_until(r"Ctrl-C")
        example.finish(
            errors=r"(no connection to the broker.*\n|urn:actor:.* is not queued in mail\.in.*\n)+"
        )


def test_forwarding_hands_the_mail_of_its_domain_to_the_server_behind() -> None:
    with (
        SmtpCatcher() as behind,
        Example("forwarding", "--port", "0", "--relay-port", str(behind.port)) as example,
    ):
        begun = example.read_until(r"Listening on 127\.0\.0\.1:(\d+), mail for example\.com goes to 127")
        assert send(int(begun[1])) == {}
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="We take mail for example\\.com only"):
            send(int(begun[1]), "you@elsewhere.example")
        [message] = behind.messages
        assert message.data.endswith(MAIL.replace("\n", "\r\n").encode())
        example.read_until(r"Ctrl-C")
        example.finish()


RECIPIENT = "RCPT TO:<a@example.com>"


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["EHLO me", "MAIL FROM:<me@spam.example>"], "550 No mail from spam.example"),
        (["HELO mx.example.com"], "550 That is my name, not yours"),
        (
            ["HELO me", "MAIL FROM:<>", "RCPT TO:<a@x.example>"],
            "550 This server takes mail for example.com only",
        ),
        (["HELO me", "MAIL FROM:<>", *[RECIPIENT] * 4], "452 Too many recipients"),
        (["HELO mx.example.com"] * 5, "421 Too many errors"),
        (["HELO me", "MAIL FROM:<>", RECIPIENT, "DATA", "From: x\r\n."], "554 The message has no Date"),
    ],
)
def test_policy_refuses(lines: list[str], reply: str, policy_port: int) -> None:
    with line_client(policy_port) as client:
        client.readline()
        for line in lines:
            said = say(client, line)
            while said[3:4] == "-":
                said = client.readline()
    assert said.startswith(reply)


@pytest.fixture(scope="module")
def policy_port() -> Iterator[int]:
    with Example("policy", "--port", "0") as example:
        port = int(example.read_until(r"--server 127\.0\.0\.1:(\d+)")[1])
        assert send(port) == {}
        yield port
        example.finish()


def test_several_listeners_serve_each_in_its_way() -> None:
    with Example("several_listeners", "--port", "0", "--tls-port", "0") as example:
        begun = example.read_until(
            r":(\d+) --to you@[\s\S]*:(\d+) --tls-on-connect[\s\S]*--socket (\S+) [\s\S]*Ctrl-C"
        )
        front, back, path = int(begun[1]), int(begun[2]), begun[3]
        assert send(front, "you@example.com") == {}
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(front, "you@elsewhere.example")
        trust = ssl.create_default_context(cafile=str(Path(path).with_name("cert.pem")))
        with smtplib.SMTP_SSL("localhost", back, timeout=SECONDS, context=trust) as client:
            assert client.sendmail("me@example.com", ["you@elsewhere.example"], MAIL) == {}
        with smtplib.LMTP(path, timeout=SECONDS) as client:
            assert client.sendmail("me@example.com", ["you@localhost"], MAIL) == {}
        doors = ["front", "back", "side"]
        for port in re.findall(r"--server \[::1\]:(\d+)", begun[0]):
            with smtplib.SMTP("::1", int(port), timeout=SECONDS) as client:
                assert client.sendmail("me@example.com", ["you@example.com"], MAIL) == {}
            doors.append("front")
        rest = example.finish()
        assert re.findall(r"through the (\w+) door", rest) == doors
        assert not Path(path).exists()


def test_echo_server_echoes_and_says_good_bye() -> None:
    with Example("echo_server", "--port", "0") as example:
        port = int(example.read_until(r"nc 127\.0\.0\.1 (\d+)")[1])
        with line_client(port) as client, line_client(port) as other:
            assert client.readline() == other.readline() == "Say something; QUIT ends.\r\n"
            assert say(client, "hello") == "hello\r\n"
            assert say(client, "quit") == "Bye.\r\n"
            assert client.readline() == ""
            assert say(other, "still here") == "still here\r\n"
            assert "stopping, 1 clients are told" in example.finish()
            assert other.readline() == "I have to go.\r\n"


def test_session_manager_lists_tells_and_kicks() -> None:
    with Example("session_manager", "--port", "0") as example:
        port = int(example.read_until(r"nc 127\.0\.0\.1 (\d+)")[1])
        with line_client(port) as one, line_client(port) as two:
            assert one.readline().startswith("220 localhost session ")
            assert two.readline().startswith("220 localhost session ")
            assert say(one, "HELO one.example") == "250 localhost\r\n"
            assert say(two, "HELO two.example") == "250 localhost\r\n"
            example.type("list")
            listed = example.read_until(r"1\. (\w+)\.example at 127.*\n2\. (\w+)\.example at .*\n2 sessions")
            first, second = (one, two) if listed[1] == "one" else (two, one)
            example.type("note 2 good news")
            example.type("list")
            example.read_until("2 sessions")
            assert say(second, "NOTES") == "214-1 notes\r\n"
            assert second.readline() == "214 good news\r\n"
            example.type("drain 2")
            assert second.readline() == "421 come again later\r\n"
            assert second.readline() == ""
            example.type("kick 1")
            assert first.readline() == "421 localhost Service shutting down\r\n"
            example.read_until("gone")
        example.type("kick 7")
        example.read_until("there is no such session")
        example.type("quit")
        example.finish(None)


# -- those that end by themselves ---------------------------------------------------------------------


def test_start_link_brings_the_server_back_and_takes_it_along() -> None:
    said = run("start_link", "--port", "0")
    assert re.findall(r"mail from (\w+)@", said) == ["one", "two"]
    assert "the server ended (killed); starting it again" in said
    assert len(set(re.findall(r"listens on port (\d+)", said))) == 1
    assert "main: the server ended with it (normal)" in said


def test_blocking_work_leaves_others_answered() -> None:
    said = run("blocking_work")
    answers = re.search(r"another client had (\d+) answers", said)
    assert answers is not None
    assert int(answers[1]) > 20


def test_stream_to_disk_keeps_the_whole_message_and_drops_the_other() -> None:
    said = run("stream_to_disk")
    kept = re.search(
        r"^250 kept as (message-\w+); this program has ([\d.]+) MiB more memory now\.$", said, re.M
    )
    assert kept is not None
    assert float(kept[2]) < 32
    assert "dropped: the message is incomplete (closed)\n" in said
    assert said.endswith(f"64 MiB in {kept[1]}\n")
    assert said.count(" MiB in ") == 1


def test_threaded_program_hands_mail_to_its_worker() -> None:
    said = run("threaded_program")
    assert sorted(re.findall(r"worker: \d+ octets from (\w+)@", said)) == ["sender0", "sender1", "sender2"]
    assert said.endswith("stopped\n")


def test_asyncio_program_stores_mail_in_its_loop() -> None:
    said = run("asyncio_program")
    assert "store: 25 octets" in said
    assert "-> 250 stored" in said
    assert said.endswith("stopped\n")


def test_send_mail_tells_what_becomes_of_each_recipient() -> None:
    with Example("send_mail") as example:
        said = example.finish(None)
    assert said.splitlines() == [
        "alice@localhost: delivered, 250 2.0.0 queued as 7",
        "bob@localhost: try again later, 452 4.2.2 The mailbox is full",
        "carol@localhost: give up, 550 5.1.1 No such mailbox",
    ]


def test_hot_upgrade_keeps_the_connection_and_its_state() -> None:
    said = run("hot_upgrade")
    assert "(250, b'Hello, that is number 1')" in said
    assert "1 session changed, 0 kept the old code" in said
    assert "(250, b'Good evening, that is number 2')" in said


def test_supervised_server_goes_on_when_its_worker_crashes() -> None:
    with Example("supervised_server", "--port", "0") as example:
        said = example.finish(
            None, errors=r"log: child archive of Supervisor \(.*\) ended: the disk is gone\n"
        )
    assert "mail is a supervisor, permanent\narchive is a worker, permanent\n" in said
    assert "two: 451 The archive has failed (the disk is gone), try again later" in said
    assert "two: 250 kept as number 1" in said
    assert said.endswith("three: 250 kept as number 2\nall of the tree is gone\n")


def test_observe_sessions_hears_of_every_end() -> None:
    assert run("observe_sessions").splitlines() == [
        "polite ended: 'normal'",
        "curious ended: LookupError('who is you?')",
        "unlucky ended: 'killed'",
        "patient ended: 'shutdown'",
    ]


def test_every_example_is_run_here() -> None:
    examples = {path.stem for path in (ROOT / "examples").glob("*.py")}
    run_here = set(re.findall(r'\b(?:Example|run)\("(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert run_here == examples
