"""Postfix hands on what its client wants reports of, and takes reports; its own say the same as ours."""

from __future__ import annotations

import email
import email.policy
import os
import queue
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.reports import OriginalRecipient, RecipientStatus, delivery_report
from tests.certificates import Certificates
from tests.gen_smtp.live import Queue, behaviour, take
from tests.real_clients.tools.postfix import Postfix

SENDER = "ann@sender.example"
MESSAGE = b"From: ann@sender.example\r\nTo: bob@dsn.example\r\nSubject: hello\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def taken() -> Queue:
    """The messages that were taken, with their parameters."""
    return queue.SimpleQueue()


@pytest.fixture(scope="module")
def relay(taken: Queue, certificates: Certificates, require_tool: Callable[[str], str]) -> Iterator[Postfix]:
    """A Postfix that hands mail on to a server with DSN."""
    command = require_tool("postfix")
    if os.geteuid() != 0:
        pytest.skip("only root can run Postfix")

    def handle_EHLO(self: Any, hostname: str, extensions: Any) -> Any:
        return ok([*extensions, ("DSN", True), ("ENHANCEDSTATUSCODES", True)])

    def handle_RCPT(self: Any, recipient: str) -> Any:
        return error("550 5.1.1 No such user") if recipient.startswith("nobody") else ok

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        transaction = self.session.transaction
        taken.put((sender, recipients, data, transaction.sender_parameters, transaction.recipient_parameters))
        return ok

    module = behaviour(handle_EHLO=handle_EHLO, handle_RCPT=handle_RCPT, handle_DATA=handle_DATA)
    options = {"address": "127.0.0.1", "port": 0, "domain": "mx.example"}
    with (
        tempfile.TemporaryDirectory(prefix="gs-", dir="/tmp") as name,
        gen_smtp_server.running(module, [options]) as server,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        port = gen_smtp_server.addresses(server)[0][1]
        transports = dict.fromkeys(("dsn.example", "sender.example"), f"smtp:[127.0.0.1]:{port}")
        with Postfix(command, folder, transports, certificates.cafile) as postfix:
            yield postfix


def send(relay: Postfix, recipients: dict[str, list[str]], *options: str) -> None:
    """Give Postfix a message with parameters of MAIL, and of each RCPT."""
    with relay.client() as client:
        client.ehlo()
        assert client.mail(SENDER, options)[0] == 250
        for recipient, parameters in recipients.items():
            assert client.rcpt(recipient, parameters)[0] == 250
        assert client.data(MESSAGE)[0] == 250


def status_of(report: bytes) -> list[Message]:
    """The groups of the part for programs."""
    parts = email.message_from_bytes(report, policy=email.policy.SMTP).walk()
    part = next(each for each in parts if each.get_content_type() == "message/delivery-status")
    return list(part.get_payload())  # type: ignore[arg-type]


def test_what_is_wanted_arrives_decoded_for_each_recipient(relay: Postfix, taken: Queue) -> None:
    send(
        relay,
        {
            "bob@dsn.example": ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Robert+2Bx@dsn.example"],
            "eve@dsn.example": ["NOTIFY=NEVER"],
        },
        "RET=HDRS",
        "ENVID=order+2B17",
    )
    _, recipients, _, sender, each = take(taken)
    assert (sender.ret, sender.envid) == ("HDRS", "order+17")
    found = dict(zip(recipients, each, strict=True))
    assert found["bob@dsn.example"].notify == {"FAILURE", "DELAY"}
    assert found["bob@dsn.example"].orcpt == OriginalRecipient("rfc822", "Robert+x@dsn.example")
    assert found["eve@dsn.example"].notify == {"NEVER"}
    assert found["eve@dsn.example"].orcpt == OriginalRecipient("rfc822", "eve@dsn.example")


def test_its_own_report_of_a_refusal_says_what_ours_says(relay: Postfix, taken: Queue) -> None:
    send(relay, {"nobody@dsn.example": ["ORCPT=rfc822;N@dsn.example"]}, "ENVID=order+2B18", "RET=FULL")
    reverse_path, (recipient,), theirs, _, _ = take(taken)
    assert (reverse_path, recipient) == ("", SENDER)
    ours = delivery_report(
        [
            RecipientStatus(
                "nobody@dsn.example",
                "failed",
                "5.1.1",
                original=OriginalRecipient("rfc822", "N@dsn.example"),
                diagnostic="550 5.1.1 No such user",
                remote_mta="127.0.0.1",
            )
        ],
        sender=SENDER,
        reporting_mta="relay.example",
        original=MESSAGE,
        envid="order+18",
    ).as_bytes()
    for their_group, our_group in zip(status_of(theirs), status_of(ours), strict=True):
        for name in set(our_group.keys()) - {"Remote-MTA"}:
            assert same(their_group[name]) == same(our_group[name]), name


def same(field: str | None) -> str:
    """A field without the blanks that do not count."""
    return "".join((field or "").lower().split())


def test_it_hands_a_report_on_as_it_is(relay: Postfix, taken: Queue) -> None:
    status = RecipientStatus("ö@else.example", "failed", "5.1.1", diagnostic="550 5.1.1 No such user")
    report = delivery_report(
        [status], sender=SENDER, reporting_mta="mx.example", original=MESSAGE[:-2] + b" \xf6\r\n"
    )
    octets = report.as_bytes()
    with relay.client() as client:
        client.ehlo()
        assert client.mail("", ["BODY=8BITMIME", "RET=HDRS"])[0] == 250
        assert client.rcpt(SENDER, ["NOTIFY=NEVER"])[0] == 250
        assert client.data(octets)[0] == 250
    reverse_path, _, came, sender, (recipient,) = take(taken)
    assert reverse_path == ""
    assert (sender.ret, recipient.notify) == ("HDRS", {"NEVER"})
    assert came.endswith(octets)


def test_both_answer_parameters_alike(relay: Postfix) -> None:
    options = {"address": "127.0.0.1", "port": 0}
    module = behaviour(handle_EHLO=ok([("DSN", True)]))
    lines = [
        "MAIL FROM:<a@x.example> RET=SOME",
        "MAIL FROM:<a@x.example> ENVID=a+2b ENVID=b",
        "MAIL FROM:<a@x.example> RET=hdrs ENVID=a+2Bb",
        "RCPT TO:<b@dsn.example> NOTIFY=NEVER,DELAY",
        "RCPT TO:<b@dsn.example> NOTIFY=",
        "RCPT TO:<b@dsn.example> NOTIFY=success,delay",
        "RCPT TO:<b@dsn.example> NOTIFY=SUCCESS,SUCCESS",
        "RCPT TO:<b@dsn.example> ORCPT=b@dsn.example",
        "RCPT TO:<b@dsn.example> ORCPT=rfc822;b@dsn.example",
    ]
    with gen_smtp_server.running(module, [options]) as server:
        (address,) = gen_smtp_server.addresses(server)
        with relay.client() as theirs, smtplib.SMTP(*address) as ours:
            theirs.ehlo()
            ours.ehlo()
            replies = {line: (ours.docmd(line)[0], theirs.docmd(line)[0]) for line in lines}
    assert {line: both for line, both in replies.items() if both[0] != both[1]} == {}
