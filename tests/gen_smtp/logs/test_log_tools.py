"""The log of a real server, as its own formats, fail2ban and logrotate have it."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from tests.gen_smtp.live import PATIENCE
from tests.gen_smtp.served import EXAMPLE_AUTH, send_mail, served

EXAMPLES = Path(__file__).parents[3] / "examples" / "logs"
PACKAGE = Path("/opt/fail2ban/etc/fail2ban")


def test_every_line_of_a_server_with_workers_is_json(tmp_path: Path) -> None:
    with served(tmp_path, "--workers", "2", "--log-format", "json") as server:
        with server.connect() as client:
            reply = send_mail(client)
        assert server.stop() == 0
        lines = [json.loads(each) for each in server.log().splitlines()]
    (taken,) = [each for each in lines if each.get("event") == "MessageTaken"]
    assert taken["reply"] == reply
    assert taken["queue_id"] == reply.rpartition(" ")[2]
    assert (taken["helo"], taken["peer"], taken["recipients"]) == (
        "client.example",
        "127.0.0.1",
        ["b@y.example"],
    )
    assert taken["listener"].startswith("127.0.0.1:")
    assert taken["worker"] in (0, 1)
    assert {each["worker"] for each in lines if "worker" in each} == {0, 1}
    assert taken["pid"] != server.process.pid


@pytest.mark.skipif(shutil.which("fail2ban-regex") is None, reason="fail2ban-regex is not installed")
@pytest.mark.parametrize("form", ["text", "journald"])
def test_fail2ban_finds_the_clients_that_guess_passwords(tmp_path: Path, form: str) -> None:
    with served(tmp_path, *EXAMPLE_AUTH, "--log-format", form) as server:
        with server.connect() as client:
            client.say("EHLO client.example")
            # The name tries to speak of somebody else.
            for name in ("eve", "x failed (PLAIN) gen_smtp: urn:x 192.0.2.1: authentication of y"):
                assert client.say(f"AUTH PLAIN {plain(name, 'guess')}").startswith("535")
            assert client.say("RCPT TO:<b@y.example>").startswith("503")
        assert server.stop() == 0
        log = tmp_path / "log"
        found = bans(log, "normal")
        assert found == ["127.0.0.1", "127.0.0.1"]
        assert bans(log, "aggressive") == ["127.0.0.1"] * 3


def plain(name: str, password: str) -> str:
    return b64encode(f"\0{name}\0{password}".encode()).decode()


def bans(log: Path, mode: str) -> list[str]:
    """The addresses that the filter finds in a log, one for each line that it counts."""
    filter_file = EXAMPLES / "fail2ban" / "filter.d" / "gen-smtp.conf"
    config = PACKAGE if PACKAGE.exists() else Path("/etc/fail2ban")
    # fail2ban takes lines without a time for lines of now.
    done = subprocess.run(
        ["fail2ban-regex", "-c", config, "-o", "ip", log, f"{filter_file}[mode={mode}]"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
def test_logrotate_empties_the_file_and_the_server_goes_on(tmp_path: Path) -> None:
    snippet = (EXAMPLES / "logrotate" / "gen-smtp").read_text()
    (tmp_path / "rotate").mkdir(mode=0o700)
    with served(tmp_path / "rotate") as server:
        log = tmp_path / "rotate" / "log"
        with server.connect() as client:
            first = send_mail(client)
            state, config = tmp_path / "state", tmp_path / "config"
            config.write_text(snippet.replace("/var/log/gen-smtp/*.log", str(log)))
            config.chmod(0o600)
            subprocess.run(["logrotate", "-f", "-s", state, config], check=True, timeout=PATIENCE)
            second = send_mail(client)
        assert server.stop() == 0
        old = log.with_name("log.1").read_text()
        assert (first in old, second in old) == (True, False)
        assert (first in server.log(), second in server.log()) == (False, True)
        assert "\0" not in server.log()  # as a file would have it that is not appended to
