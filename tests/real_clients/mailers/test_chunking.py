"""Exim and libESMTP send their messages by BDAT where CHUNKING is offered."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gen_smtp.gen_smtp_server_session import ok
from tests.gen_smtp.live import behaviour, serving
from tests.real_clients.conftest import Serve
from tests.real_clients.mailers.test_exim import exim_command  # noqa: F401 - a fixture
from tests.real_clients.tools.collector import Collector, Mail
from tests.real_clients.tools.exim import Exim
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER
from tests.real_clients.tools.wire_tap import WireTap

NAMES = ["attachments", "8-bit", "dots", "NUL", "5 MiB"]
CHUNKING = {"announce": [("CHUNKING", True), ("BINARYMIME", True)]}
OTHER = "eve@recipient.example"


def bodies(mail: Mail, message: bytes) -> tuple[bytes, bytes]:
    """The bodies of what has come and of what was given to the client, which adds header fields."""
    return mail.data.partition(b"\r\n\r\n")[2], message.partition(b"\r\n\r\n")[2]


def verbs(said: bytearray) -> list[bytes]:
    """The verbs of the envelope and of the chunks, those of a row once; nothing in a chunk looks like one."""
    found = re.findall(rb"(EHLO|MAIL|RCPT|DATA|BDAT|QUIT)(?: |\r\n)", said)
    return [verb for number, verb in enumerate(found) if verb != (found[number - 1] if number else b"")]


IN_CHUNKS = [b"EHLO", b"MAIL", b"RCPT", b"BDAT", b"QUIT"]


class TestExim:
    @pytest.mark.parametrize("name", NAMES)
    def test_sends_a_message_in_chunks_and_pipelines_all_of_it(
        self,
        serve: Serve,
        collector: Collector,
        exim_command: str,  # noqa: F811
        short_path: Path,
        name: str,
    ) -> None:
        short_path.chmod(0o755)
        served = serve({"callbackoptions": CHUNKING})
        with WireTap(served.address) as tap:
            exim = Exim(exim_command, short_path, tap.port)
            exim.send(SENDER, [RECIPIENT, OTHER], MESSAGES[name])
        (said,) = tap.said
        mail = collector.mail()
        assert (mail.sender, mail.recipients) == (SENDER, [RECIPIENT, OTHER])
        came, given = bodies(mail, MESSAGES[name])
        assert came == given
        assert verbs(said) == IN_CHUNKS
        assert said.endswith(came + b"QUIT\r\n")  # not a dot more than there was
        assert f"=> {RECIPIENT}" in exim.log

    def test_a_message_that_is_too_large_is_refused_for_good_and_runs_nothing(
        self,
        exim_command: str,  # noqa: F811
        short_path: Path,
    ) -> None:
        short_path.chmod(0o755)
        body = b"MAIL FROM:<body@sender.example>\r\nRCPT TO:<x@y.example>\r\nDATA\r\n" * 2000
        module = behaviour(handle_EHLO=ok([("CHUNKING", True), ("PIPELINING", True)]))
        with serving(module, sessionoptions={"limits": {"message_size": 65536}}) as server:
            with WireTap(server.addresses[0]) as tap:
                exim = Exim(exim_command, short_path, tap.port)
                exim.send(SENDER, [RECIPIENT], b"Subject: large\r\n\r\n" + body)
            message, bounce = tap.said
            assert b"BDAT" in message
            assert b"MAIL FROM:<>" in bounce
            assert server.sessions == []
        assert f"** {RECIPIENT}" in exim.log
        assert "552 Message too large" in exim.log


class TestLibEsmtp:
    @pytest.mark.parametrize("name", NAMES)
    def test_sends_a_message_in_many_small_chunks(
        self,
        serve: Serve,
        collector: Collector,
        run_client: Callable[..., str],
        tmp_path: Path,
        name: str,
    ) -> None:
        served = serve({"callbackoptions": CHUNKING})
        with WireTap(served.address) as tap:
            options = tmp_path / "esmtprc"
            options.write_text(f"hostname = 127.0.0.1:{tap.port}\n")
            options.chmod(0o600)
            addresses = ["-f", SENDER, RECIPIENT, OTHER]
            run_client("esmtp", "-C", str(options), *addresses, input=MESSAGES[name])
        (said,) = tap.said
        mail = collector.mail()
        assert (mail.sender, sorted(mail.recipients)) == (SENDER, sorted([RECIPIENT, OTHER]))
        came, given = bodies(mail, MESSAGES[name])
        assert came == given
        assert verbs(said) == IN_CHUNKS
        assert b"BDAT 0 LAST\r\n" in said
