"""Places on the command line, and envelopes, as gen_smtp_client has them."""

from __future__ import annotations

from typing import Any

import pytest

from gen_smtp.queue.delivery.next_hop import NextHop, envelope_of, options_of_via
from gen_smtp.queue.envelope import EnvelopeError, QueuedMail, QueuedRecipient, mail_of


@pytest.mark.parametrize(
    ("via", "options"),
    [
        ("mx", {}),
        ("lmtp:/run/lmtp", {"relay": "/run/lmtp", "family": "unix", "protocol": "lmtp", "tls": "never"}),
        ("lmtp:host:24", {"relay": "host", "port": 24, "protocol": "lmtp", "no_mx_lookups": True}),
        ("smarthost:host", {"relay": "host", "port": 25, "no_mx_lookups": True}),
        ("smarthost:[::1]:587", {"relay": "::1", "port": 587, "no_mx_lookups": True}),
        ("smarthost:[::1]", {"relay": "::1", "port": 25, "no_mx_lookups": True}),
    ],
)
def test_a_place_becomes_options(via: str, options: dict[str, Any]) -> None:
    assert options_of_via(via) == options
    NextHop(via).close()


def test_options_of_ones_own_win() -> None:
    hop = NextHop("mx", {"relay": "host", "protocol": "lmtp", "port": 24})
    assert (hop.is_final, hop.is_by_domain) == (True, False)
    hop.close()


def test_the_parameters_of_the_client_go_on() -> None:
    mail = QueuedMail(
        "id",
        "a@example.org",
        (QueuedRecipient("b@example.com", {"NOTIFY": "FAILURE,DELAY", "ORCPT": "rfc822;x+2By@example.com"}),),
        b"",
        parameters={
            "SIZE": "5",
            "BODY": "8BITMIME",
            "SMTPUTF8": True,
            "RET": "FULL",
            "ENVID": "a+2Bb",
            "MT-PRIORITY": "3",
        },
    )
    envelope = envelope_of(mail)
    assert (envelope.sender, envelope.smtputf8, envelope.ret, envelope.envid) == (
        "a@example.org",
        True,
        "FULL",
        "a+b",
    )
    assert dict(envelope.parameters) == {"MT-PRIORITY": "3"}
    (recipient,) = envelope.recipients
    assert not isinstance(recipient, str)
    assert (recipient.notify, recipient.orcpt) == ({"FAILURE", "DELAY"}, "rfc822;x+y@example.com")


class Properties:
    """What pika gives."""

    message_id = None
    timestamp = None

    def __init__(self, headers: dict[str, Any] | None) -> None:
        self.headers = headers


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (None, "smtp-sender"),
        ({"smtp-sender": 1}, "smtp-sender"),
        ({"smtp-sender": "", "smtp-recipients": []}, "smtp-recipients"),
        ({"smtp-sender": "", "smtp-recipients": [1]}, "recipient"),
        ({"smtp-sender": "", "smtp-recipients": [{"address": "a\r\nRCPT TO:<b>"}]}, "control characters"),
        ({"smtp-sender": "a\n", "smtp-recipients": ["b"]}, "control characters"),
        ({"smtp-sender": "", "smtp-recipients": ["b"], "smtp-tries": -1}, "smtp-tries"),
        ({"smtp-sender": "", "smtp-recipients": ["b"], "smtp-parameters": "x"}, "smtp-parameters"),
    ],
)
def test_what_is_no_mail_is_told(headers: dict[str, Any] | None, problem: str) -> None:
    with pytest.raises(EnvelopeError, match=problem):
        mail_of(Properties(headers), b"")


def test_the_least_that_a_mail_needs() -> None:
    mail = mail_of(Properties({"smtp-sender": "", "smtp-recipients": ["b@example.com"]}), b"x")
    assert (mail.sender, mail.recipients[0].address, mail.message_id, mail.tries) == (
        "",
        "b@example.com",
        "-",
        0,
    )
    assert mail.arrival > 0
