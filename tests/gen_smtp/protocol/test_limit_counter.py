"""What closes a connection: each limit below it, at it and behind it, whatever the octets were cut into."""

import math
from typing import Any

import pytest

from gen_smtp.protocol.protocol import Protocol, ProtocolConfig
from gen_smtp.protocol.questions import (
    CLOSED,
    NEED_DATA,
    AtLimit,
    Authenticate,
    Disconnected,
    Hello,
    Mail,
    MailParameter,
    MessageComplete,
    OutOfOrder,
    Rcpt,
    RcptParameter,
    Refused,
    UnknownCommand,
    Verify,
)
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail, PerRecipient, Silence, WholeReply
from tests.gen_smtp.protocol.client import (
    EHLO,
    ENTER_MAIL,
    MAIL,
    RCPT,
    TO_DATA,
    TO_MAIL,
    TO_RCPT,
    Answer,
    Client,
    accept_all,
    announcing,
    answering,
    check,
)

HOST = "mx.example"
TOO_MANY_ERRORS = b"421 Error: too many errors\r\n"
TOO_MUCH_JUNK = b"421 Error: too many commands without a message\r\n"
TOO_MANY_FAILURES = b"421 Error: too many authentication failures\r\n"
TOO_MANY_MESSAGES = b"421 Error: too many messages in one session\r\n"
OK = b"250 Ok\r\n"
UNKNOWN = b"500 Error: command not recognized : 'FOO'\r\n"
A_MESSAGE = MAIL + RCPT + b"DATA\r\nhi\r\n.\r\n"
ITS_REPLIES = b"250 sender Ok\r\n250 recipient Ok\r\n" + ENTER_MAIL + OK
LHLO = b"LHLO client\r\n"


def config(**limits: Any) -> ProtocolConfig:
    """A configuration without any limit but these, and AUTH in clear."""
    names = ("max_errors", "max_junk_commands", "max_auth_failures", "max_messages")
    return ProtocolConfig(HOST, **{**dict.fromkeys(names, math.inf), "allow_insecure_auth": True, **limits})


def ends(client: Client) -> list[Any]:
    """The limits that were reached; none or one."""
    return [step.limit for step in client.of_kind(AtLimit)]


# --- Errors --------------------------------------------------------------------------------------


def test_below_the_limit_of_errors_the_session_goes_on() -> None:
    client = check(b"foo\r\n" * 2, UNKNOWN * 2, config(max_errors=3))
    assert ends(client) == []


def test_at_the_limit_of_errors_421_follows_the_reply_and_nothing_behind_it_is_run() -> None:
    limited = config(max_errors=3)
    client = check(b"foo\r\n" * 3, UNKNOWN * 3 + TOO_MANY_ERRORS, limited, closes=True)
    assert client.steps[-2:] == [
        Refused("FOO", "421 Error: too many errors"),
        AtLimit("errors"),
    ]
    check(b"foo\r\n" * 3 + MAIL + b"QUIT\r\n", UNKNOWN * 3 + TOO_MANY_ERRORS, limited, closes=True)


def test_good_commands_between_them_keep_their_place_and_forgive_nothing() -> None:
    check(
        b"foo\r\n" + MAIL + b"foo\r\n" + RCPT,
        UNKNOWN + b"250 sender Ok\r\n" + UNKNOWN + TOO_MANY_ERRORS,
        config(max_errors=2),
        closes=True,
    )


def test_a_message_that_is_taken_forgives_the_errors_before_it() -> None:
    client = check(
        b"foo\r\n" + A_MESSAGE + b"foo\r\nfoo\r\n",
        UNKNOWN + ITS_REPLIES + UNKNOWN * 2 + TOO_MANY_ERRORS,
        config(max_errors=2),
        closes=True,
    )
    assert ends(client) == ["errors"]


def test_without_a_limit_errors_may_go_on_for_ever() -> None:
    client = Client(config(), said=EHLO).sends(b"foo\r\n" * 1000)
    assert client.end is NEED_DATA


@pytest.mark.parametrize(
    ("said", "line", "answer"),
    [
        (b"", MAIL, accept_all),
        (EHLO, b"\r\n", accept_all),
        (EHLO, b"\xff\r\n", accept_all),
        (EHLO, b"MAIL FROM:<\0@x>\r\n", accept_all),
        (EHLO, b"x" * 3000 + b"\r\n", accept_all),
        (EHLO, b"MAIL FROM:<\r\n", accept_all),
        (EHLO, b"MAIL FROM:<a@b> SIZE=99999999\r\n", accept_all),
        (EHLO, b"DATA x\r\n", accept_all),
        (EHLO, b"STARTTLS\r\n", accept_all),
        (EHLO, b"VRFY\r\n", accept_all),
        (EHLO, b"EHLO\r\n", accept_all),
        (EHLO, b"EHLO again\r\n", answering(Decline("550 no"), Hello)),
        (EHLO, MAIL, answering(Decline("550 no"), Mail)),
        (TO_MAIL, RCPT, answering(Decline(), Rcpt)),
        (TO_MAIL, b"RCPT TO:<a@b> X=Y\r\n", answering(Decline(), RcptParameter)),
        (TO_DATA, b".\r\n", answering(Decline("554 no"), MessageComplete)),
        (TO_DATA, b"a\nb\r\n.\r\n", accept_all),
        (EHLO, b"VRFY a\r\n", answering(Decline("550 no"), Verify)),
        (EHLO, b"FOO\r\n", answering(Decline("502 no"), UnknownCommand)),
    ],
)
def test_whatever_is_answered_with_5yz_is_an_error(said: bytes, line: bytes, answer: Answer) -> None:
    client = Client(config(max_errors=1), said=said)
    client.answer = answer
    heard = client.sends(line).hears()
    assert heard[:1] == b"5"
    assert heard.endswith(TOO_MANY_ERRORS)
    assert client.end is CLOSED


def test_an_error_out_of_order_is_told_before_the_end() -> None:
    client = Client(config(max_errors=1)).sends(MAIL)
    assert client.steps == [
        Refused("MAIL", "503 Error: send HELO/EHLO first"),
        OutOfOrder("MAIL"),
        Refused("MAIL", "421 Error: too many errors"),
        AtLimit("errors"),
    ]


def test_a_message_refused_in_lmtp_is_one_error_whatever_the_number_of_recipients() -> None:
    refused = LHLO + MAIL + RCPT * 3 + b"DATA\r\na\nb\r\n.\r\n"
    replies = b"550 Bare newline detected: LF without CR in line 1\r\n" * 3
    for limit, end in ((2, b""), (1, TOO_MANY_ERRORS)):
        client = Client(config(lmtp=True, max_errors=limit)).sends(refused)
        assert client.hears().endswith(ENTER_MAIL + replies + end)
        assert (client.end is CLOSED) == bool(end)


@pytest.mark.parametrize(
    ("results", "errors"),
    [
        ([Decline("550 no"), Decline("550 no")], 1),
        ([Accept(), Decline("550 no")], 0),
        ([Decline("550 no"), Accept()], 0),
    ],
)
def test_a_message_that_one_recipient_takes_is_no_error(results: Any, errors: int) -> None:
    answer = answering(PerRecipient(results), MessageComplete)
    client = Client(config(lmtp=True, max_errors=1), answer, said=LHLO + MAIL + RCPT * 2 + b"DATA\r\n")
    client.sends(b".\r\n")
    assert client.hears().count(b"\r\n") == 2 + errors
    assert (client.end is CLOSED) == bool(errors)


def test_a_limit_reached_in_a_message_is_answered_behind_its_true_end() -> None:
    client = Client(config(max_errors=1), said=TO_DATA).sends(b"bare\nnewline\r\n", b"MAIL FROM:<evil@x>\r\n")
    assert client.hears() == b""
    client.sends(b".\r\nNOOP\r\n")
    assert client.hears() == b"550 Bare newline detected: LF without CR in line 1\r\n" + TOO_MANY_ERRORS
    assert client.end is CLOSED


@pytest.mark.parametrize(
    ("said", "line", "kind", "answer"),
    [
        (EHLO, MAIL, Mail, Drop("550 go away")),
        (EHLO, MAIL, Mail, Decline("550 go away", close=True)),
        (EHLO, b"FOO\r\n", UnknownCommand, WholeReply("550 go away", close=True)),
        (TO_DATA, b".\r\n", MessageComplete, Drop("550 go away")),
    ],
)
def test_a_callback_that_ends_the_session_itself_has_the_last_word(
    said: bytes, line: bytes, kind: Any, answer: Any
) -> None:
    client = Client(config(max_errors=1), answering(answer, kind), said=said).sends(line)
    assert client.hears() == b"550 go away\r\n"
    assert (client.end, ends(client)) == (CLOSED, [])


@pytest.mark.parametrize(
    ("line", "verdict", "reply"),
    [
        (b"EHLO again\r\n", Accept(close=True), b"250-mx.example"),
        (b"VRFY a@b\r\n", Accept("bye", close=True), b"250 bye\r\n"),
        (b"FOO\r\n", Accept(close=True), OK),
        (b"FOO\r\n", WholeReply("214 bye", close=True), b"214 bye\r\n"),
        (b"FOO\r\n", Silence(close=True), b""),
    ],
)
def test_so_has_one_that_ends_it_with_a_good_word(line: bytes, verdict: Any, reply: bytes) -> None:
    def answer(question: Any) -> Any:
        return Accept() if question.hostname == "client" else verdict

    hello = line.startswith(b"EHLO")
    client = Client(config(max_junk_commands=1), answer if hello else lambda question: verdict)
    client.sends(EHLO if hello else b"").hears()
    client.steps.clear()
    assert client.sends(line).hears().startswith(reply)
    assert client.end is CLOSED
    assert not client.of_kind(AtLimit)


def test_a_421_of_the_callbacks_has_the_last_word() -> None:
    answer = answering(Decline("421 go away"), Mail)
    client = Client(config(max_junk_commands=1), answer, said=EHLO).sends(MAIL)
    assert client.hears() == b"421 go away\r\n"
    assert (client.end, ends(client)) == (CLOSED, [])


def test_a_session_that_is_shut_down_ends_for_that_reason() -> None:
    client = Client(config(max_errors=1), said=TO_DATA).sends(b"bare\n")
    client.protocol.shut_down()
    client.sends(b"\r\n.\r\n")
    assert (
        client.hears()
        == b"550 Bare newline detected: LF without CR in line 1\r\n421 mx.example Service shutting down\r\n"
    )
    assert ends(client) == []


def test_with_status_codes_the_421_has_one() -> None:
    answer = announcing(("ENHANCEDSTATUSCODES", True))
    client = Client(config(max_errors=1), answer, said=EHLO).sends(b"STARTTLS\r\n")
    assert client.hears() == b"502 5.5.1 Error: STARTTLS not offered\r\n421 4.7.0 Error: too many errors\r\n"


def test_a_crash_is_answered_with_the_limit_in_sight_as_ever() -> None:
    protocol = Client(config(lmtp=True, max_junk_commands=1), said=LHLO + MAIL + RCPT * 2).protocol
    protocol.feed(b"DATA\r\n.\r\n")
    while not isinstance(protocol.next_step(), MessageComplete):
        pass
    protocol.fail()
    assert protocol.data_to_send() == ENTER_MAIL + b"451 Error: internal server error\r\n" * 2


# --- Commands that bring no message nearer -------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reply", "answer"),
    [
        (b"NOOP\r\n", OK, accept_all),
        (b"RSET\r\n", OK, accept_all),
        (b"VRFY a@b\r\n", b"250 a@b\r\n", accept_all),
        (b"VRFY a@b\r\n", b"252 no\r\n", answering(Accept("252 no"), Verify)),
        (b"VRFY a@b\r\n", b"252 no\r\n", answering(Decline("252 no"), Verify)),
        (b"EXPN list\r\n", b"250 a\r\n", answering(WholeReply("250 a"), UnknownCommand)),
        (b"HELP\r\n", b"214 no\r\n", answering(WholeReply("214 no"), UnknownCommand)),
        (b"FOO\r\n", b"250 Ok\r\n", answering(Accept(), UnknownCommand)),
        (b"FOO\r\n", b"", answering(Silence(), UnknownCommand)),
        (b"HELO again\r\n", b"250 mx.example\r\n", accept_all),
        (b"EHLO again\r\n", b"250 mx.example\r\n", announcing()),
        (MAIL, b"451 later\r\n", answering(Decline("451 later"), Mail)),
        (MAIL, b"451 Error: internal server error\r\n", answering(Fail(), Mail)),
    ],
)
def test_each_counts_and_at_the_limit_421_follows_its_reply(
    line: bytes, reply: bytes, answer: Answer
) -> None:
    check(
        line * 2 + b"QUIT\r\n", reply * 2 + b"221 Bye\r\n", config(max_junk_commands=3), answer, closes=True
    )
    client = check(line * 2, reply * 2 + TOO_MUCH_JUNK, config(max_junk_commands=2), answer, closes=True)
    assert ends(client) == ["junk_commands"]
    check(line * 2 + MAIL, reply * 2 + TOO_MUCH_JUNK, config(max_junk_commands=2), answer, closes=True)


def test_a_message_that_is_taken_forgives_them() -> None:
    check(
        b"NOOP\r\n" + A_MESSAGE + b"RSET\r\n" + A_MESSAGE + b"NOOP\r\nNOOP\r\n",
        (OK + ITS_REPLIES) * 2 + OK * 2 + TOO_MUCH_JUNK,
        config(max_junk_commands=2),
        closes=True,
    )


def test_a_message_that_is_put_off_is_one_of_them() -> None:
    answer = answering(Decline("451 later"), MessageComplete)
    client = Client(config(max_junk_commands=2), answer, said=EHLO + A_MESSAGE)
    assert client.end is NEED_DATA
    assert client.sends(A_MESSAGE).hears().endswith(b"451 later\r\n" + TOO_MUCH_JUNK)


def test_the_first_hello_is_none_nor_the_one_behind_starttls() -> None:
    limited = config(max_junk_commands=1, starttls_available=True)
    client = Client(limited, announcing(("STARTTLS", True)), said=EHLO + b"STARTTLS\r\n")
    client.protocol.tls_established()
    client.sends(EHLO)
    assert client.end is NEED_DATA
    client.sends(EHLO)
    assert ends(client) == ["junk_commands"]


def test_a_hello_that_fails_counts_once() -> None:
    answers = iter([Accept(), Accept(extensions=[("NOT A NAME", True)])])
    client = Client(config(max_junk_commands=2), lambda question: next(answers), said=EHLO).sends(EHLO)
    assert (client.hears(), client.end) == (b"451 Error: internal server error\r\n", NEED_DATA)


def test_starttls_forgives_nothing() -> None:
    limited = config(max_junk_commands=2, starttls_available=True)
    client = Client(limited, announcing(("STARTTLS", True)), said=EHLO + b"NOOP\r\nSTARTTLS\r\n")
    client.protocol.tls_established()
    assert client.sends(b"NOOP\r\n").hears() == OK + TOO_MUCH_JUNK


def test_a_client_that_makes_no_mistakes_has_no_tally() -> None:
    client = Client(ProtocolConfig(HOST, allow_insecure_auth=True), announcing(("AUTH", "PLAIN")), said=EHLO)
    client.sends(b"AUTH PLAIN AHUAcA==\r\n" + A_MESSAGE * 3)
    assert client.protocol.counter is None


# --- AUTH ----------------------------------------------------------------------------------------

AUTH_FAILED = b"535 Authentication failed.\r\n"
AUTH = b"AUTH PLAIN AHUAcA==\r\n"


def auth_client(verdict: Any, **limits: Any) -> Client:
    """A client of a server that offers AUTH, and refuses it so."""
    answer = answering(verdict, Authenticate, announcing(("AUTH", "PLAIN LOGIN")))
    return Client(config(**limits), answer, said=EHLO)


def test_at_the_limit_of_auth_failures_421_follows_the_last_535() -> None:
    client = auth_client(Decline(), max_auth_failures=3).sends(AUTH * 2)
    assert (client.hears(), client.end) == (AUTH_FAILED * 2, NEED_DATA)
    client.sends(AUTH + b"NOOP\r\n")
    assert client.hears() == AUTH_FAILED + TOO_MANY_FAILURES
    assert ends(client) == ["auth_failures"]


def test_a_message_that_is_taken_does_not_forgive_them() -> None:
    client = auth_client(Decline(), max_auth_failures=2).sends(AUTH + A_MESSAGE + AUTH)
    assert client.hears() == AUTH_FAILED + ITS_REPLIES + AUTH_FAILED + TOO_MANY_FAILURES


@pytest.mark.parametrize("line", [b"AUTH FOO\r\n", b"AUTH PLAIN =x\r\n", b"AUTH LOGIN\r\n*\r\n"])
def test_an_exchange_that_comes_to_nothing_is_a_failure_too(line: bytes) -> None:
    client = auth_client(Accept(), max_auth_failures=1).sends(line)
    assert client.hears().endswith(TOO_MANY_FAILURES)


def test_they_are_not_counted_as_errors_too() -> None:
    client = auth_client(Decline(), max_auth_failures=3, max_errors=1).sends(AUTH * 2)
    assert (client.hears(), client.end) == (AUTH_FAILED * 2, NEED_DATA)


def test_a_server_that_can_not_authenticate_now_makes_no_failure_of_it() -> None:
    client = auth_client(Decline("454 later"), max_auth_failures=1, max_errors=1, max_junk_commands=2)
    assert client.sends(AUTH).end is NEED_DATA
    assert client.sends(AUTH).hears() == b"454 later\r\n" * 2 + TOO_MUCH_JUNK


# --- Messages ------------------------------------------------------------------------------------


def test_another_mail_behind_the_last_message_gets_421() -> None:
    client = Client(config(max_messages=2), said=EHLO).sends(A_MESSAGE * 2 + b"NOOP\r\n")
    assert (client.hears(), client.end) == (ITS_REPLIES * 2 + OK, NEED_DATA)
    client.sends(MAIL + RCPT)
    assert client.hears() == TOO_MANY_MESSAGES
    assert ends(client) == ["messages"]
    assert (client.protocol.transaction, client.protocol.pending) == (None, None)


def test_after_the_last_message_a_client_may_say_quit() -> None:
    client = Client(config(max_messages=1), said=EHLO).sends(A_MESSAGE + b"QUIT\r\n")
    assert client.hears() == ITS_REPLIES + b"221 Bye\r\n"


def test_a_message_that_is_refused_does_not_count() -> None:
    client = Client(config(max_messages=1), said=EHLO)
    client.sends(MAIL + RCPT + b"DATA\r\nbare\n\r\n.\r\n" + A_MESSAGE)
    assert client.end is NEED_DATA
    assert client.sends(MAIL).end is CLOSED


# --- Recipients ----------------------------------------------------------------------------------

TOO_MANY = b"452 Error: too many recipients\r\n"


def test_recipients_too_many_count_for_nothing_up_to_as_many_again() -> None:
    limited = config(max_recipients=2, max_errors=1, max_junk_commands=2)
    client = Client(limited, said=TO_RCPT).sends(RCPT + RCPT * 2 + RCPT)
    assert (client.hears(), client.end) == (b"250 recipient Ok\r\n" + TOO_MANY * 3, NEED_DATA)
    client.sends(RCPT * 2)
    assert client.hears() == TOO_MANY + TOO_MUCH_JUNK
    assert ends(client) == ["junk_commands"]


def test_a_pipelined_message_with_too_many_recipients_goes_to_those_that_were_taken() -> None:
    limited = config(max_recipients=2, max_errors=1, max_junk_commands=1)
    client = Client(limited, said=EHLO)
    for _ in range(3):
        client.sends(MAIL + RCPT * 4 + b"DATA\r\nhi\r\n.\r\n")
        assert client.hears() == (
            b"250 sender Ok\r\n" + b"250 recipient Ok\r\n" * 2 + TOO_MANY * 2 + ENTER_MAIL + OK
        )
    assert len(client.of_kind(MessageComplete)) == 3


# --- Sizes ---------------------------------------------------------------------------------------


def test_a_line_that_does_not_end_is_a_limit_too() -> None:
    client = Client(config(max_command_line=600, max_discarded_line=600), said=EHLO).sends(b"x" * 601)
    assert client.hears() == b"421 Error: line too long\r\n"
    assert client.steps == [Refused("", "421 Error: line too long"), AtLimit("discarded_line")]


def test_a_refused_message_that_does_not_end_is_a_limit_too() -> None:
    client = Client(config(max_message_size=10), said=TO_DATA).sends(b"x" * 51)
    assert client.hears() == b"552 Message too large\r\n"
    assert ends(client) == ["message_size"]
    assert client.protocol.in_message is False


TEXT_TOO_LONG = b"500 Error: text line too long\r\n"


@pytest.mark.parametrize(("octets", "reply"), [(997, OK), (998, OK), (999, TEXT_TOO_LONG)])
def test_a_text_line_may_be_as_long_as_the_limit_with_its_crlf(octets: int, reply: bytes) -> None:
    body = b"a: b\r\n\r\n" + b"x" * octets + b"\r\nend\r\n.\r\n"
    client = Client(config(max_text_line=1000), said=TO_DATA).sends(body + b"NOOP\r\n")
    assert client.hears() == reply + OK


def test_a_text_line_too_long_is_refused_for_every_recipient_in_lmtp() -> None:
    said = LHLO + MAIL + RCPT * 3 + b"DATA\r\n"
    client = Client(config(lmtp=True, max_text_line=1000), said=said).sends(b"x" * 2000 + b"\r\n.\r\n")
    assert client.hears() == TEXT_TOO_LONG * 3


# --- Early talkers -------------------------------------------------------------------------------

EARLY = b"554 Error: you must wait for the greeting\r\n"


def test_a_client_that_talks_before_the_greeting_is_refused() -> None:
    protocol = Protocol(ProtocolConfig(HOST, refuse_early_talkers=True))
    protocol.feed(EHLO)
    assert protocol.next_step() == Refused("", "554 Error: you must wait for the greeting")
    assert protocol.next_step() == AtLimit("refuse_early_talkers")
    assert protocol.next_step() is CLOSED
    protocol.greet("too late")
    assert protocol.data_to_send() == EARLY


def test_one_octet_is_enough_and_nothing_greets_its_client() -> None:
    protocol = Protocol(ProtocolConfig(HOST, refuse_early_talkers=True))
    protocol.hear(b"\r")
    protocol.greet("hi")
    assert (protocol.data_to_send(), protocol.closing) == (EARLY, True)


def test_a_client_that_waits_is_greeted_and_may_talk_then() -> None:
    client = Client(ProtocolConfig(HOST, refuse_early_talkers=True))
    assert client.sends(b"NOOP\r\n").hears() == OK


def test_a_client_that_hangs_up_before_the_greeting_has_not_talked() -> None:
    protocol = Protocol(ProtocolConfig(HOST, refuse_early_talkers=True))
    protocol.receive_eof()
    assert protocol.next_step() == Disconnected(in_message=False)


def test_what_comes_in_clear_behind_starttls_is_no_early_talk() -> None:
    limited = ProtocolConfig(HOST, refuse_early_talkers=True, starttls_available=True)
    client = Client(limited, announcing(("STARTTLS", True)), said=EHLO)
    client.sends(b"STARTTLS\r\nNOOP\r\n", b"NOOP\r\n")
    assert client.hears() == b"220 OK\r\n"
    client.protocol.tls_established()
    assert client.sends(EHLO).end is NEED_DATA


# --- What was sent ahead -------------------------------------------------------------------------

NEED_MAIL = b"503 Error: need MAIL command\r\n"
NEED_RCPT = b"503 Error: need RCPT command\r\n"
LATER = Decline("451 later")
REQUIRES_TLS = b"530 Must issue a STARTTLS command first\r\n"
REQUIRES_AUTH = b"530 Authentication required\r\n"


@pytest.mark.parametrize(
    ("mail", "reply", "behind", "answer", "settings"),
    [
        (MAIL, b"451 later\r\n", NEED_MAIL, answering(LATER, Mail), {"max_junk_commands": 3}),
        (MAIL, b"550 no\r\n", NEED_MAIL, answering(Decline("550 no"), Mail), {}),
        (b"MAIL FROM:<\r\n", b"501 Bad sender address syntax\r\n", NEED_MAIL, accept_all, {}),
        (
            b"MAIL FROM:<a@b> X=1\r\n",
            b"555 no\r\n",
            NEED_MAIL,
            answering(Decline("555 no"), MailParameter),
            {},
        ),
        (MAIL, REQUIRES_TLS, REQUIRES_TLS, accept_all, {"require_tls": True}),
        (MAIL, REQUIRES_AUTH, REQUIRES_AUTH, accept_all, {"require_auth": True}),
    ],
)
@pytest.mark.parametrize("lmtp", [False, True])
def test_what_follows_a_refused_mail_in_one_pipeline_counts_nothing(
    mail: bytes, reply: bytes, behind: bytes, answer: Answer, settings: Any, lmtp: bool
) -> None:
    limited = config(lmtp=lmtp, max_errors=2, max_recipients=50, **settings)
    hello = LHLO if lmtp else EHLO
    sent, heard = mail + RCPT * 50 + b"DATA\r\n", reply + behind * 51
    client = check(sent, heard, limited, answer, said=hello)
    assert ends(client) == []
    at_limit = Client(limited, answer, said=hello).sends(sent * 3)
    if reply[:1] == b"4":
        assert at_limit.hears() == heard * 2 + reply + TOO_MUCH_JUNK
    else:
        assert at_limit.hears() == heard + reply + TOO_MANY_ERRORS


def test_before_the_hello_it_is_the_same() -> None:
    client = Client(config(max_errors=2)).sends(MAIL + RCPT * 30 + b"DATA\r\n" + EHLO + A_MESSAGE)
    assert client.hears().endswith(ITS_REPLIES)


def test_the_next_mail_of_the_pipeline_is_served() -> None:
    verdicts = iter([LATER, Accept()])

    def answer(question: Any) -> Any:
        return next(verdicts) if isinstance(question, Mail) else Accept()

    sent = MAIL + RCPT * 30 + b"DATA\r\n" + A_MESSAGE
    client = Client(config(max_errors=1, max_junk_commands=2), answer, said=EHLO).sends(sent)
    assert client.hears() == b"451 later\r\n" + NEED_MAIL * 31 + ITS_REPLIES


def test_more_recipients_than_a_message_may_have_are_errors() -> None:
    limited = config(max_errors=2, max_recipients=3)
    answer = answering(LATER, Mail)
    check(MAIL + RCPT * 4, b"451 later\r\n" + NEED_MAIL * 4, limited, answer)
    check(MAIL + RCPT * 5, b"451 later\r\n" + NEED_MAIL * 5 + TOO_MANY_ERRORS, limited, answer, closes=True)


@pytest.mark.parametrize(
    ("between", "reply"),
    [
        (b"DATA\r\n", NEED_MAIL),
        (b"NOOP\r\n", OK),
        (b"RSET\r\n", OK),
        (b"VRFY x@y\r\n", b"250 x@y\r\n"),
        (b"EHLO client\r\n", None),
        (b"XFOO\r\n", b"500 Error: command not recognized : 'XFOO'\r\n"),
    ],
)
@pytest.mark.parametrize("late", [RCPT, b"DATA\r\n"])
def test_the_pipeline_ends_with_data_and_with_anything_else(between: bytes, reply: Any, late: bytes) -> None:
    limit = 2 if between == b"XFOO\r\n" else 1
    client = Client(config(max_errors=limit), answering(LATER, Mail), said=EHLO).sends(MAIL + RCPT + between)
    heard = client.hears()
    assert reply is None or heard.endswith(NEED_MAIL + reply)
    assert client.end is NEED_DATA
    assert client.sends(late).hears() == NEED_MAIL + TOO_MANY_ERRORS


@pytest.mark.parametrize(
    ("verdict", "reply"), [(LATER, b"451 later\r\n"), (Decline("550 no"), b"550 no\r\n")]
)
def test_data_behind_recipients_that_were_all_refused_counts_nothing(verdict: Any, reply: bytes) -> None:
    limited = config(max_errors=5, max_junk_commands=5)
    answer = answering(verdict, Rcpt)
    sent, heard = MAIL + RCPT * 3 + b"DATA\r\n", b"250 sender Ok\r\n" + reply * 3 + NEED_RCPT
    client = check(sent, heard, limited, answer)
    assert client.of_kind(OutOfOrder) == [OutOfOrder("DATA")]
    client.sends(b"DATA\r\n")
    assert client.hears() == NEED_RCPT
    again = client.sends(b"DATA\r\n" * 5).hears()
    assert again.endswith(TOO_MANY_ERRORS)


def test_data_behind_a_recipient_without_room_counts_nothing() -> None:
    limited = config(max_errors=1, take_octets=lambda octets: False)
    answer = announcing(("SMTPUTF8", True))
    sent = b"MAIL FROM:<a@b> SMTPUTF8\r\n" + "RCPT TO:<\u00fc@x>\r\n".encode() + b"DATA\r\n"
    no_storage = b"452 Insufficient system storage\r\n"
    check(sent, b"250 sender Ok\r\n" + no_storage + NEED_RCPT, limited, answer)


def test_the_callback_and_the_log_hear_of_them_all_the_same() -> None:
    client = Client(config(max_errors=1), answering(LATER, Mail), said=EHLO).sends(MAIL + RCPT + b"DATA\r\n")
    assert client.of_kind(OutOfOrder, Refused) == [
        Refused("MAIL", "451 later"),
        Refused("RCPT", "503 Error: need MAIL command"),
        OutOfOrder("RCPT"),
        Refused("DATA", "503 Error: need MAIL command"),
        OutOfOrder("DATA"),
    ]


def test_an_accepted_mail_excuses_no_unknown_recipient() -> None:
    verdicts = iter([LATER, Accept()])

    def answer(question: Any) -> Any:
        if isinstance(question, Mail):
            return next(verdicts)
        return Decline("550 no") if isinstance(question, Rcpt) else Accept()

    client = Client(config(max_errors=2), answer, said=EHLO).sends(MAIL + MAIL + RCPT * 2)
    assert client.hears() == b"451 later\r\n250 sender Ok\r\n" + b"550 no\r\n" * 2 + TOO_MANY_ERRORS
