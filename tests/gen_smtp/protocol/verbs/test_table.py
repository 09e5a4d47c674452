from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import OutOfOrder, Quit, Refused, Required, Reset, UnknownCommand, Verify
from gen_smtp.protocol.verbs.table import VERBS
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail, Silence, WholeReply
from tests.gen_smtp.protocol.client import (
    CONFIG,
    EHLO,
    LMTP,
    MAIL,
    RCPT,
    TO_MAIL,
    TO_RCPT,
    Client,
    announcing,
    answering,
    check,
)

OK = b"250 Ok\r\n"
LHLO = b"LHLO client\r\n"
UTF8, CONTROL = (
    b"501 Error: text is not valid UTF-8\r\n",
    b"501 Error: control characters are not allowed\r\n",
)


@pytest.mark.parametrize("said", [b"", EHLO, TO_MAIL, TO_RCPT])
@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"NOOP\r\n", OK),
        (b"noop ignored text\r\n", OK),
        (b"NOOP\n", OK),
        (b"  NOOP  \r\r\n", OK),
        (b"RSET\r\n", OK),
        (b"rset ignored\r\n", OK),
        (b"\r\n", b"500 Error: bad syntax\r\n"),
        (b"\n", b"500 Error: bad syntax\r\n"),
        (b"    \r\n", b"500 Error: bad syntax\r\n"),
        (b" \t \r\n", b"500 Error: bad syntax\r\n"),
        (b"DATA x\r\n", b"501 Syntax: DATA\r\n"),
        (b"STARTTLS x\r\n", b"501 Syntax error (no parameters allowed)\r\n"),
        (b"STARTTLS\r\n", b"502 Error: STARTTLS not offered\r\n"),
        (b"foo\r\n", b"500 Error: command not recognized : 'FOO'\r\n"),
        (b"EXPN list\r\n", b"500 Error: command not recognized : 'EXPN'\r\n"),
        (b"f\x00o\x1b\x7f\r\n", b"500 Error: command not recognized : 'F?O??'\r\n"),
        (b"NO\rOP\r\n", b"500 Error: command not recognized : 'NO?OP'\r\n"),
        (b"NOOP\tx\r\n", OK),
        (b"\tNOOP \t\r\n", OK),
        (b"NO\tOP\r\n", b"500 Error: command not recognized : 'NO'\r\n"),
        (b"DATA\tx\r\n", b"501 Syntax: DATA\r\n"),
        (b"NOOP \x01\r\n", CONTROL),
        (b"NOOP a\rb\r\n", CONTROL),
        (b"RSET \x7f\r\n", CONTROL),
        (b"QUIT \x00\r\n", CONTROL),
        (b'XFOO "a\tb"\r\n', CONTROL),
        (b"XFOO a\tb\r\n", b"500 Error: command not recognized : 'XFOO'\r\n"),
        (b"VRFY\ta@b \t\r\n", b"250 a@b\r\n"),
        (b"XFOO a\rb\r\n", CONTROL),
        (b"f\x00o a\x1b[2J\r\n", CONTROL),
        ("XFOO a\u0085b\r\n".encode(), CONTROL),
        (b"NOOP \xff\r\n", UTF8),
        (b"\xff\xfe\r\n", UTF8),
        ("r\u017fet\r\n".encode(), b"500 Error: command not recognized : 'R?ET'\r\n"),
        (b"VRFY a@b\r\n", b"250 a@b\r\n"),
        (b"vrfy <a@b>\r\n", b"250 a@b\r\n"),
        (b"VRFY\r\n", b"501 Syntax: VRFY username/address\r\n"),
        (b"VRFY <>\r\n", b"501 Syntax: VRFY username/address\r\n"),
        (b"VRFY a@@b\r\n", b"501 Syntax: VRFY username/address\r\n"),
        (b"VRFY a@b more\r\n", b"501 Syntax: VRFY username/address\r\n"),
        ("VRFY ü@b\r\n".encode(), b"553 Error: this address needs the SMTPUTF8 parameter\r\n"),
    ],
)
def test_commands_that_are_answered_alike_in_every_state(line: bytes, reply: bytes, said: bytes) -> None:
    client = check(line, reply, said=said)
    refused = reply[:1] in b"45"
    assert bool(client.of_kind(Refused)) == refused
    assert not client.of_kind(OutOfOrder)


HELLO_FIRST, MAIL_FIRST = b"503 Error: send HELO/EHLO first\r\n", b"503 Error: need MAIL command\r\n"
LHLO_FIRST, RCPT_FIRST = b"503 Error: send LHLO first\r\n", b"503 Error: need RCPT command\r\n"
LHLO_TO_MAIL = LHLO + MAIL


@pytest.mark.parametrize(
    ("config", "said", "line", "reply", "notified"),
    [
        (CONFIG, b"", MAIL, HELLO_FIRST, True),
        (CONFIG, b"", b"MAIL nonsense\r\n", HELLO_FIRST, True),
        (CONFIG, b"", RCPT, MAIL_FIRST, True),
        (CONFIG, b"", b"DATA\r\n", HELLO_FIRST, True),
        (CONFIG, b"", b"AUTH PLAIN\r\n", b"503 Error: send EHLO first\r\n", True),
        (CONFIG, EHLO, RCPT, MAIL_FIRST, True),
        (CONFIG, EHLO, b"DATA\r\n", MAIL_FIRST, True),
        (CONFIG, TO_MAIL, b"DATA\r\n", RCPT_FIRST, True),
        (CONFIG, TO_MAIL, MAIL, b"503 Error: Nested MAIL command\r\n", False),
        (CONFIG, TO_RCPT, MAIL, b"503 Error: Nested MAIL command\r\n", False),
        (CONFIG, TO_RCPT + b"RSET\r\n", b"DATA\r\n", MAIL_FIRST, True),
        (CONFIG, b"RSET\r\n", MAIL, HELLO_FIRST, True),
        (LMTP, b"", MAIL, LHLO_FIRST, True),
        (LMTP, b"", RCPT, MAIL_FIRST, True),
        (LMTP, b"", b"DATA\r\n", LHLO_FIRST, True),
        (LMTP, b"", b"AUTH PLAIN\r\n", LHLO_FIRST, True),
        (LMTP, LHLO, b"DATA\r\n", MAIL_FIRST, True),
        (LMTP, LHLO_TO_MAIL, b"DATA\r\n", RCPT_FIRST, True),
    ],
)
def test_commands_out_of_sequence(
    config: ProtocolConfig, said: bytes, line: bytes, reply: bytes, notified: bool
) -> None:
    client = check(line, reply, config, said=said)
    verb = line.split()[0].decode()
    expected = [Refused(verb, reply.decode().rstrip()), *([OutOfOrder(verb)] if notified else [])]
    assert client.steps == expected


def test_rset_is_answered_before_the_callback_hears_of_it() -> None:
    client = Client(said=TO_RCPT)
    client.protocol.feed(b"RSET\r\n")
    assert client.protocol.next_step() == Reset()
    assert client.hears() == OK
    assert client.protocol.transaction is None
    assert client.protocol.helo == "client"


def test_quit_ends_everything() -> None:
    client = check(b"QUIT now\r\n", b"221 Bye\r\n", closes=True)
    assert client.steps == [Quit()]
    assert client.protocol.closing


def test_nothing_behind_quit_is_run() -> None:
    client = Client(said=EHLO).sends(b"QUIT\r\nMAIL FROM:<a@b>\r\n", b"NOOP\r\n")
    assert (client.hears(), client.steps) == (b"221 Bye\r\n", [Quit()])


# --- VRFY and unknown commands -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "reply"),
    [
        (Accept("User <a@b>"), b"250 User <a@b>\r\n"),
        (Accept("252 maybe"), b"252 maybe\r\n"),
        (Decline("252 VRFY disabled"), b"252 VRFY disabled\r\n"),
        (Decline("550 nobody"), b"550 nobody\r\n"),
        (Decline(), b"550 Error: refused\r\n"),
        (Fail(), b"451 Error: internal server error\r\n"),
    ],
)
def test_vrfy(verdict: Any, reply: bytes) -> None:
    client = check(b"VRFY a@b\r\n", reply, answer=answering(verdict, Verify))
    assert client.of_kind(Verify) == [Verify("a@b")]


def test_vrfy_takes_utf8_with_the_parameter_where_it_is_offered() -> None:
    line = "VRFY ü@b smtputf8\r\n".encode()
    assert check(line, b"250 ?@b\r\n").of_kind(Verify) == [Verify("ü@b")]
    check(line, b"501 Syntax: VRFY username/address\r\n", answer=announcing())


@pytest.mark.parametrize(
    ("verdict", "reply", "closes"),
    [
        (WholeReply("214 help yourself"), b"214 help yourself\r\n", False),
        (WholeReply(("214-one", "two")), b"214-one\r\n214 two\r\n", False),
        (WholeReply("500 what?"), b"500 what?\r\n", False),
        (WholeReply("421 enough"), b"421 enough\r\n", True),
        (WholeReply("no code"), b"451 Error: internal server error\r\n", False),
        (WholeReply("250 ok\r\n550 forged"), b"250 ok??550 forged\r\n", False),
        (WholeReply("250 bye", close=True), b"250 bye\r\n", True),
        (Silence(), b"", False),
        (Silence(close=True), b"", True),
        (Accept(), OK, False),
        (Accept("done"), b"250 done\r\n", False),
        (Decline(), b"500 Error: command not recognized : 'FOO'\r\n", False),
        (Decline("502 no"), b"502 no\r\n", False),
        (Fail(), b"451 Error: internal server error\r\n", False),
        (Drop("221 stop"), b"221 stop\r\n", True),
    ],
)
def test_unknown_commands(verdict: Any, reply: bytes, closes: bool) -> None:
    client = check(b"foo Bar  baz\r\n", reply, answer=answering(verdict, UnknownCommand), closes=closes)
    assert client.of_kind(UnknownCommand) == [UnknownCommand("FOO", "Bar  baz")]
    assert bool(client.of_kind(Refused)) == (reply[:1] in (b"4", b"5"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("x" * 500, "..."),
        ("FOO", "FOO"),
        ("foo bar", "FOO"),
        ("Verb", "VERB"),
        ("X-exps", "X-EXPS"),
        ("XANONYMOUSTL", "XANONYMOUSTL"),
        ("XANONYMOUSTLS", "..."),
        ("c2VjcmV0", "..."),
        ("YWJj", "..."),
        ("cGFzc3dvcmQ=", "..."),
        ("Subject: x", "..."),
        ("f\x00oo", "..."),
        ("gr\u00fcn", "..."),
        ("--boundary", "..."),
        ("X-", "..."),
    ],
)
def test_what_is_no_word_is_not_shown_in_the_reply_nor_told(line: str, shown: str) -> None:
    client = check(
        f"{line}\r\n".encode(),
        f"500 Error: command not recognized : '{shown}'\r\n".encode(),
        answer=answering(Decline(), UnknownCommand),
    )
    (told,) = client.of_kind(Refused)
    assert (told.verb, told.reply) == (shown, f"500 Error: command not recognized : '{shown}'")
    verb = client.of_kind(UnknownCommand)[0].verb
    assert verb == line.split(" ")[0].upper().replace("\x00", "?").replace("\u00dc", "\u00fc")


@pytest.mark.parametrize("verb", ["GREET", "__CLASS__", "RESPOND", "RUN_HELP", "BURL", "RUN_MAIL"])
def test_a_verb_of_the_network_never_reaches_an_attribute(verb: str) -> None:
    assert verb not in VERBS
    client = check(
        f"{verb.lower()}\r\n".encode(), f"500 Error: command not recognized : '{verb}'\r\n".encode()
    )
    assert client.of_kind(UnknownCommand) == [UnknownCommand(verb, "")]


# --- Long lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reply", "closes"),
    [
        (b"NOOP " + b"x" * 2041 + b"\r\n", OK, False),
        (b"NOOP " + b"x" * 2042 + b"\r\n", b"500 Error: line too long\r\n", False),
        (b"NOOP " + b"x" * 60000 + b"\r\n", b"500 Error: line too long\r\n", False),
        (b"\r" * 3000 + b"\n", b"500 Error: line too long\r\n", False),
        (b"x" * 65537, b"421 Error: line too long\r\n", True),
        (b"x" * 65536 + b"\nNOOP\r\n", b"421 Error: line too long\r\n", True),
    ],
)
def test_a_long_line_gets_one_reply(line: bytes, reply: bytes, closes: bool) -> None:
    check(line, reply, closes=closes)


# --- Policies ------------------------------------------------------------------------------------

TLS_FIRST = b"530 Must issue a STARTTLS command first\r\n"
AUTH_FIRST = b"530 Authentication required\r\n"
GUARDED = [MAIL, RCPT, b"DATA\r\n", b"VRFY a\r\n", b"HELP\r\n"]


@pytest.mark.parametrize("line", [*GUARDED, b"AUTH PLAIN\r\n"])
def test_where_tls_is_required_other_commands_are_530(line: bytes) -> None:
    client = check(line, TLS_FIRST, ProtocolConfig("h", require_tls=True))
    assert [type(step) for step in client.steps] == [Required, Refused]


@pytest.mark.parametrize("line", GUARDED)
def test_where_auth_is_required_other_commands_are_530(line: bytes) -> None:
    check(line, AUTH_FIRST, ProtocolConfig("h", require_auth=True))


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"NOOP\r\n", OK),
        (b"RSET\r\n", OK),
        (b"HELO x\r\n", b"250 h\r\n"),
        (b"STARTTLS\r\n", b"502 Error: STARTTLS not offered\r\n"),
        (b"\r\n", b"500 Error: bad syntax\r\n"),
    ],
)
def test_the_others_go_on_under_both_policies(line: bytes, reply: bytes) -> None:
    check(line, reply, ProtocolConfig("h", require_auth=True, require_tls=True))


def test_the_policies_are_content_with_tls_and_auth() -> None:
    config = ProtocolConfig("h", require_tls=True, require_auth=True)
    client = Client(config, announcing(("AUTH", "PLAIN")), tls=True, said=EHLO)
    client.sends(b"AUTH PLAIN AHUAcA==\r\n" + MAIL)
    assert client.hears() == b"235 Authentication successful.\r\n250 sender Ok\r\n"
