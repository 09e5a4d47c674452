"""Reports of what has become of mail: read back with the email package, and octet for octet."""

from __future__ import annotations

import email
import email.policy
import io
from datetime import UTC, datetime
from email.generator import BytesGenerator
from email.message import EmailMessage, Message
from typing import Any

import pytest

from gen_smtp.reports import OriginalRecipient, RecipientStatus, delivery_report, is_wanted

FAILED = RecipientStatus(
    "b@y.test",
    "failed",
    "5.1.1",
    original=OriginalRecipient("rfc822", "B@Y.test"),
    diagnostic="550 5.1.1 No such user",
    remote_mta="mx.y.test",
    last_attempt=datetime(2027, 1, 31, 12, 0, tzinfo=UTC),
)
DELAYED = RecipientStatus("c@y.test", "delayed", "4.4.1", diagnostic="no route to host")
MAIL = b"From: a@x.test\r\nSubject: " + b"long " * 40 + b"\r\nX-Folded: one\r\n\ttwo\r\n\r\n.\r\n\xff\xe4\r\n"


def made(*recipients: RecipientStatus, **given: Any) -> bytes:
    """A report as it is sent."""
    options = {"sender": "a@x.test", "reporting_mta": "mx.test", "original": MAIL, **given}
    return delivery_report(recipients or [FAILED], **options).as_bytes()


def parts(report: bytes) -> list[Message]:
    """The parts of a report, read back."""
    message = email.message_from_bytes(report, policy=email.policy.SMTP)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message.defects == []
    return list(message.iter_parts())  # type: ignore[attr-defined]


def groups(report: bytes) -> list[dict[str, str]]:
    """The fields of the part for programs."""
    status = parts(report)[1]
    if status.get_content_type() == "message/delivery-status":
        return [dict(each.items()) for each in status.get_payload()]  # type: ignore[union-attr]
    octets = report.partition(b"global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")[2]
    texts = octets.partition(b"\r\n--=")[0].decode().split("\r\n\r\n")
    return [dict(line.split(": ", 1) for line in text.splitlines()) for text in texts]  # type: ignore[misc]


def test_it_goes_to_the_sender_and_is_answered_by_no_robot() -> None:
    message = email.message_from_bytes(made(), policy=email.policy.SMTP)
    assert message["To"] == "a@x.test"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.test>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert {"Date", "Message-ID", "Subject", "MIME-Version"} <= set(message.keys())
    assert all(line.endswith(b"\r\n") for line in made().splitlines(keepends=True))


def test_what_programs_read() -> None:
    arrival = datetime(2027, 1, 30, 12, 0, tzinfo=UTC)
    about, first, second = groups(
        made(FAILED, DELAYED, envid="QQ 1", arrival=arrival, received_from="client.test")
    )
    assert about["Original-Envelope-Id"] == "QQ 1"
    assert about["Reporting-MTA"] == "dns; mx.test"
    assert about["Received-From-MTA"] == "dns; client.test"
    assert email.utils.parsedate_to_datetime(about["Arrival-Date"]) == arrival
    assert list(first) == [
        "Original-Recipient",
        "Final-Recipient",
        "Action",
        "Status",
        "Remote-MTA",
        "Diagnostic-Code",
        "Last-Attempt-Date",
    ]
    assert first["Original-Recipient"] == "rfc822; B@Y.test"
    assert first["Final-Recipient"] == "rfc822; b@y.test"
    assert (first["Action"], first["Status"]) == ("failed", "5.1.1")
    assert first["Diagnostic-Code"] == "smtp; 550 5.1.1 No such user"
    assert second["Diagnostic-Code"] == "x-local; no route to host"
    assert "Remote-MTA" not in second


def test_what_people_read_names_each_recipient() -> None:
    lines = parts(made(FAILED, DELAYED))[0].get_content().splitlines()  # type: ignore[attr-defined]
    assert lines[2:4] == ["Your mail to <b@y.test> could not be delivered.", "    550 5.1.1 No such user"]
    assert lines[4].startswith("Your mail to <c@y.test> could not be delivered yet")


@pytest.mark.parametrize(
    ("recipient", "ret", "kind"),
    [
        (FAILED, "FULL", "message/rfc822"),
        (FAILED, None, "message/rfc822"),
        (FAILED, "HDRS", "text/rfc822-headers"),
        (DELAYED, None, "text/rfc822-headers"),
        (DELAYED, "FULL", "message/rfc822"),
    ],
)
def test_what_is_returned(recipient: RecipientStatus, ret: Any, kind: str) -> None:
    report = made(recipient, ret=ret)
    assert parts(report)[2].get_content_type() == kind
    header = MAIL.partition(b"\r\n\r\n")[0]
    assert header in report
    assert (MAIL in report) is (kind == "message/rfc822")


def test_nothing_is_returned_of_nothing() -> None:
    assert len(parts(made(original=b""))) == 2


ELSEWHERE = RecipientStatus(
    "ü+x@y.test",
    "failed",
    "5.1.1",
    original=OriginalRecipient("utf-8", "ö@y.test"),
    diagnostic="550 kein ü hier",
)


def test_addresses_beyond_ascii_are_written_in_ascii() -> None:
    report = made(ELSEWHERE)
    report.decode("latin-1")
    status = groups(report)[1]
    assert status["Final-Recipient"] == r"utf-8; \x{FC}\x{2B}x@y.test"
    assert status["Original-Recipient"] == r"utf-8; \x{F6}@y.test"
    assert status["Diagnostic-Code"].isascii()
    assert parts(report)[1].get_content_type() == "message/delivery-status"


def test_or_in_utf8_where_the_report_may_have_it() -> None:
    report = made(ELSEWHERE, sender="ä@x.test", utf8=True, original="Subject: ü\r\n\r\nx\r\n".encode())
    status = groups(report)[1]
    assert status["Final-Recipient"] == "utf-8; ü+x@y.test"
    assert status["Original-Recipient"] == "utf-8; ö@y.test"
    assert [part.get_content_type() for part in parts(report)[1:]] == [
        "message/global-delivery-status",
        "message/global",
    ]
    assert "To: ä@x.test".encode() in report
    headers = parts(made(DELAYED, utf8=True, original="Subject: ü\r\n\r\nx\r\n".encode()))[2]
    assert headers.get_content_type() == "message/global-headers"
    assert "\r\n\r\nSubject: ü\r\n".encode() in made(
        DELAYED, utf8=True, original="Subject: ü\r\n\r\nx\r\n".encode()
    )


def test_no_words_of_others_make_a_field() -> None:
    nasty = "550 no\r\nAction: delivered\n\x85\u2028Status: 2.0.0"
    status = RecipientStatus(
        "b@y.test\r\nX: y", "failed", "5.1.1", OriginalRecipient("rfc822", "b\nX: z"), nasty
    )
    for utf8 in (False, True):
        (_, group) = groups(made(status, envid="a\r\nB: c", received_from="x\nY: z", utf8=utf8))
        assert (group["Action"], group["Status"]) == ("failed", "5.1.1")
        assert not {"X", "B", "Y"} & set(group)


@pytest.mark.parametrize(
    ("recipients", "given", "what"),
    [
        ([], {}, "one recipient"),
        ([FAILED], {"sender": ""}, "null path"),
        ([FAILED], {"sender": "ü@x.test"}, "utf8=True"),
        ([RecipientStatus("b@y.test", "failed", "550")], {}, "a code such as 5.1.1"),
    ],
)
def test_what_no_report_can_be_made_of(recipients: Any, given: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        delivery_report(recipients, **{"sender": "a@x.test", "reporting_mta": "mx.test", **given})


@pytest.mark.parametrize(
    ("action", "notify", "wanted"),
    [
        ("failed", None, True),
        ("delayed", None, True),
        ("delivered", None, False),
        ("failed", {"NEVER"}, False),
        ("failed", {"SUCCESS"}, False),
        ("failed", {"FAILURE", "DELAY"}, True),
        ("delayed", {"FAILURE"}, False),
        ("delivered", {"SUCCESS"}, True),
        ("relayed", {"SUCCESS"}, True),
        ("expanded", {"SUCCESS"}, True),
    ],
)
def test_who_wants_a_report(action: Any, notify: Any, wanted: bool) -> None:
    assert is_wanted(action, notify, "a@x.test") is wanted
    assert not is_wanted(action, notify, "")


def test_it_can_be_written_with_a_generator_of_ones_own() -> None:
    report = delivery_report([FAILED], sender="a@x.test", reporting_mta="mx.test", original=MAIL)
    assert isinstance(report, EmailMessage)
    octets = io.BytesIO()
    BytesGenerator(octets, policy=report.policy).flatten(report)
    assert octets.getvalue() == report.as_bytes()
