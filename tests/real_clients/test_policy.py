"""What a listener's session options allow: AUTH in clear, mail without AUTH, sizes, newlines, silence."""

from __future__ import annotations

import base64
import smtplib
import ssl
from typing import Any

import pytest

from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PASSWORD, PATIENCE, USERNAME, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER
from tests.real_clients.tools.raw_client import RawClient, greeted

LOOPBACK_CLIENT = "client.example"
MAIL, RCPT = f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>"
PLAIN = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()


def test_auth_is_neither_announced_nor_taken_in_clear(
    serve: Serve, with_certificate: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    served = serve(with_certificate)
    with smtplib.SMTP("localhost", served.port, LOOPBACK_CLIENT, timeout=PATIENCE) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH PLAIN", PLAIN)[0] == 538
        client.starttls(context=client_tls)
        assert client.login(USERNAME, PASSWORD)[0] == 235


def test_allow_insecure_auth(serve: Serve, collector: Collector) -> None:
    served = serve({"allow_insecure_auth": True})
    with smtplib.SMTP(served.host, served.port, LOOPBACK_CLIENT, timeout=PATIENCE) as client:
        client.login(USERNAME, PASSWORD)
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["dots"])
    assert collector.mail().user == USERNAME


def test_require_auth(serve: Serve, collector: Collector) -> None:
    served = serve({"require_auth": True, "allow_insecure_auth": True})
    with smtplib.SMTP(served.host, served.port, LOOPBACK_CLIENT, timeout=PATIENCE) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(SENDER, [RECIPIENT], MESSAGES["dots"])
        assert refused.value.smtp_code == 530
        client.login(USERNAME, PASSWORD)
        client.sendmail(SENDER, [RECIPIENT], MESSAGES["dots"])
    assert collector.mail().user == USERNAME
    assert collector.mails.empty()


def test_auth_can_be_cancelled_and_must_be_base64(serve: Serve, collector: Collector) -> None:
    served = serve({"allow_insecure_auth": True})
    with greeted(served.address) as client:
        assert client.ask("AUTH LOGIN").startswith("334 ")
        assert client.ask("*") == "501 Authentication cancelled"
        assert client.ask("AUTH PLAIN").startswith("334")
        assert client.ask("not base64!").startswith("501 ")
        assert client.ask("AUTH PLAIN " + PLAIN).startswith("235 ")
        assert client.ask("AUTH PLAIN " + PLAIN).startswith("503 ")
        assert client.ask("QUIT") == "221 Bye"
    assert collector.end() == "normal"


def test_a_size_that_is_announced_is_refused_before_the_message_comes(serve: Serve) -> None:
    served = serve({"callbackoptions": {"size": 1000}})
    with smtplib.SMTP(served.host, served.port, LOOPBACK_CLIENT, timeout=PATIENCE) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "1000"
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(SENDER, [RECIPIENT], MESSAGES["attachments"])
        assert refused.value.smtp_error == b"Estimated message length %d exceeds limit of 1000" % len(
            MESSAGES["attachments"]
        )


def test_a_message_over_the_limit_is_read_to_its_end_and_then_refused(
    serve: Serve, collector: Collector
) -> None:
    served = serve({"callbackoptions": {"size": 1000}})
    with greeted(served.address) as client:
        client.send(MAIL, RCPT, "DATA", "x" * 998, ".", "NOOP")
        assert client.replies(5) == ["250", "250", "354", "250", "250"]
        client.send(MAIL, RCPT, "DATA", "x" * 999, "MAIL FROM:<evil@example.com>", ".", "NOOP")
        assert client.replies(3) == ["250", "250", "354"]
        assert client.reply() == "552 Message too large"
        assert client.reply() == "250 Ok"
    assert collector.mail().data == b"x" * 998 + b"\r\n"
    assert collector.end() == "normal"
    assert collector.mails.empty()


SMUGGLED = b"one\r\n\n.\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@recipient.example>\r\nDATA\r\ntwo\r\n"


@pytest.mark.parametrize(
    ("mode", "taken"),
    [
        ("ignore", SMUGGLED),
        ("fix", SMUGGLED.replace(b"\r\n\n", b"\r\n\r\n")),
        ("strip", SMUGGLED.replace(b"\r\n\n", b"\r\n")),
    ],
)
def test_bare_newlines_never_end_a_message(
    serve: Serve, collector: Collector, mode: str, taken: bytes
) -> None:
    served = serve({"allow_bare_newlines": mode})
    with greeted(served.address) as client:
        client.send(MAIL, RCPT, "DATA")
        assert client.replies(3) == ["250", "250", "354"]
        assert client.ask(SMUGGLED + b".") == "250 queued"
        assert client.ask("NOOP") == "250 Ok"
    # The dot was behind a bare newline, so it was not stuffed either (RFC 5321 section 4.5.2).
    assert collector.mail().data == taken
    assert collector.end() == "normal"
    assert collector.mails.empty()


def test_bare_newlines_are_refused_after_the_end_of_the_message(serve: Serve, collector: Collector) -> None:
    with greeted(serve().address) as client:
        client.send(MAIL, RCPT, "DATA", SMUGGLED + b".", "NOOP")
        assert client.replies(3) == ["250", "250", "354"]
        assert client.reply() == "550 Bare newline detected: LF without CR in line 2"
        assert client.reply() == "250 Ok"
    assert collector.end() == "normal"
    assert collector.mails.empty()


@pytest.mark.parametrize(
    ("before", "replies"),
    [
        ([], ["220"]),
        (["EHLO raw.example"], ["220", "250"]),
        (["EHLO raw.example", MAIL, RCPT, "DATA", "half a message"], ["220", "250", "250", "250", "354"]),
    ],
)
def test_a_client_that_falls_silent_hears_421(
    serve: Serve, collector: Collector, before: list[str], replies: list[str]
) -> None:
    options = {"timeout": 0.5, "deadlines": {"data_block": 0.5}}
    with RawClient(serve(options).address) as client:
        client.send_raw("\r\n".join([*before, "half a li"]).encode())
        assert client.replies(len(replies)) == replies
        assert client.rest().startswith(b"421 Error: timeout exceeded")
    assert collector.error() == ("timeout", "timeout")
    assert collector.end() == "normal"
    assert collector.mails.empty()
