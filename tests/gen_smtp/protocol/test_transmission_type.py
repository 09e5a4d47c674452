"""The registered words for how a message came."""

import pytest

from gen_smtp.protocol.dialogue import Login
from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.transaction import Transaction


def protocol(
    *, lmtp: bool = False, extended: bool = True, tls: bool = False, user: str | None = None
) -> Protocol:
    made = Protocol(ProtocolConfig("mx.example", lmtp=lmtp), tls=tls)
    made.extensions = {"SIZE": "0"} if extended else {}
    made.login = None if user is None else Login(user)
    return made


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (protocol(extended=False), "SMTP"),
        (protocol(extended=False, tls=True), "SMTP"),
        (protocol(), "ESMTP"),
        (protocol(tls=True), "ESMTPS"),
        (protocol(user=""), "ESMTPA"),
        (protocol(tls=True, user="me"), "ESMTPSA"),
        (protocol(lmtp=True), "LMTP"),
        (protocol(lmtp=True, extended=False), "LMTP"),
        (protocol(lmtp=True, tls=True, user="me"), "LMTPSA"),
    ],
)
def test_tls_and_auth_each_add_a_letter(found: Protocol, word: str) -> None:
    assert found.transmission_type() == word


@pytest.mark.parametrize(("lmtp", "word"), [(False, "UTF8SMTPS"), (True, "UTF8LMTPS")])
def test_a_message_declared_smtputf8_came_by_types_of_its_own(lmtp: bool, word: str) -> None:
    found = protocol(lmtp=lmtp, tls=True)
    found.transaction = Transaction("a@b", {"SMTPUTF8": True})
    assert found.transmission_type() == word


def test_a_transaction_without_smtputf8_changes_nothing() -> None:
    found = protocol()
    found.transaction = Transaction("a@b", {"BODY": "8BITMIME"})
    assert found.transmission_type() == "ESMTP"
