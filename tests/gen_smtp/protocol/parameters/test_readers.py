"""What stands behind each parameter that is known: values with types, and what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gen_smtp.protocol.parameters import table
from gen_smtp.protocol.parameters.deliver_by import DeliverBy
from gen_smtp.protocol.parameters.dsn import OriginalRecipient
from gen_smtp.protocol.parameters.future_release import Hold
from gen_smtp.protocol.parameters.marks import ValidSince
from gen_smtp.protocol.parameters.reading import Given
from gen_smtp.protocol.text.command import Parameter
from gen_smtp.protocol.text.replies import StandardReply

NOON = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
UTF8 = {"SMTPUTF8": True}


def read(text: str, offered: str = "", mail: Any = None) -> Any:
    """The value of ``KEYWORD=value``; the code of the reply if it is wrong."""
    keyword, equals, value = text.partition("=")
    parameter = Parameter(keyword, value if equals else True)
    known = table.MAIL.get(keyword) or table.RCPT[keyword]
    given = Given(*parameter, offered, mail if mail is not None else {keyword: parameter.value})
    result = known.read(given)
    return result.code if isinstance(result, StandardReply) else result


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("RET=FULL", "FULL"),
        ("RET=hdrs", "HDRS"),
        ("ENVID=QQ314159", "QQ314159"),
        ("ENVID=a+20b+2Bc", "a b+c"),
        ("ENVID=" + "x" * 100, "x" * 100),
        ("NOTIFY=NEVER", frozenset({"NEVER"})),
        ("NOTIFY=success,Delay", frozenset({"SUCCESS", "DELAY"})),
        ("NOTIFY=DELAY,delay", frozenset({"DELAY"})),
        ("NOTIFY=SUCCESS,FAILURE,DELAY", frozenset({"SUCCESS", "FAILURE", "DELAY"})),
        ("ORCPT=rfc822;Bob+2Btag@example.com", OriginalRecipient("rfc822", "Bob+tag@example.com")),
        ("ORCPT=RFC822;b@x", OriginalRecipient("rfc822", "b@x")),
        ("ORCPT=x400;/CN+3Dbob/", OriginalRecipient("x400", "/CN=bob/")),
        ("ORCPT=utf-8;b@x.example", OriginalRecipient("utf-8", "b@x.example")),
        (r"ORCPT=utf-8;\x{F6}@x.example", OriginalRecipient("utf-8", "ö@x.example")),
        (r"ORCPT=utf-8;+5Cx{1F600}+40x", OriginalRecipient("utf-8", "\U0001f600@x")),
        ("BY=120;R", DeliverBy(120, "R")),
        ("BY=-30;nt", DeliverBy(-30, "N", True)),
        ("BY=+0;N", DeliverBy(0, "N")),
        ("HOLDFOR=86400", Hold(seconds=86400)),
        ("HOLDUNTIL=2027-01-31T12:00:00Z", Hold(until=NOON)),
        ("MT-PRIORITY=0", 0),
        ("MT-PRIORITY=9", 9),
        ("MT-PRIORITY=-9", -9),
        ("REQUIRETLS", True),
        ("RRVS=2027-01-31T12:00:00Z", ValidSince(NOON)),
        ("RRVS=2027-01-31T12:00:00z;R", ValidSince(NOON)),
        ("RRVS=2027-01-31T12:00:00Z;c", ValidSince(NOON, "continue")),
        (
            "RRVS=2027-01-31T12:00:00.5-08:00",
            ValidSince(NOON.replace(microsecond=500000, tzinfo=timezone(timedelta(hours=-8)))),
        ),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "RET",
        "RET=",
        "RET=BODY",
        "ENVID",
        "ENVID=",
        "ENVID=" + "x" * 101,
        "ENVID=a+2b",
        "ENVID=a=b",
        "ENVID=a+0Ab",
        "ENVID=a+FFb",
        "ENVID=\u00e4",
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=NEVER,DELAY",
        "NOTIFY=SUCCESS,",
        "NOTIFY=ALWAYS",
        "ORCPT",
        "ORCPT=b@x",
        "ORCPT=rfc822;",
        "ORCPT=;b@x",
        "ORCPT=rfc822;a+zzb",
        "ORCPT=rfc822;a+0D+0Ab",
        "ORCPT=rfc822;\u00f6@x",
        "ORCPT=utf-8;\u00f6@x",
        r"ORCPT=utf-8;\x{D800}@x",
        r"ORCPT=utf-8;\x{110000}@x",
        r"ORCPT=utf-8;\x{A}@x",
        r"ORCPT=utf-8;\x{0A}@x",
        r"ORCPT=utf-8;\x{202E}@x",
        r"ORCPT=utf-8;a\b@x",
        "ORCPT=rfc822;" + "x" * 500,
        "BY",
        "BY=120",
        "BY=120;X",
        "BY=0;R",
        "BY=-1;R",
        "BY=1234567890;N",
        "BY=1_0;N",
        "BY=120;RTT",
        "BY=\u0663;N",
        "HOLDFOR",
        "HOLDFOR=0",
        "HOLDFOR=-1",
        "HOLDFOR=1234567890",
        "HOLDUNTIL=2027-02-30T12:00:00Z",
        "HOLDUNTIL=2027-01-31",
        "HOLDUNTIL=2027-01-31T12:00:00",
        "HOLDUNTIL=20270131T120000Z",
        "HOLDUNTIL=2027-01-31T12:00:00Z ",
        "HOLDUNTIL=2027-W05-7T12:00:00Z",
        "MT-PRIORITY",
        "MT-PRIORITY=10",
        "MT-PRIORITY=-0",
        "MT-PRIORITY=+1",
        "MT-PRIORITY=01",
        "REQUIRETLS=",
        "REQUIRETLS=yes",
        "RRVS=yesterday",
        "RRVS=2027-01-31T12:00:00Z;",
        "RRVS=2027-01-31T12:00:00Z;X",
    ],
)
def test_what_is_wrong_is_501(text: str) -> None:
    assert read(text) == "501"


def test_utf8_stands_as_it_is_in_internationalised_mail_alone() -> None:
    assert read("ORCPT=utf-8;ö@x.example", mail=UTF8) == OriginalRecipient("utf-8", "ö@x.example")
    assert read("ORCPT=utf-8;a\u202eb@x", mail=UTF8) == "501"
    assert read("ORCPT=rfc822;ö@x", mail=UTF8) == "501"


@pytest.mark.parametrize("keyword", ["HOLDFOR=60", "HOLDUNTIL=2027-01-31T12:00:00Z"])
def test_one_wait_is_enough(keyword: str) -> None:
    assert read(keyword, mail={"HOLDFOR": "60", "HOLDUNTIL": "2027-01-31T12:00:00Z"}) == "501"


@pytest.mark.parametrize(
    ("text", "offered", "value"),
    [
        ("BY=60;R", "60", DeliverBy(60, "R")),
        ("BY=59;R", "60", "555"),
        ("BY=59;N", "60", DeliverBy(59, "N")),
        ("BY=59;R", "60,other", "555"),
        ("BY=59;R", "soon", DeliverBy(59, "R")),
        ("HOLDFOR=60", "60 2027-01-31T12:00:00Z", Hold(seconds=60)),
        ("HOLDFOR=61", "60 2027-01-31T12:00:00Z", "554"),
        ("HOLDFOR=61", "", Hold(seconds=61)),
        ("HOLDUNTIL=2027-01-31T12:00:00Z", "60 2027-01-31T12:00:00Z", Hold(until=NOON)),
        ("HOLDUNTIL=2027-01-31T12:00:01Z", "60 2027-01-31T12:00:00Z", "554"),
        ("HOLDUNTIL=2027-01-31T13:00:00+01:00", "60 2027-01-31T12:00:00Z", Hold(until=NOON)),
    ],
)
def test_limits_that_were_announced_hold(text: str, offered: str, value: Any) -> None:
    assert read(text, offered) == value


@pytest.mark.parametrize("keyword", [*table.MAIL, *table.RCPT])
def test_each_reply_names_the_parameter(keyword: str) -> None:
    known = table.MAIL.get(keyword) or table.RCPT[keyword]
    reply = known.read(Given(keyword, "=", "", {}))
    assert isinstance(reply, StandardReply)
    assert reply.text.startswith(f"Error: {keyword} takes ")
    assert (reply.code, reply.status) == ("501", "5.5.4")
