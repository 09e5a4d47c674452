"""A catcher shows what came and fails as it is told, to the standard library's client."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.testing import SmtpCatcher

ONE, TWO = "one@example.org", "two@example.org"
SENDER = "shop@example.com"
TEXT = "Subject: Welcome\n\nHello\n"


@pytest.fixture
def catcher() -> Iterator[SmtpCatcher]:
    with SmtpCatcher() as running:
        yield running


def send(catcher: SmtpCatcher, *recipients: str, text: str | bytes = TEXT) -> dict[str, Any]:
    """Send a message by smtplib; the recipients that were refused."""
    with smtplib.SMTP(catcher.host, catcher.port or 0, timeout=10) as client:
        return client.sendmail(SENDER, recipients or (ONE,), text)


def rich_message() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message["From"], message["To"] = SENDER, ONE
    message.set_content("plain\n")
    message.add_alternative("<p>rich</p>\n", subtype="html")
    message.add_attachment(b"\0\1", maintype="application", subtype="octet-stream", filename="two.bin")
    return message


def test_a_message_is_shown_with_its_envelope(catcher: SmtpCatcher) -> None:
    send(catcher, ONE, TWO)
    (message,) = catcher.messages
    assert (message.sender, message.recipients) == (SENDER, (ONE, TWO))
    assert message.data == b"Subject: Welcome\r\n\r\nHello\r\n"
    assert (message.subject, message.text) == ("Welcome", "Hello\r\n")
    assert (message.user, message.tls, str(message.peername)) == (None, None, "127.0.0.1")
    assert message.mail_params == {"SIZE": str(len(message.data))}
    assert message.rcpt_params == ({}, {})
    assert message.helo


def test_a_message_of_several_parts_is_parsed(catcher: SmtpCatcher) -> None:
    with smtplib.SMTP(catcher.host, catcher.port or 0, timeout=10) as client:
        client.send_message(rich_message())
    (message,) = catcher.messages
    assert message.subject == "Grüße"
    assert message.text.strip() == "plain"
    assert message.html.strip() == "<p>rich</p>"
    assert message.attachments == {"two.bin": b"\0\1"}


def test_a_message_without_anything_has_empty_texts(catcher: SmtpCatcher) -> None:
    send(catcher, text="")
    (message,) = catcher.messages
    assert (message.subject, message.text.strip(), message.html, message.attachments) == ("", "", "", {})


def test_newlines_alone_are_mended(catcher: SmtpCatcher) -> None:
    send(catcher, text=b"Subject: bare\n\nline\r\n")
    assert catcher.messages[0].data == b"Subject: bare\r\n\r\nline\r\n"


def test_it_can_be_awaited_from_another_thread(catcher: SmtpCatcher) -> None:
    sender = threading.Thread(target=send, args=(catcher, TWO))
    sender.start()
    (message,) = catcher.wait_for(match=lambda each: TWO in each.recipients)
    sender.join()
    assert message.recipients == (TWO,)


def test_what_does_not_come_is_an_error_that_says_what_came(catcher: SmtpCatcher) -> None:
    send(catcher)
    with pytest.raises(TimeoutError) as caught:
        catcher.wait_for(count=2, timeout=0.01)
    assert str(caught.value) == f"1 of 2 messages came within 0.01 s; caught: 'Welcome' to {ONE}"
    with pytest.raises(TimeoutError, match="0 of 1"):
        catcher.wait_for(timeout=0, match=lambda each: False)


def test_asyncio_goes_on_while_a_task_waits(catcher: SmtpCatcher) -> None:
    async def wait_and_send() -> Any:
        waiting = asyncio.ensure_future(catcher.wait_for_async())
        await asyncio.to_thread(send, catcher)
        return await waiting

    assert [each.subject for each in asyncio.run(wait_and_send())] == ["Welcome"]


def test_clearing_forgets_messages_and_failures(catcher: SmtpCatcher) -> None:
    send(catcher)
    catcher.fail("MAIL")
    catcher.clear()
    assert catcher.messages == []
    assert send(catcher) == {}


def test_it_starts_again_and_keeps_what_it_caught() -> None:
    catcher = SmtpCatcher()
    assert catcher.port is None
    with catcher:
        send(catcher)
        port = catcher.port
        assert catcher.start().port == port
    assert catcher.port is None
    with pytest.raises(OSError), socket.create_connection((catcher.host, port or 0), timeout=10):
        pass
    with catcher:
        send(catcher)
    assert len(catcher.messages) == 2


# -- users ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram_md5"])
def test_users_authenticate(mechanism: str) -> None:
    with SmtpCatcher(users={"jane": "secret"}, require_auth=True) as catcher:
        with smtplib.SMTP(catcher.host, catcher.port or 0, timeout=10) as client:
            client.ehlo()
            client.user, client.password = "jane", "secret"
            client.auth(mechanism.upper().replace("_", "-"), getattr(client, f"auth_{mechanism}"))
            client.sendmail(SENDER, ONE, TEXT)
        assert catcher.messages[0].user == "jane"


@pytest.mark.parametrize("user", [("jane", "wrong"), ("nobody", "secret")])
def test_others_do_not(user: tuple[str, str]) -> None:
    with (
        SmtpCatcher(users={"jane": "secret"}, require_auth=True) as catcher,
        smtplib.SMTP(catcher.host, catcher.port or 0, timeout=10) as client,
    ):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(*user)
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            client.sendmail(SENDER, ONE, TEXT)


# -- TLS ------------------------------------------------------------------------------------------


def connect_with_starttls(catcher: SmtpCatcher, context: ssl.SSLContext) -> smtplib.SMTP:
    client = smtplib.SMTP("localhost", catcher.port or 0, timeout=10)
    try:
        client.starttls(context=context)
    except BaseException:
        client.close()
        raise
    return client


def connect_with_tls(catcher: SmtpCatcher, context: ssl.SSLContext) -> smtplib.SMTP:
    return smtplib.SMTP_SSL("localhost", catcher.port or 0, context=context, timeout=10)


WAYS: list[tuple[Any, Callable[[SmtpCatcher, ssl.SSLContext], smtplib.SMTP]]] = [
    ("starttls", connect_with_starttls),
    ("implicit", connect_with_tls),
]


@pytest.mark.parametrize(("tls", "connect"), WAYS)
def test_tls_is_believed_by_its_context_alone(tls: Any, connect: Any) -> None:
    with SmtpCatcher(tls=tls) as catcher:
        with connect(catcher, catcher.ssl_context) as client:
            client.sendmail(SENDER, ONE, TEXT)
        assert catcher.messages[0].tls is not None
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(catcher, ssl.create_default_context())


def test_a_program_may_be_given_a_file(tmp_path: Path) -> None:
    with SmtpCatcher(tls="implicit") as catcher:
        path = tmp_path / "authority.pem"
        path.write_bytes(catcher.authority_pem)
        connect_with_tls(catcher, ssl.create_default_context(cafile=str(path))).close()


@pytest.mark.parametrize(("tls", "connect"), WAYS)
def test_a_handshake_fails_as_often_as_told(tls: Any, connect: Any) -> None:
    with SmtpCatcher(tls=tls) as catcher:
        catcher.fail("STARTTLS", times=1)
        with pytest.raises(ssl.SSLError):
            connect(catcher, catcher.ssl_context)
        connect(catcher, catcher.ssl_context).close()


# -- LMTP -----------------------------------------------------------------------------------------


def test_lmtp_answers_for_each_recipient() -> None:
    with SmtpCatcher(protocol="lmtp") as catcher:
        catcher.fail(".", "452 4.2.2 Mailbox full", recipient=TWO)
        with smtplib.LMTP(catcher.host, catcher.port or 0) as client:
            client.ehlo()
            client.mail(SENDER)
            client.rcpt(ONE)
            client.rcpt(TWO)
            client.putcmd("data")
            assert client.getreply()[0] == 354
            client.send(b"Subject: Welcome\r\n\r\n.\r\n")
            assert [client.getreply()[0] for _ in range(2)] == [250, 452]
        assert catcher.messages[0].recipients == (ONE,)
