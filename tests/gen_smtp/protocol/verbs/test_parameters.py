"""Parameters of extensions in dialogues: judged where they were offered, asked about in any case."""

from __future__ import annotations

from typing import Any

import pytest

from gen_smtp.protocol.questions import MailParameter, RcptParameter
from gen_smtp.protocol.verdicts import ACCEPT, Decline, Verdict
from tests.gen_smtp.protocol.client import EHLO, Client, announcing, check

LISTED = [
    ("DSN", True),
    ("DELIVERBY", "60"),
    ("FUTURERELEASE", "86400 2027-01-31T12:00:00Z"),
    ("MT-PRIORITY", "MIXER"),
    ("RRVS", True),
    ("SMTPUTF8", True),
]
MAIL = b"MAIL FROM:<a@b> "
RCPT = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d> "
SENDER, RECIPIENT = b"250 sender Ok\r\n", b"250 recipient Ok\r\n"


def answering(verdict: Verdict, *extensions: Any) -> Any:
    """Announce extensions, and answer each parameter alike."""
    hello = announcing(*extensions)
    return lambda question: (
        verdict if isinstance(question, MailParameter | RcptParameter) else hello(question)
    )


DOES_NOT_KNOW = answering(Decline(), *LISTED)
"""A callback that knows no parameter, as Behaviour's own."""


@pytest.mark.parametrize(
    "parameter",
    [b"RET=FULL", b"ENVID=QQ1", b"BY=60;R", b"HOLDFOR=86400", b"MT-PRIORITY=-3", b"RET=HDRS ENVID=x"],
)
def test_a_callback_that_does_not_know_what_was_offered_leaves_it_to_the_protocol(parameter: bytes) -> None:
    client = check(MAIL + parameter + b"\r\n", SENDER, answer=DOES_NOT_KNOW, said=EHLO)
    asked = client.of_kind(MailParameter)
    assert [each.parameter for each in asked] == parameter.decode().split(" ")
    assert all(each.known for each in asked)
    assert client.protocol.transaction is not None


def test_so_at_rcpt() -> None:
    parameters = b"NOTIFY=SUCCESS,DELAY ORCPT=rfc822;C+2B@d RRVS=2027-01-31T12:00:00Z\r\n"
    client = check(RCPT + parameters, SENDER + RECIPIENT, answer=DOES_NOT_KNOW, said=EHLO)
    assert [each.known for each in client.of_kind(RcptParameter)] == [True] * 3
    transaction = client.protocol.transaction
    assert transaction is not None
    assert transaction.rcpt_params == [
        {"NOTIFY": "SUCCESS,DELAY", "ORCPT": "rfc822;C+2B@d", "RRVS": "2027-01-31T12:00:00Z"}
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (MAIL + b"RET=SOME\r\n", b"501 Error: RET takes FULL or HDRS\r\n"),
        (MAIL + b"MT-PRIORITY=10\r\n", b"501 Error: MT-PRIORITY takes a number from -9 to 9\r\n"),
        (MAIL + b"BY=59;R\r\n", b"555 Error: BY takes no less than 60 seconds here\r\n"),
        (MAIL + b"HOLDFOR=86401\r\n", b"554 Error: HOLDFOR is beyond the limit, 86400 seconds\r\n"),
        (MAIL + b"HOLDFOR=1 HOLDUNTIL=2026-01-31T12:00:00Z\r\n",
         b"501 Error: HOLDFOR takes no HOLDFOR and HOLDUNTIL together\r\n"),
        (MAIL + b"RET=FULL RET=HDRS\r\n", b"501 Syntax error in parameters\r\n"),
        (RCPT + b"NOTIFY=NEVER,DELAY\r\n",
         SENDER + b"501 Error: NOTIFY takes NEVER, or some of SUCCESS,FAILURE,DELAY\r\n"),
        (RCPT + "ORCPT=utf-8;ö@d\r\n".encode(), SENDER + b"501 Syntax error in parameters\r\n"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_before_anybody_is_asked(said: bytes, expected: bytes) -> None:
    client = check(said, expected, answer=answering(ACCEPT, *LISTED), said=EHLO)
    assert client.of_kind(MailParameter, RcptParameter) == []
    transaction = client.protocol.transaction
    assert transaction is None or transaction.recipients == []


def test_a_callback_may_refuse_what_is_right() -> None:
    answer = answering(Decline("504 5.5.4 not for you"), *LISTED)
    check(MAIL + b"MT-PRIORITY=9\r\n", b"504 5.5.4 not for you\r\n", answer=answer, said=EHLO)
    check(RCPT + b"NOTIFY=NEVER\r\n", SENDER + b"504 5.5.4 not for you\r\n", answer=answer, said=EHLO)


@pytest.mark.parametrize("said", [MAIL + b"RET=SOME\r\n", MAIL + b"REQUIRETLS\r\n"])
def test_what_was_not_offered_is_the_callbacks_alone(said: bytes) -> None:
    name = said.split()[-1]
    unsupported = b"555 Unsupported option: " + name + b"\r\n"
    client = check(said, unsupported, answer=answering(Decline()), said=EHLO)
    assert [each.known for each in client.of_kind(MailParameter)] == [False]
    check(said, SENDER, answer=answering(ACCEPT), said=EHLO)
    check(said, unsupported, answer=DOES_NOT_KNOW, said=b"HELO client\r\n")


def test_requiretls_is_known_inside_tls() -> None:
    answer = answering(Decline(), ("REQUIRETLS", True))
    check(MAIL + b"REQUIRETLS\r\n", SENDER, answer=answer, said=EHLO, tls=True)
    check(
        MAIL + b"REQUIRETLS=1\r\n",
        b"501 Error: REQUIRETLS takes no value\r\n",
        answer=answer,
        said=EHLO,
        tls=True,
    )
    check(MAIL + b"REQUIRETLS\r\n", b"555 Unsupported option: REQUIRETLS\r\n", answer=answer, said=EHLO)


def test_orcpt_in_utf8_where_mail_says_so() -> None:
    said = b"MAIL FROM:<a@b> SMTPUTF8\r\nRCPT TO:<c@d> " + "ORCPT=utf-8;ö@d\r\n".encode()
    check(said, SENDER + RECIPIENT, answer=DOES_NOT_KNOW, said=EHLO)


def test_a_refused_parameter_leaves_nothing_behind() -> None:
    client = Client(answer=DOES_NOT_KNOW, said=EHLO).sends(MAIL + b"RET=SOME\r\n" + MAIL + b"RET=FULL\r\n")
    assert client.hears() == b"501 Error: RET takes FULL or HDRS\r\n" + SENDER
