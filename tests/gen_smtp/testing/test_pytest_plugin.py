"""pytest's fixtures, in a pytest of their own: as users have them, beside the plug-ins that they use."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SENDING = """
import smtplib

import pytest


def send(catcher, text="Subject: Welcome\\n\\nHello\\n"):
    with smtplib.SMTP(catcher.host, catcher.port, timeout=10) as client:
        client.sendmail("shop@example.com", ["jane@example.org"], text)

"""


def run(pytester: pytest.Pytester, tests: str, *arguments: str, passed: int) -> pytest.RunResult:
    """Run tests in a process of their own; all must pass."""
    pytester.makepyfile(test_shop=SENDING + tests)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(passed=passed)
    return result


def test_each_test_begins_with_an_empty_catcher_on_the_same_port(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
ports = set()


@pytest.mark.parametrize("number", range(3))
def test_one(smtpd, number):
    ports.add(smtpd.port)
    assert smtpd.messages == []
    send(smtpd)
    assert len(smtpd.wait_for(count=1)) == 1
    smtpd.fail("MAIL")
    assert len(ports) == 1


def test_stopping_it_harms_no_other(smtpd):
    smtpd.stop()


def test_behind_that(smtpd):
    send(smtpd)
""",
        passed=5,
    )


def test_the_mark_says_how_it_runs(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
@pytest.mark.smtpd(tls="starttls", users={"shop": "secret"}, require_auth=True)
def test_password(smtpd):
    with smtplib.SMTP("localhost", smtpd.port, timeout=10) as client:
        client.starttls(context=smtpd.ssl_context)
        client.login("shop", "secret")
        client.sendmail("shop@example.com", ["jane@example.org"], "x")
    assert smtpd.messages[0].user == "shop"


def test_lmtp(lmtpd):
    with smtplib.LMTP(lmtpd.host, lmtpd.port) as client:
        assert client.ehlo()[0] == 250


def test_many(smtpd_factory):
    one, other = smtpd_factory(), smtpd_factory(users={"a": "b"})
    assert one.port != other.port
    send(one)
    assert other.messages == []
""",
        "--strict-markers",
        passed=3,
    )


def test_a_mark_with_a_wrong_option_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SENDING
        + """
@pytest.mark.smtpd("starttls")
def test_positional(smtpd):
    pass
"""
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the mark smtpd takes options by name alone*"])


def test_variables_of_the_environment_are_set(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nsmtpd_environment =\n    EMAIL_HOST={host}\n    EMAIL_URL = smtp://{host}:{port}\n"
    )
    run(
        pytester,
        """
import os


def test_set(smtpd):
    assert os.environ["EMAIL_URL"] == f"smtp://{os.environ['EMAIL_HOST']}:{smtpd.port}"


def test_and_taken_back():
    assert "EMAIL_HOST" not in os.environ
""",
        passed=2,
    )


def test_nothing_of_the_server_is_imported_before_a_test_asks(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
import sys


def test_nothing():
    assert not {"gevent", "pykka", "actors", "gen_smtp.testing"} & set(sys.modules)
""",
        passed=1,
    )


def test_under_xdist_each_process_has_its_own(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
@pytest.mark.parametrize("number", range(8))
def test_one(smtpd, number):
    send(smtpd)
    assert len(smtpd.messages) == 1
""",
        "-n",
        "2",
        passed=8,
    )


def test_beside_asyncio(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    run(
        pytester,
        """
import asyncio


async def test_task(smtpd):
    waiting = asyncio.ensure_future(smtpd.wait_for_async())
    await asyncio.to_thread(send, smtpd)
    assert [each.subject for each in await waiting] == ["Welcome"]
""",
        passed=1,
    )


def test_beside_freezegun(pytester: pytest.Pytester) -> None:
    """A clock that stands still, or jumps by years, does not concern the server."""
    run(
        pytester,
        """
import datetime
from freezegun import freeze_time


@freeze_time("2001-02-03")
def test_frozen(smtpd):
    send(smtpd)
    assert len(smtpd.wait_for()) == 1
    assert datetime.date.today() == datetime.date(2001, 2, 3)


def test_over_a_jump(smtpd):
    with smtplib.SMTP(smtpd.host, smtpd.port, timeout=10) as client:
        client.ehlo()
        with freeze_time("2051-02-03") as frozen:
            client.sendmail("shop@example.com", ["jane@example.org"], "x")
            frozen.tick(86400)
            assert client.noop()[0] == 250
    smtpd.fail("MAIL", delay=0.01)
    send(smtpd)
""",
        passed=2,
    )


def test_django_finds_it_by_its_settings(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
def test_send_mail(smtpd):
    from django.conf import settings
    from django.core.mail import send_mail

    settings.configure(**smtpd.settings("django"))
    assert send_mail("Welcome", "Hello", "shop@example.com", ["jane@example.org"]) == 1
    assert smtpd.messages[0].subject == "Welcome"
""",
        passed=1,
    )


def test_flask_mail_finds_it_by_its_settings(pytester: pytest.Pytester) -> None:
    run(
        pytester,
        """
@pytest.mark.smtpd(users={"shop": "secret"}, require_auth=True)
def test_send(smtpd):
    from flask import Flask
    from flask_mail import Mail, Message

    app = Flask("shop")
    app.config.update(smtpd.settings("flask-mail"))
    with app.app_context():
        Mail(app).send(Message("Welcome", ["jane@example.org"], "Hello", sender="shop@example.com"))
    assert (smtpd.messages[0].subject, smtpd.messages[0].user) == ("Welcome", "shop")


def test_environment(smtpd):
    assert smtpd.settings("environment")["SMTP_PORT"] == str(smtpd.port)
    with pytest.raises(ValueError, match="program: 'rails' is none of django, flask-mail, environment"):
        smtpd.settings("rails")
""",
        passed=2,
    )
