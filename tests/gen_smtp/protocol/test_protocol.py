import math
import subprocess
import sys
from typing import Any

import pytest

from gen_smtp.protocol.protocol import MAX_UNSENT, LocalProtocolError, Protocol, ProtocolConfig
from gen_smtp.protocol.questions import (
    CLOSED,
    NEED_DATA,
    PAUSED,
    SEND,
    Disconnected,
    Hello,
    Mail,
    MailParameter,
    MessageChunk,
    MessageComplete,
    OutOfOrder,
    Quit,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    UnknownCommand,
)
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import HTTP_TAIL
from gen_smtp.protocol.verdicts import Accept, Decline, Fail, PerRecipient, Silence, WholeReply
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    MAIL,
    RCPT,
    TO_DATA,
    TO_MAIL,
    TO_RCPT,
    Client,
    accept_all,
    announcing,
    answering,
    check,
)

TLS_CONFIG = ProtocolConfig("mx.example", starttls_available=True)
GOODBYE = b"421 mx.example Service shutting down\r\n"
FAILED = b"451 Error: internal server error\r\n"


def greeted(config: ProtocolConfig = CONFIG, said: bytes = b"") -> Protocol:
    """A protocol whose questions up to here were accepted."""
    return Client(config, said=said).protocol


# --- The start -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("banner", "greeting"),
    [
        ("h ESMTP x", b"220 h ESMTP x\r\n"),
        (("one", "two"), b"220-one\r\n220 two\r\n"),
        ("a\r\nb", b"220 a??b\r\n"),
    ],
)
def test_the_greeting(banner: Any, greeting: bytes) -> None:
    protocol = Protocol(CONFIG)
    assert protocol.next_step() is PAUSED
    protocol.greet(banner)
    assert protocol.data_to_send() == greeting
    assert protocol.next_step() is NEED_DATA


def test_commands_sent_ahead_of_the_greeting_wait_for_it() -> None:
    protocol = Protocol(CONFIG)
    protocol.feed(b"NOOP\r\n")
    assert protocol.next_step() is PAUSED
    protocol.greet("hi")
    assert protocol.next_step() is NEED_DATA
    assert protocol.data_to_send() == b"220 hi\r\n250 Ok\r\n"


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("421 too busy", b"421 too busy\r\n"),
        (("554 a", "b"), b"554-a\r\n554 b\r\n"),
        ("go away\0", b"go away?\r\n"),
    ],
)
def test_a_refusal_is_sent_as_it_is_and_closes(message: Any, sent: bytes) -> None:
    protocol = Protocol(CONFIG)
    protocol.refuse(message)
    protocol.feed(EHLO)
    assert (protocol.data_to_send(), protocol.closing, protocol.next_step()) == (sent, True, CLOSED)


def test_a_client_is_greeted_or_refused_once() -> None:
    for call in (Protocol.greet, Protocol.refuse):
        protocol = greeted()
        with pytest.raises(LocalProtocolError):
            call(protocol, "again")


def test_a_client_that_leaves_before_the_greeting() -> None:
    protocol = Protocol(CONFIG)
    protocol.receive_eof()
    assert protocol.next_step() == Disconnected(in_message=False)
    assert protocol.next_step() is CLOSED


# --- Pausing -------------------------------------------------------------------------------------


def test_nothing_runs_before_the_verdict() -> None:
    protocol = greeted()
    protocol.feed(TO_DATA + b"x\r\n.\r\nQUIT\r\n")
    for expected in (Hello, Mail, Rcpt, MessageComplete):
        step = protocol.next_step()
        while not isinstance(step, expected):
            step = protocol.next_step()
        queued = protocol.data_to_send()
        assert protocol.next_step() is protocol.next_step() is PAUSED
        assert protocol.data_to_send() == b""
        assert b"221" not in queued
        protocol.respond(Accept())
    assert protocol.next_step() == Quit()
    assert protocol.next_step() is CLOSED


def test_a_rejection_counts_for_the_pipelined_commands_behind_it() -> None:
    client = Client(answer=lambda q: Decline("550 no") if isinstance(q, Mail) else accept_all(q), said=EHLO)
    assert client.sends(MAIL + RCPT + b"DATA\r\nRSET\r\n").hears() == (
        b"550 no\r\n503 Error: need MAIL command\r\n503 Error: need MAIL command\r\n250 Ok\r\n"
    )


def test_a_verdict_nobody_waits_for_is_the_callers_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        greeted().respond(Accept())
    with pytest.raises(LocalProtocolError):
        greeted(said=TO_MAIL).tls_established()


@pytest.mark.parametrize(
    ("config", "said", "line", "verdict"),
    [
        (CONFIG, EHLO, MAIL, WholeReply("250 x")),
        (CONFIG, EHLO, MAIL, Silence()),
        (CONFIG, EHLO, MAIL, PerRecipient([])),
        (CONFIG, TO_DATA, b".\r\n", PerRecipient([])),
        (LMTP, b"LHLO x\r\n", b"HELP\r\n", PerRecipient([])),
    ],
)
def test_a_verdict_that_does_not_fit_changes_nothing(
    config: ProtocolConfig, said: bytes, line: bytes, verdict: Any
) -> None:
    protocol = greeted(config, said)
    protocol.feed(line)
    while protocol.next_step() is not PAUSED:
        pass
    with pytest.raises(LocalProtocolError):
        protocol.respond(verdict)
    assert protocol.next_step() is PAUSED
    protocol.respond(Fail())
    assert protocol.data_to_send() == FAILED


# --- STARTTLS ------------------------------------------------------------------------------------


def starttls_client(said: bytes = EHLO) -> Client:
    answer = announcing(("STARTTLS", True), ("AUTH", "PLAIN"), ("ENHANCEDSTATUSCODES", True))
    return Client(TLS_CONFIG, answer, said=said)


def test_starttls_drops_what_was_sent_in_clear_and_forgets_the_client() -> None:
    client = starttls_client(TO_MAIL.replace(b"\r\nMAIL", b"\r\nRSET\r\nMAIL"))
    client.sends(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@x>\r\n", b"EHLO evil\r\n")
    assert client.hears() == b"220 2.0.0 OK\r\n"
    assert client.end is PAUSED
    assert client.of_kind(StartTls) == [StartTls()]
    protocol = client.protocol
    before = protocol.tls
    protocol.tls_established()
    assert (before, protocol.tls) == (False, True)
    assert (protocol.helo, protocol.user, protocol.transaction, dict(protocol.extensions)) == (
        None,
        None,
        None,
        {},
    )
    client.sends(MAIL + b"STARTTLS\r\n" + EHLO)
    assert client.hears() == (
        b"503 Error: send HELO/EHLO first\r\n500 TLS already negotiated\r\n"
        b"250-mx.example\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES\r\n"
    )
    assert OutOfOrder("STARTTLS") in client.steps


def test_starttls_forgets_the_user_and_the_limit() -> None:
    limits = iter([Accept(max_size=5), Accept(extensions=[("STARTTLS", True), ("AUTH", "PLAIN")])])
    config = ProtocolConfig("h", starttls_available=True, allow_insecure_auth=True)
    client = Client(
        config, lambda q: next(limits) if isinstance(q, Hello) else Accept(), said=b"HELO a\r\nEHLO b\r\n"
    )
    client.sends(b"AUTH PLAIN AHUAcA==\r\n")
    assert (client.protocol.user, client.protocol.max_size) == ("u", 5)
    client.sends(b"STARTTLS\r\n")
    client.protocol.tls_established()
    assert (client.protocol.user, client.protocol.max_size) == (None, 10485760)


@pytest.mark.parametrize("said", [b"", b"HELO x\r\n", EHLO])
def test_starttls_that_was_not_announced_is_not_offered(said: bytes) -> None:
    check(b"STARTTLS\r\n", b"502 Error: STARTTLS not offered\r\n", TLS_CONFIG, said=said)


def test_starttls_without_a_certificate_is_neither_announced_nor_taken() -> None:
    check(b"STARTTLS\r\n", b"502 Error: STARTTLS not offered\r\n", CONFIG, announcing(("STARTTLS", True)))


def test_inside_implicit_tls_starttls_is_500() -> None:
    answer = announcing(("STARTTLS", True))
    client = check(b"STARTTLS\r\n", b"500 TLS already negotiated\r\n", TLS_CONFIG, answer, tls=True)
    assert client.steps == [Refused("STARTTLS", "500 TLS already negotiated"), OutOfOrder("STARTTLS")]
    assert dict(client.protocol.extensions) == {}


def test_a_refused_starttls_leaves_everything_as_it_was() -> None:
    client = starttls_client()
    client.answer = lambda q: Decline("454 4.7.0 not now") if isinstance(q, StartTls) else accept_all(q)
    assert client.sends(b"STARTTLS\r\nNOOP\r\n").hears() == b"454 4.7.0 not now\r\n250 2.0.0 Ok\r\n"


# --- Ends ----------------------------------------------------------------------------------------


def test_shut_down_between_commands_says_so_at_once() -> None:
    for said in (b"", EHLO, TO_RCPT):
        protocol = greeted(said=said)
        protocol.feed(b"NO")
        assert protocol.shut_down() is True
        assert (protocol.data_to_send(), protocol.closing, protocol.next_step()) == (GOODBYE, True, CLOSED)
        assert protocol.shut_down() is True
        assert protocol.data_to_send() == b""


def test_shut_down_in_a_message_lets_it_finish_and_runs_nothing_behind_it() -> None:
    client = Client(said=TO_DATA).sends(b"half\r\n")
    assert client.protocol.shut_down() is False
    assert client.hears() == b""
    client.sends(b"rest\r\n.\r\nNOOP\r\n")
    assert client.hears() == b"250 Ok\r\n" + GOODBYE
    assert client.end is CLOSED


def test_shut_down_in_a_refused_message_waits_for_its_end() -> None:
    client = Client(said=TO_DATA).sends(b"bare\n")
    assert client.protocol.shut_down() is False
    client.sends(b"rest\r\n.\r\nNOOP\r\n")
    assert client.hears() == b"550 Bare newline detected: LF without CR in line 1\r\n" + GOODBYE
    assert client.end is CLOSED


def test_shut_down_waits_for_the_verdict_on_a_whole_command() -> None:
    protocol = greeted(said=EHLO)
    protocol.feed(b"MAIL FROM:<a@b> X=1\r\nNOOP\r\n")
    assert protocol.next_step() == MailParameter("X=1")
    assert protocol.shut_down() is False
    protocol.respond(Accept())
    assert protocol.next_step() == Mail("a@b")
    protocol.respond(Accept())
    assert protocol.data_to_send() == b"250 sender Ok\r\n" + GOODBYE
    assert protocol.next_step() is CLOSED


def test_shut_down_during_the_handshake_waits_for_it() -> None:
    client = starttls_client().sends(b"STARTTLS\r\n")
    client.hears()
    assert client.protocol.shut_down() is False
    assert client.hears() == b""
    client.protocol.tls_established()
    assert (client.hears(), client.protocol.closing) == (GOODBYE, True)


def test_shut_down_may_say_another_reply() -> None:
    protocol = greeted(said=TO_DATA)
    assert protocol.shut_down(replies.TIMEOUT_SESSION) is False
    protocol.feed(b".\r\n")
    while protocol.next_step() is not PAUSED:
        pass
    protocol.respond(Accept())
    assert (protocol.data_to_send(), protocol.next_step()) == (b"250 Ok\r\n", NEED_DATA)
    protocol.say_goodbye()
    assert protocol.data_to_send() == b"421 Error: timeout exceeded for the whole session\r\n"
    assert protocol.next_step() is CLOSED


QUITS = [b"QUIT\r\n", b"quit\r\n", b"QUIT\n"]
OTHERS = [b"NOOP\r\n", b"MAIL FROM:<a@b>\r\n", b"\r\n", b"QUIT now\r\n", b"\xff\r\n", b"x" * 5000 + b"\r\n"]


@pytest.mark.parametrize("how", ["in the message", "at once behind it"])
@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("behind", [b"", b"NOOP\r\nQUIT\r\n"])
@pytest.mark.parametrize("line", QUITS + OTHERS)
def test_behind_a_message_that_was_taken_one_may_say_quit_and_nothing_else(
    line: bytes, behind: bytes, pipelined: bool, how: str
) -> None:
    client = Client(said=TO_DATA)
    if how == "in the message":
        assert client.protocol.shut_down() is False
    client.sends(b".\r\n" + (line + behind if pipelined and how == "in the message" else b""))
    if how != "in the message":
        assert client.protocol.shut_down(behind_message=True) is False
    if not pipelined or how != "in the message":
        assert client.hears() == b"250 Ok\r\n"
        assert client.protocol.leaving
        for at in range(len(line)):
            client.sends(line[at : at + 1])
        client.sends(behind)
    said = client.hears().removeprefix(b"250 Ok\r\n")
    assert said == (b"221 Bye\r\n" if line in QUITS else GOODBYE)
    assert client.end is CLOSED
    assert bool(client.of_kind(Quit)) is (line in QUITS)


def test_one_who_says_nothing_behind_its_last_message_hears_goodbye_or_hangs_up() -> None:
    client = Client(said=TO_DATA)
    client.protocol.shut_down()
    client.sends(b".\r\n").sends(b"QUI")
    assert client.hears() == b"250 Ok\r\n"
    assert client.protocol.shut_down(behind_message=True) is False
    client.protocol.receive_eof()
    assert client.protocol.next_step() == Disconnected(False)
    assert client.hears() == b""


def test_a_refused_message_is_no_reason_to_wait_for_quit() -> None:
    client = Client(answer=answering(Decline("452 full"), MessageComplete), said=TO_DATA)
    client.protocol.shut_down()
    assert client.sends(b".\r\nQUIT\r\n").hears() == b"452 full\r\n" + GOODBYE


def test_in_lmtp_all_have_their_replies_before_quit() -> None:
    verdict = PerRecipient([Accept("one"), Decline("452 full")])
    said = b"LHLO x\r\n" + MAIL + RCPT + RCPT + b"DATA\r\n"
    client = Client(LMTP, answering(verdict, MessageComplete), said=said)
    client.protocol.shut_down()
    assert client.sends(b".\r\nQUIT\r\n").hears() == b"250 one\r\n452 full\r\n221 Bye\r\n"


def test_shut_down_before_the_greeting_is_the_greeting() -> None:
    protocol = Protocol(CONFIG)
    assert protocol.shut_down()
    protocol.greet("too late")
    assert protocol.data_to_send() == GOODBYE


@pytest.mark.parametrize("said", [b"", TO_DATA])
def test_time_out(said: bytes) -> None:
    protocol = greeted(said=said)
    protocol.time_out()
    assert (protocol.data_to_send(), protocol.next_step()) == (b"421 Error: timeout exceeded\r\n", CLOSED)
    protocol.time_out()
    assert protocol.data_to_send() == b""


def test_time_out_may_say_another_reply() -> None:
    protocol = greeted(said=TO_DATA)
    protocol.time_out(replies.TIMEOUT_MESSAGE)
    assert protocol.data_to_send() == b"421 Error: timeout exceeded for the whole message\r\n"


@pytest.mark.parametrize(
    "end", [Protocol.time_out, Protocol.fail, lambda protocol: protocol.drop_with("421 x")]
)
def test_nothing_is_said_in_clear_during_a_handshake(end: Any) -> None:
    client = starttls_client().sends(b"STARTTLS\r\n")
    client.hears()
    end(client.protocol)
    assert (client.hears(), client.protocol.closing) == (b"", True)


@pytest.mark.parametrize(
    ("config", "said", "line", "sent"),
    [
        (CONFIG, b"", EHLO, FAILED),
        (CONFIG, EHLO, MAIL, FAILED),
        (CONFIG, EHLO, b"HELP\r\n", FAILED),
        (CONFIG, TO_DATA, b".\r\n", FAILED),
        (LMTP, b"LHLO x\r\n" + MAIL + RCPT + RCPT + b"DATA\r\n", b".\r\n", FAILED * 2),
        (CONFIG, EHLO, b"RSET\r\n", b"250 Ok\r\n421 Error: internal server error\r\n"),
        (CONFIG, TO_DATA, b"chunk\r\nand more", b"421 Error: internal server error\r\n"),
    ],
)
def test_fail_answers_what_was_running_and_closes(
    config: ProtocolConfig, said: bytes, line: bytes, sent: bytes
) -> None:
    protocol = greeted(config, said)
    protocol.feed(line)
    protocol.next_step()
    protocol.fail()
    assert protocol.data_to_send() == sent
    assert protocol.closing
    with pytest.raises(LocalProtocolError):
        protocol.respond(Accept())


def test_drop_with_sends_the_message_as_it_is() -> None:
    protocol = greeted(said=TO_MAIL)
    protocol.drop_with(["421 kicked", "by the\noperator"])
    assert protocol.data_to_send() == b"421-kicked\r\n421 by the?operator\r\n"
    assert protocol.next_step() is CLOSED


def test_a_question_that_was_not_handed_out_is_dropped_when_the_connection_closes() -> None:
    protocol = greeted(said=EHLO)
    protocol.feed(b"MAIL FROM:<a@b> X=1\r\n")
    assert protocol.next_step() == MailParameter("X=1")
    protocol.respond(Accept())
    protocol.time_out()
    assert protocol.next_step() is CLOSED


def test_complete_commands_run_before_the_hang_up_is_told() -> None:
    client = Client()
    client.protocol.feed(EHLO + MAIL + b"RCPT TO:<half")
    client.protocol.receive_eof()
    client.run()
    assert [type(step) for step in client.steps] == [Hello, Mail, Disconnected]
    assert client.end is CLOSED


def test_after_quit_a_hang_up_is_no_news() -> None:
    client = Client()
    client.protocol.feed(b"QUIT\r\n")
    client.protocol.receive_eof()
    client.run()
    assert client.steps == [Quit()]


def test_a_hang_up_during_the_handshake() -> None:
    client = starttls_client().sends(b"STARTTLS\r\n")
    client.protocol.receive_eof()
    client.run()
    assert client.steps[-1] == Disconnected(in_message=False)


# --- Cost ----------------------------------------------------------------------------------------


IDLE_ALLOWED = ProtocolConfig("h", max_junk_commands=math.inf)


AT_MOST = MAX_UNSENT // len(b"250 Ok\r\n")


@pytest.mark.parametrize("count", [AT_MOST - 1, AT_MOST, AT_MOST + 1, 10 * AT_MOST])
def test_replies_are_to_be_sent_before_there_are_many(count: int) -> None:
    protocol = greeted(IDLE_ALLOWED)
    protocol.feed(b"NOOP\r\n" * count)
    heard = b""
    while protocol.next_step() is SEND:
        replies = protocol.data_to_send()
        assert replies == b"250 Ok\r\n" * AT_MOST
        heard += replies
    assert protocol.next_step() is NEED_DATA
    assert heard + protocol.data_to_send() == b"250 Ok\r\n" * count


def test_a_driver_that_does_not_send_gets_the_same_replies_and_steps() -> None:
    client = Client(IDLE_ALLOWED, said=EHLO)
    client.sends((b"NOOP\r\n" * 100 + MAIL + b"RSET\r\n") * 5)
    assert client.hears() == (b"250 Ok\r\n" * 100 + b"250 sender Ok\r\n250 Ok\r\n") * 5
    assert [type(step) for step in client.steps] == [Mail, Reset] * 5


def test_input_without_a_newline_is_not_kept() -> None:
    protocol = greeted(ProtocolConfig("h", max_discarded_line=10**9))
    for _ in range(100):
        protocol.feed(b"x" * 65536)
        assert protocol.next_step() is NEED_DATA
    assert (protocol.received, protocol.offset) == (b"x" * HTTP_TAIL, 0)


def test_a_message_is_not_kept() -> None:
    client = Client(said=TO_DATA)
    for _ in range(20):
        client.sends(b"y" * 65534 + b"\r\n")
    assert (client.protocol.received, client.protocol.offset) == (b"", 0)
    assert sum(len(step.data) for step in client.steps if isinstance(step, MessageChunk)) == 20 * 65536 - 2


def test_an_idle_connection_has_no_dictionary() -> None:
    assert not hasattr(greeted(), "__dict__")


def test_thousands_of_pipelined_commands_are_answered_one_by_one() -> None:
    unlimited = ProtocolConfig("mx.example", max_junk_commands=math.inf)
    client = Client(unlimited, said=EHLO).sends(b"NOOP\r\n" * 4000 + b"foo\r\n")
    assert client.hears().count(b"250 Ok\r\n") == 4000
    assert client.steps[0] == UnknownCommand("FOO", "")


def test_the_core_imports_the_standard_library_alone() -> None:
    script = (
        "import sys, gen_smtp.protocol.protocol\n"
        "unwanted = {'gevent', 'pykka', 'actors', 'socket', 'ssl', 'logging'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
