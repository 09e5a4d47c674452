from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Mail, MailParameter, Rcpt, RcptParameter, Refused
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    MAIL,
    RCPT,
    TO_MAIL,
    TO_RCPT,
    Client,
    accept_all,
    announcing,
    answering,
    check,
)

SENDER_OK, RECIPIENT_OK = b"250 sender Ok\r\n", b"250 recipient Ok\r\n"
MAIL_SYNTAX = b"501 Syntax: MAIL FROM:<address>\r\n"
BAD_SENDER = b"501 Bad sender address syntax\r\n"
BAD_PARAMETER = b"501 Syntax error in parameters\r\n"
NEEDS_SMTPUTF8 = b"553 Error: this address needs the SMTPUTF8 parameter\r\n"


def refuse_unknown(question: Any) -> Any:
    return Decline() if isinstance(question, MailParameter | RcptParameter) else accept_all(question)


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", MAIL_SYNTAX),
        (b" <a@b>", MAIL_SYNTAX),
        (b" FROM", MAIL_SYNTAX),
        (b" FROM <a@b>", MAIL_SYNTAX),
        (b" TO:<a@b>", MAIL_SYNTAX),
        (b" FROM:", BAD_SENDER),
        (b" FROM:  ", BAD_SENDER),
        (b" FROM:<a@@b>", BAD_SENDER),
        (b" FROM:<a@b>SIZE=10", BAD_SENDER),
        (b" FROM:<a@b>>", BAD_SENDER),
        (b" FROM:<\\God@x>", BAD_SENDER),
        (b" FROM:<a@b>", SENDER_OK),
        (b" from:<a@b>", SENDER_OK),
        (b"  FROM:  <a@b>  ", SENDER_OK),
        (b" FROM:a@b", SENDER_OK),
        (b" FROM:<>", SENDER_OK),
        (b" FROM:<a@[127.0.0.1]>", SENDER_OK),
        (b" FROM:<a\x00@b>", b"501 Error: control characters are not allowed\r\n"),
        (b' FROM:<"a\x07"@b>', b"501 Error: control characters are not allowed\r\n"),
        (b' FROM:<"a\t"@b>', b"501 Error: control characters are not allowed\r\n"),
        (b' FROM:<"a\\\t"@b>\tSIZE=1', b"501 Error: control characters are not allowed\r\n"),
        (b' FROM:<"a@b>\tSIZE=1', b"501 Error: control characters are not allowed\r\n"),
        (b" FROM:<a\t@b>", BAD_SENDER),
        (b" FROM:<a@b\t>", BAD_SENDER),
        (b" FROM\t:<a@b>", MAIL_SYNTAX),
        (b" FROM:<a@b>\rSIZE=1", b"501 Error: control characters are not allowed\r\n"),
        (b" FROM:<a@b> \r SIZE=1", b"501 Error: control characters are not allowed\r\n"),
        (b" FROM:<a@b>\x0bSIZE=1", b"501 Error: control characters are not allowed\r\n"),
        (b" FROM:<a\xe4@b>", b"501 Error: text is not valid UTF-8\r\n"),
        # SIZE
        (b" FROM:<a@b> SIZE=10485760", SENDER_OK),
        (b" FROM:<a@b> size=0", SENDER_OK),
        (
            b" FROM:<a@b> SIZE=10485761",
            b"552 Estimated message length 10485761 exceeds limit of 10485760\r\n",
        ),
        (
            b" FROM:<a@b> SIZE=99999999999999999999",
            b"552 Estimated message length 99999999999999999999 exceeds limit of 10485760\r\n",
        ),
        (
            b" FROM:<a@b> SIZE=0099999999",
            b"552 Estimated message length 0099999999 exceeds limit of 10485760\r\n",
        ),
        (b" FROM:<a@b> SIZE=" + b"9" * 21, BAD_PARAMETER),
        (b" FROM:<a@b> SIZE=abc", BAD_PARAMETER),
        (b" FROM:<a@b> SIZE=", BAD_PARAMETER),
        (b" FROM:<a@b> SIZE", BAD_PARAMETER),
        (b" FROM:<a@b> SIZE=-1", BAD_PARAMETER),
        (b" FROM:<a@b> SIZE=1_0", BAD_PARAMETER),
        (" FROM:<a@b> SIZE=٣ SMTPUTF8".encode(), BAD_PARAMETER),
        (b" FROM:<a@b> SIZE=1 SIZE=1", BAD_PARAMETER),
        # BODY
        (b" FROM:<a@b> BODY=8BITMIME", SENDER_OK),
        (b" FROM:<a@b> body=7bit", SENDER_OK),
        (b" FROM:<a@b> BODY=BINARYMIME", BAD_PARAMETER),
        (b" FROM:<a@b> BODY", BAD_PARAMETER),
        # SMTPUTF8
        (b" FROM:<a@b> SMTPUTF8", SENDER_OK),
        (b" FROM:<a@b> SMTPUTF8=yes", BAD_PARAMETER),
        (" FROM:<ü@b> SMTPUTF8".encode(), SENDER_OK),
        (" FROM:<a@ü> SIZE=1 SMTPUTF8".encode(), SENDER_OK),
        (" FROM:<ü@b>".encode(), NEEDS_SMTPUTF8),
        (" FROM:<a@b> X=ü".encode(), BAD_PARAMETER),
        # the rest
        (b" FROM:<a@b> X-Foo", b"555 Unsupported option: X-Foo\r\n"),
        (
            b" FROM:<a@b> SIZE=1 X-Foo=bAr BODY=7BIT",
            b"555 Unsupported option: SIZE=1 X-Foo=bAr BODY=7BIT\r\n",
        ),
        (b" FROM:<a@b> AUTH=<>", b"555 Unsupported option: AUTH=<>\r\n"),
        (b" FROM:<a@b>  X-Foo\t SIZE=1\t", b"555 Unsupported option: X-Foo  SIZE=1\r\n"),
        (b" FROM:<a@b> =x", b"555 Unsupported option: =x\r\n"),
        (b" FROM:<a@b> X=" + b"y" * 100, b"555 Unsupported option: X=" + b"y" * 62 + b"\r\n"),
    ],
)
def test_mail(argument: bytes, reply: bytes) -> None:
    client = check(b"MAIL" + argument + b"\r\n", reply, answer=refuse_unknown)
    assert (client.protocol.transaction is not None) == (reply == SENDER_OK)
    assert bool(client.of_kind(Refused)) == (reply != SENDER_OK)


@pytest.mark.parametrize(
    ("parameter", "reply"),
    [
        (b"BODY=8BITMIME", b"555 Unsupported option BODY\r\n"),
        (b"SMTPUTF8", b"555 Unsupported option SMTPUTF8\r\n"),
        (b"SIZE=5", SENDER_OK),
        (b"AUTH=a+3Db", SENDER_OK),
        (b"AUTH=<>", SENDER_OK),
        (b"AUTH=a=b", BAD_PARAMETER),
        (b"AUTH", BAD_PARAMETER),
    ],
)
def test_the_announced_list_switches_the_parameters(parameter: bytes, reply: bytes) -> None:
    config = ProtocolConfig("mx.example", allow_insecure_auth=True)
    answer = announcing(("AUTH", "PLAIN"))
    check(b"MAIL FROM:<a@b> " + parameter + b"\r\n", reply, config, answer)


RCPT_SYNTAX = b"501 Syntax: RCPT TO:<address>\r\n"
BAD_RECIPIENT = b"501 Bad recipient address syntax\r\n"


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", RCPT_SYNTAX),
        (b" FROM:<a@b>", RCPT_SYNTAX),
        (b" TO:", BAD_RECIPIENT),
        (b" TO:<>", BAD_RECIPIENT),
        (b" TO:<a@b> >", b"555 Unsupported option: >\r\n"),
        (b" TO:<a b@c>", BAD_RECIPIENT),
        (b" to: <c@d>", RECIPIENT_OK),
        (b" TO:c@d", RECIPIENT_OK),
        (b" TO:<Postmaster>", RECIPIENT_OK),
        (b" TO:<@relay:c@d>", RECIPIENT_OK),
        (" TO:<ü@d>".encode(), NEEDS_SMTPUTF8),
        (b" TO:<c@d> NOTIFY=NEVER ORCPT=x", b"555 Unsupported option: NOTIFY=NEVER ORCPT=x\r\n"),
        (b" TO:<c@d> SIZE=1", b"555 Unsupported option: SIZE=1\r\n"),
        (b" TO:<c@d> A=1 A=2", BAD_PARAMETER),
    ],
)
def test_rcpt(argument: bytes, reply: bytes) -> None:
    client = check(b"RCPT" + argument + b"\r\n", reply, answer=refuse_unknown, said=TO_MAIL)
    assert client.protocol.transaction is not None
    assert bool(client.protocol.transaction.recipients) == (reply == RECIPIENT_OK)


def test_rcpt_takes_utf8_in_an_smtputf8_transaction() -> None:
    said = EHLO + b"MAIL FROM:<a@b> SMTPUTF8\r\n"
    client = check("RCPT TO:<ü@d> X=ö\r\n".encode(), RECIPIENT_OK, said=said)
    assert client.of_kind(Rcpt, RcptParameter) == [RcptParameter("X=ö"), Rcpt("ü@d")]


def test_unknown_parameters_are_asked_about_left_to_right_before_the_path() -> None:
    client = Client(said=EHLO)
    client.sends(b"MAIL FROM:<a@b> x-one=Two SIZE=5 X-Flag\r\nRCPT TO:<c@d> Notify=Never x\r\n")
    assert client.steps == [
        MailParameter("X-ONE=Two"),
        MailParameter("X-FLAG"),
        Mail("a@b"),
        RcptParameter("NOTIFY=Never"),
        RcptParameter("X"),
        Rcpt("c@d"),
    ]
    transaction = client.protocol.transaction
    assert transaction is not None
    assert transaction.mail_params == {"X-ONE": "Two", "SIZE": "5", "X-FLAG": True}
    assert (transaction.recipients, transaction.rcpt_params) == (["c@d"], [{"NOTIFY": "Never", "X": True}])


@pytest.mark.parametrize("parameters", [b"X=1 SIZE=abc", b"X=1 Y=2"])
def test_the_first_refused_parameter_ends_the_command(parameters: bytes) -> None:
    client = Client(answer=refuse_unknown, said=EHLO).sends(b"MAIL FROM:<a@b> " + parameters + b"\r\n")
    assert client.of_kind(MailParameter, Mail) == [MailParameter("X=1")]
    assert client.hears() == b"555 Unsupported option: " + parameters + b"\r\n"


def test_a_built_in_parameter_is_judged_in_its_turn() -> None:
    client = Client(said=EHLO).sends(b"MAIL FROM:<a@b> X=1 SIZE=abc Y=2\r\n")
    assert client.of_kind(MailParameter, Mail) == [MailParameter("X=1")]
    assert client.hears() == BAD_PARAMETER
    assert client.protocol.transaction is None


def test_a_transaction_is_there_while_its_parameters_are_asked_about() -> None:
    seen: list[Any] = []

    def answer(question: Any) -> Any:
        transaction = client.protocol.transaction
        assert transaction is not None
        if isinstance(question, MailParameter):
            transaction.data.tag = question.parameter
        elif isinstance(question, Mail | Rcpt):
            seen.append((transaction.sender, transaction.data.tag))
        return Accept()

    client = Client(said=EHLO)
    client.answer = answer
    client.sends(b"MAIL FROM:<a@b> X=1\r\n" + RCPT)
    assert seen == [("a@b", "X=1"), ("a@b", "X=1")]


def test_every_mail_has_its_own_data() -> None:
    client = Client(said=TO_MAIL)
    first = client.protocol.transaction
    assert first is not None
    first.data.x = 1
    client.sends(b"RSET\r\n" + MAIL)
    assert client.protocol.transaction is not None
    assert vars(client.protocol.transaction.data) == {}
    assert "a@b" in repr(client.protocol.transaction)


VERDICTS = [
    (Decline("552 go away"), b"552 go away\r\n", False),
    (Decline("450-later\r\n250 forged"), b"450 later??250 forged\r\n", False),
    (Decline(), b"550 Error: refused\r\n", False),
    (Decline("no code"), b"451 Error: internal server error\r\n", False),
    (Decline("421 bye"), b"421 bye\r\n", True),
    (Decline("550 x", close=True), b"550 x\r\n", True),
    (Fail(), b"451 Error: internal server error\r\n", False),
    (Drop("554 stopped"), b"554 stopped\r\n", True),
]


@pytest.mark.parametrize(("verdict", "reply", "closes"), VERDICTS)
def test_a_refused_mail_leaves_no_transaction(verdict: Any, reply: bytes, closes: bool) -> None:
    client = check(MAIL, reply, answer=answering(verdict, Mail), closes=closes)
    assert client.protocol.transaction is None
    assert client.of_kind(Refused) == [Refused("MAIL", reply.decode().rstrip())]


@pytest.mark.parametrize(("verdict", "reply", "closes"), VERDICTS)
def test_a_refused_rcpt_leaves_the_others(verdict: Any, reply: bytes, closes: bool) -> None:
    def answer(question: Any) -> Any:
        return verdict if question == Rcpt("bad@x") else accept_all(question)

    client = check(b"RCPT TO:<bad@x>\r\n", reply, answer=answer, said=TO_RCPT, closes=closes)
    assert client.protocol.transaction is not None
    assert client.protocol.transaction.recipients == ["c@d"]


@pytest.mark.parametrize("kind", [MailParameter, RcptParameter])
@pytest.mark.parametrize(("verdict", "reply", "closes"), [case for case in VERDICTS if case[0] != Decline()])
def test_a_refused_parameter_refuses_the_command(kind: Any, verdict: Any, reply: bytes, closes: bool) -> None:
    mail = kind is MailParameter
    line, said = (b"MAIL FROM:<a@b> X=1\r\n", EHLO) if mail else (b"RCPT TO:<c@d> X=1\r\n", TO_MAIL)
    check(line, reply, answer=answering(verdict, kind), said=said, closes=closes)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("fine", b"250 fine\r\n"),
        ("251 will forward", b"251 will forward\r\n"),
        (("a", "b"), b"250-a\r\n250 b\r\n"),
        (("251 a", "b"), b"251-a\r\n251 b\r\n"),
        ("", b"250 \r\n"),
        ((), b"250 \r\n"),
        ("550 is no success", b"250 550 is no success\r\n"),
    ],
)
def test_an_accepted_path_may_have_a_text_of_its_own(text: Any, reply: bytes) -> None:
    check(MAIL, reply, answer=answering(Accept(text), Mail))
    check(RCPT, reply, answer=answering(Accept(text), Rcpt), said=TO_MAIL)


def test_closing_with_a_parameter_waits_for_the_commands_reply() -> None:
    answer = answering(Accept(close=True), MailParameter)
    check(b"MAIL FROM:<a@b> X=1\r\n", SENDER_OK, answer=answer, closes=True)


def test_recipients_are_limited_before_the_callback_hears_of_them() -> None:
    client = Client(ProtocolConfig("mx.example", max_recipients=2), said=TO_RCPT)
    client.sends(RCPT * 3)
    assert client.hears() == RECIPIENT_OK + b"452 Error: too many recipients\r\n" * 2
    assert client.of_kind(Rcpt) == [Rcpt("c@d")]


def test_repeated_recipients_are_kept_in_order() -> None:
    client = Client(CONFIG, said=TO_MAIL).sends(RCPT + b"RCPT TO:<x@y>\r\n" + RCPT)
    assert client.protocol.transaction is not None
    assert client.protocol.transaction.recipients == ["c@d", "x@y", "c@d"]
