"""`gen-smtp catch` as it is typed: what it prints and keeps, and what it says of wrong flags."""

from __future__ import annotations

import io
import mailbox
import re
import signal
import smtplib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from gen_smtp.catch.command import (
    CatchError,
    CatchOptions,
    http_address,
    make_catch,
    make_store,
    parse_failure,
)
from gen_smtp.catch.printing import MOST_LINES, print_message
from gen_smtp.catch.store import Kept, Store
from gen_smtp.testing import CaughtMessage

COMMAND = [sys.executable, "-m", "gen_smtp", "catch"]
SECONDS = 30.0


@contextmanager
def running(*flags: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """The command, the port it takes mail at, and the line that says where the API is."""
    process = subprocess.Popen([*COMMAND, "--port", "0", *flags], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().split()[-1])
        yield process, port, process.stdout.readline() if "--http" in flags else ""
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
        process.stdout.close()


def send(port: int, to: str = "jane@example.org", text: str = "Subject: Welcome\n\nHello Jane\n") -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=SECONDS) as client:
        client.sendmail("shop@example.com", [to], text)


def caught(data: bytes) -> Kept:
    return Kept(CaughtMessage("a@example.com", ("b@example.com",), data, "me", None, None, None, {}, ()))


def printed(kept: Kept) -> str:
    output = io.StringIO()
    print_message(Console(file=output, width=100), kept)
    return output.getvalue()


def test_it_prints_keeps_and_shows_a_message(tmp_path: Path) -> None:
    with running("--http", "0", "--maildir", str(tmp_path / "caught")) as (process, port, announced):
        send(port)
        address = re.search(r"http://\S+", announced)
        assert address is not None
        with urllib.request.urlopen(address.group(), timeout=SECONDS) as response:
            assert b'"Subject": "Welcome"' in response.read()
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        output = process.stdout.read()
        assert process.wait(SECONDS) == 0
    assert "shop@example.com" in output
    assert "Hello Jane" in output
    assert len(mailbox.Maildir(tmp_path / "caught")) == 1


def test_it_fails_as_told() -> None:
    failures = (
        "--fail",
        "RCPT,recipient=nobody@example.org",
        "--fail",
        ".,reply=452 4.3.1 Disk, full,times=1",
    )
    with running("--quiet", *failures) as (_, port, _):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(port, "nobody@example.org")
        with pytest.raises(smtplib.SMTPDataError, match="Disk, full"):
            send(port)
        send(port)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fail", "SEND"], "--fail: place: 'SEND' is none of CONNECT"),
        (["--fail", "MAIL,times=x"], "--fail: times: 'x' is no number"),
        (["--fail", "MAIL,times"], "--fail: times needs a value"),
        (["--fail", "MAIL,reply=250 Ok"], "--fail: reply: '250 Ok' does not begin with a code"),
        (["--user", "jane"], "--user: 'jane' is not NAME:PASSWORD"),
        (["--http", "nowhere"], "--http: 'nowhere' is neither a port nor HOST:PORT"),
        (["--certfile", "/no/such/file"], "--certfile: "),
    ],
)
def test_a_wrong_flag_is_named(flags: list[str], said: str) -> None:
    done = subprocess.run(
        [*COMMAND, "--port", "0", *flags], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with running("--quiet") as (_, port, _):
        done = subprocess.run(
            [*COMMAND, "--port", str(port)], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert done.returncode == 2
    assert f"gen-smtp: --port: cannot listen on 127.0.0.1 port {port}" in done.stderr


def test_the_oldest_goes_when_there_are_too_many() -> None:
    store = Store(most=2)
    for number in range(3):
        store.add(caught(b"Subject: %d\r\n\r\n" % number).caught)
    assert [each.caught.subject for each in store.all()] == ["2", "1"]
    latest = store.get("latest")
    assert latest is not None
    assert latest.caught.subject == "2"


def test_no_control_character_and_no_markup_of_a_message_reaches_the_terminal() -> None:
    output = printed(caught(b"Subject: [red]no\x1b[2J\r\n\r\n[bold]\x1b]0;title\x07\r\n"))
    assert "[red]no" in output
    assert "[bold]" in output
    assert "\x1b]0" not in output
    assert "\x1b[2J" not in output


def test_a_long_message_is_cut() -> None:
    output = printed(caught(b"\r\n" + b"line\r\n" * (MOST_LINES + 3)))
    assert output.count("line\n") == MOST_LINES
    assert "3 lines more" in output


def test_the_forms_of_failures_and_addresses() -> None:
    given = "RCPT,reply=550 a, b,recipient=x@example.com,times=2,delay=0.5,cut"
    assert parse_failure(given) == {
        "place": "RCPT",
        "reply": "550 a, b",
        "recipient": "x@example.com",
        "times": 2,
        "delay": 0.5,
        "cut": True,
    }
    assert http_address("8025") == ("127.0.0.1", 8025)
    assert http_address("0.0.0.0:80") == ("0.0.0.0", 80)
    assert http_address("[::1]:80") == ("::1", 80)
    with pytest.raises(CatchError):
        http_address("localhost")


def test_users_are_known() -> None:
    options = CatchOptions(users=("jane:se:cret",))
    assert make_catch(options, make_store(options)).users == {"jane": "se:cret"}
