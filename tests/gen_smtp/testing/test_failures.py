"""What a catcher is told to fail at, it fails at: there, so often, with these addresses alone."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gen_smtp.testing import SmtpCatcher

ONE, TWO = "one@example.org", "two@example.org"
SENDER = "shop@example.com"
TEXT = "Subject: Welcome\n\nHello\n"


@pytest.fixture
def catcher() -> Iterator[SmtpCatcher]:
    with SmtpCatcher(users={"jane": "secret"}) as running:
        yield running


def send(catcher: SmtpCatcher, *recipients: str, login: bool = False) -> dict[str, Any]:
    with smtplib.SMTP(catcher.host, catcher.port or 0, timeout=10) as client:
        if login:
            client.login("jane", "secret")
        return client.sendmail(SENDER, recipients or (ONE,), TEXT)


@pytest.mark.parametrize(
    ("place", "kind", "code"),
    [
        ("CONNECT", smtplib.SMTPConnectError, 421),
        ("greeting", smtplib.SMTPConnectError, 421),
        ("EHLO", smtplib.SMTPHeloError, 550),
        ("AUTH", smtplib.SMTPAuthenticationError, 535),
        ("MAIL", smtplib.SMTPSenderRefused, 451),
        (".", smtplib.SMTPDataError, 451),
        ("dot", smtplib.SMTPDataError, 451),
    ],
)
def test_each_place_has_its_usual_reply(
    catcher: SmtpCatcher, place: str, kind: type[smtplib.SMTPResponseException], code: int
) -> None:
    catcher.fail(place)
    with pytest.raises(kind) as caught:
        send(catcher, login=True)
    assert caught.value.smtp_code == code
    assert catcher.messages == []


def test_the_reply_is_the_one_that_was_given(catcher: SmtpCatcher) -> None:
    catcher.fail("MAIL", "452 4.3.1 Disk full")
    with pytest.raises(smtplib.SMTPSenderRefused, match="Disk full") as caught:
        send(catcher)
    assert caught.value.smtp_code == 452


def test_it_happens_so_often(catcher: SmtpCatcher) -> None:
    catcher.fail(".", times=2)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPDataError):
            send(catcher)
    assert send(catcher) == {}
    assert len(catcher.messages) == 1


def test_it_happens_with_one_recipient(catcher: SmtpCatcher) -> None:
    catcher.fail("RCPT", recipient=TWO)
    assert list(send(catcher, ONE, TWO)) == [TWO]
    assert catcher.messages[0].recipients == (ONE,)


def test_it_happens_with_one_sender(catcher: SmtpCatcher) -> None:
    catcher.fail("RCPT", sender="other@example.com")
    catcher.fail(".", sender=SENDER, recipient=TWO)
    assert send(catcher) == {}
    with pytest.raises(smtplib.SMTPDataError):
        send(catcher, ONE, TWO)


@pytest.mark.parametrize("place", ["DATA", "MAIL", "RCPT", ".", "CONNECT"])
def test_the_connection_is_cut(catcher: SmtpCatcher, place: str) -> None:
    catcher.fail(place, cut=True, times=1)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(catcher)
    assert catcher.messages == []
    assert send(catcher) == {}


@pytest.mark.parametrize("place", ["MAIL", "DATA", "."])
def test_a_delay_alone_is_followed_by_success(catcher: SmtpCatcher, place: str) -> None:
    catcher.fail(place, delay=0.05, times=1)
    before = time.monotonic()
    assert send(catcher) == {}
    assert time.monotonic() - before >= 0.05
    assert len(catcher.messages) == 1


def test_the_first_that_fits_happens(catcher: SmtpCatcher) -> None:
    catcher.fail("MAIL", "450 first", times=1)
    catcher.fail("MAIL", "451 second", times=1)
    for text in ("first", "second"):
        with pytest.raises(smtplib.SMTPSenderRefused, match=text):
            send(catcher)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"place": "SEND"}, "place: 'SEND' is none of CONNECT, HELO, AUTH, MAIL, RCPT, ., DATA, STARTTLS"),
        ({"place": "MAIL", "times": 0}, "times: 0 is less than 1"),
        ({"place": "MAIL", "delay": -1.0}, "delay: -1.0 is no number of seconds"),
        ({"place": "MAIL", "delay": float("nan")}, "delay: nan is no number of seconds"),
        ({"place": "MAIL", "reply": "250 Ok"}, "reply: '250 Ok' does not begin with a code, 4dd or 5dd"),
        ({"place": "MAIL", "reply": "No"}, "reply: 'No' does not begin with a code"),
        ({"place": "DATA", "reply": "451 no"}, "reply: at DATA none can be given"),
        ({"place": "MAIL", "reply": "451 no", "cut": True}, "reply: a connection that is cut gets none"),
        ({"place": "STARTTLS", "delay": 1.0}, "delay: a handshake fails at once"),
    ],
)
def test_a_wrong_argument_is_named(catcher: SmtpCatcher, arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError) as caught:
        catcher.fail(**arguments)
    assert str(caught.value).startswith(named)


def test_a_wrong_kind_of_tls_is_named() -> None:
    with pytest.raises(ValueError, match="tls: 'yes' is none of"):
        SmtpCatcher(tls="yes")  # type: ignore[arg-type]
