"""What goes to which server: SIZE, 8BITMIME, SMTPUTF8, DSN, REQUIRETLS, CHUNKING, PIPELINING."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from typing import Any

import pytest

from gen_smtp.gen_smtp_client import Client, Envelope, Outcome, Recipient
from tests.certificates import Certificates
from tests.gen_smtp.client.servers import Peer, serving

ONE = Envelope("me@example.com", ["you@example.org"])
PLAIN = b"Subject: hello\r\n\r\nhello\r\n"
UTF8_BODY = (
    "Subject: hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße = und mehr \r\n"
).encode()


class Said:
    """What a server was told, and the message it got."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.message = b""


def delivered(envelope: Envelope, message: Any, *extensions: str, **options: Any) -> tuple[Said, Outcome]:
    """Deliver to a server with these extensions that takes everything."""
    said = Said()

    def serve(peer: Peer) -> None:
        peer.greet(*extensions)
        while line := peer.line():
            said.lines.append(line)
            if line.startswith("BDAT"):
                said.message += peer.octets(int(line.split()[1]))
            if line == "DATA":
                peer.say("354 go on")
                said.message = peer.message()
            peer.say("221 bye" if line == "QUIT" else "250 2.0.0 Ok")

    with serving(serve) as server, Client(server.options(**options)) as client:
        return said, client.deliver(envelope, message)


def refused(envelope: Envelope, message: Any, *extensions: str, **options: Any) -> str:
    """The enhanced code by which the client itself refuses a message; the server hears nothing of it."""
    said, outcome = delivered(envelope, message, *extensions, **options)
    assert said.lines in ([], ["QUIT"])
    (recipient,) = outcome.permanent
    assert recipient.reply is not None
    assert recipient.reply.host is None
    return recipient.enhanced


def test_a_server_without_extensions_hears_the_plainest_words() -> None:
    envelope = Envelope(
        "me@example.com", [Recipient("you@example.org", notify=frozenset({"NEVER"}))], ret="HDRS", envid="x"
    )
    said, outcome = delivered(envelope, PLAIN)
    assert said.lines[:3] == ["MAIL FROM:<me@example.com>", "RCPT TO:<you@example.org>", "DATA"]
    assert outcome.ok
    assert not outcome.dsn


def test_size_is_told_and_kept_to() -> None:
    said, _ = delivered(ONE, PLAIN, "SIZE 1000")
    assert said.lines[0] == f"MAIL FROM:<me@example.com> SIZE={len(PLAIN)}"
    assert refused(ONE, b"x" * 1001, "SIZE 1000") == "5.3.4"
    said, _ = delivered(ONE, PLAIN, "SIZE")
    assert said.lines[0].endswith(f"SIZE={len(PLAIN)}")


def test_the_size_of_a_stream_is_told_if_it_is_known() -> None:
    envelope = Envelope("me@example.com", ["you@example.org"], body="7BIT", size=4711)
    said, _ = delivered(envelope, iter([b"a", b"b"]), "SIZE 5000", "8BITMIME")
    assert said.lines[0] == "MAIL FROM:<me@example.com> SIZE=4711"
    assert said.message == b"ab\r\n"


def test_eight_bits_go_as_they_are_to_a_server_that_takes_them() -> None:
    said, _ = delivered(ONE, UTF8_BODY, "8BITMIME")
    assert said.lines[0] == "MAIL FROM:<me@example.com> BODY=8BITMIME"
    assert said.message == UTF8_BODY
    said, _ = delivered(ONE, PLAIN, "8BITMIME")
    assert said.lines[0] == "MAIL FROM:<me@example.com>"


@pytest.mark.parametrize("message", [UTF8_BODY, [UTF8_BODY[:200], UTF8_BODY[200:]]], ids=["whole", "stream"])
def test_eight_bits_are_encoded_for_a_server_that_does_not(message: Any) -> None:
    said, outcome = delivered(ONE, message)
    assert outcome.ok
    assert said.message.isascii()
    parsed = email.message_from_bytes(said.message, policy=email.policy.default)
    assert parsed["Content-Transfer-Encoding"] == "quoted-printable"
    assert parsed["Subject"] == "hello"
    assert parsed.get_content().rstrip("\r\n") == "Grüße = und mehr "


def test_all_parts_are_encoded_and_what_holds_them_is_not() -> None:
    inner = UTF8_BODY.replace(b"Subject: hello\r\n", b"")
    message = b"\r\n".join(
        (
            b"Subject: x\r\nMIME-Version: 1.0",
            b"Content-Type: multipart/mixed; boundary=b",
            b"Content-Transfer-Encoding: 8bit\r\n",
            b"preamble\r\n--b",
            inner + b"--b",
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n",
            b"\xff\xfe\x00\r\n--b",
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n",
            UTF8_BODY + b"--b--\r\n",
        )
    )
    said, outcome = delivered(ONE, message)
    assert outcome.ok
    parts = list(email.message_from_bytes(said.message, policy=email.policy.default).walk())
    encodings = [part["Content-Transfer-Encoding"] for part in parts]
    assert encodings == ["7bit", "quoted-printable", "base64", "7bit", "quoted-printable"]
    assert parts[2].get_content() == b"\xff\xfe\x00"


SIGNED = b"\r\n".join(
    (
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/signed; boundary=b; protocol=x; micalg=y\r\n",
        b"--b",
        UTF8_BODY + b"--b",
        b"Content-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n",
    )
)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        (UTF8_BODY, {"on_8bit": "refuse"}),
        ("Subject: Grüße\r\n\r\nx\r\n".encode(), {}),
        ("Subject: x\r\n\r\nGrüße, and no MIME\r\n".encode(), {}),
        (SIGNED, {}),
    ],
    ids=["option", "header", "no MIME", "signed"],
)
def test_what_cannot_be_encoded_is_refused(message: bytes, options: dict[str, Any]) -> None:
    assert refused(ONE, message, **options) == "5.6.3"


def test_a_stream_that_lies_about_its_octets_is_cut() -> None:
    envelope = Envelope("me@example.com", ["you@example.org"], body="7BIT")
    said, outcome = delivered(envelope, iter([b"fine\r\n", "Grüße\r\n".encode()]))
    assert [each.enhanced for each in outcome.permanent] == ["5.6.3"]
    assert said.message == b""


def test_utf8_addresses_and_headers_go_with_smtputf8() -> None:
    said, _ = delivered(Envelope("mé@example.com", ["you@example.org"]), PLAIN, "SMTPUTF8", "8BITMIME")
    assert said.lines[0] == "MAIL FROM:<mé@example.com> SMTPUTF8"
    said, _ = delivered(
        Envelope("me@example.com", ["you@example.org"], smtputf8=True),
        "Subject: Grüße\r\n\r\nx".encode(),
        "SMTPUTF8",
        "8BITMIME",
    )
    assert said.lines[0] == "MAIL FROM:<me@example.com> BODY=8BITMIME SMTPUTF8"
    said, _ = delivered(Envelope("me@example.com", ["you@example.org"], smtputf8=True), PLAIN, "SMTPUTF8")
    assert said.lines[0] == "MAIL FROM:<me@example.com>"


def test_without_smtputf8_they_are_refused_and_others_are_not() -> None:
    assert refused(Envelope("mé@example.com", ["you@example.org"]), PLAIN) == "5.6.7"
    envelope = Envelope("me@example.com", ["du@exämple.org", "you@example.org"])
    said, outcome = delivered(envelope, PLAIN)
    assert [each.enhanced for each in outcome.recipients] == ["5.6.7", "2.0.0"]
    assert said.lines[1] == "RCPT TO:<you@example.org>"


def test_dsn_parameters_go_encoded() -> None:
    recipient = Recipient(
        "you@example.org", notify=frozenset({"SUCCESS", "FAILURE"}), orcpt="rfc822;you+x@example.org"
    )
    envelope = Envelope("", [recipient], ret="FULL", envid="order 17")
    said, outcome = delivered(envelope, PLAIN, "DSN")
    assert said.lines[:2] == [
        "MAIL FROM:<> RET=FULL ENVID=order+2017",
        "RCPT TO:<you@example.org> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;you+2Bx@example.org",
    ]
    assert outcome.dsn


def test_other_parameters_go_to_servers_that_have_their_extension() -> None:
    envelope = Envelope(
        "me@example.com",
        [Recipient("you@example.org", parameters={"RRVS": "2026-01-01T00:00:00Z"})],
        parameters={"MT-PRIORITY": "3", "BY": "120;R", "X": True},
    )
    said, _ = delivered(envelope, PLAIN, "MT-PRIORITY", "RRVS")
    assert said.lines[:2] == [
        "MAIL FROM:<me@example.com> MT-PRIORITY=3",
        "RCPT TO:<you@example.org> RRVS=2026-01-01T00:00:00Z",
    ]


@pytest.mark.parametrize(
    "address",
    ["a@b.example>\r\nRSET", "a b@c.example", "a@b.example SIZE=1", "", "a@b\x00.example", "<a@b.example"],
)
def test_what_is_no_address_never_reaches_a_command(address: str) -> None:
    said, outcome = delivered(Envelope("me@example.com", [address]), PLAIN)
    assert [each.enhanced for each in outcome.permanent] == ["5.1.3"]
    assert said.lines in ([], ["QUIT"])


def test_an_address_may_have_its_brackets_and_quotes() -> None:
    envelope = Envelope("<me@example.com>", ['"a b"@example.org', "<x@[192.0.2.1]>"])
    said, _ = delivered(envelope, PLAIN)
    assert said.lines[:3] == [
        "MAIL FROM:<me@example.com>",
        'RCPT TO:<"a b"@example.org>',
        "RCPT TO:<x@[192.0.2.1]>",
    ]


def test_a_binary_message_goes_in_chunks_and_unchanged() -> None:
    octets = b"\r\n.\r\n\x00\n\r" * 1000
    envelope = Envelope("me@example.com", ["you@example.org"], body="BINARYMIME")
    said, outcome = delivered(envelope, octets, "CHUNKING", "BINARYMIME", "8BITMIME")
    assert outcome.ok
    assert said.message == octets
    assert said.lines[0].endswith(" BODY=BINARYMIME")
    assert said.lines[2] == f"BDAT {len(octets)} LAST"
    assert refused(envelope, octets, "CHUNKING") == "5.6.1"


def test_a_stream_goes_in_several_chunks() -> None:
    pieces = [b"x" * 70 + b"\r\n"] * 10_000
    said, outcome = delivered(ONE, iter(pieces), "CHUNKING", "8BITMIME", chunking="if_available")
    assert outcome.ok
    assert said.message == b"".join(pieces)
    assert len([line for line in said.lines if line.startswith("BDAT")]) == 3
    assert said.lines[-2].endswith(" LAST")


def test_an_empty_message_is_one_chunk_or_one_line() -> None:
    said, outcome = delivered(ONE, b"", "CHUNKING", chunking="if_available")
    assert (said.message, outcome.ok) == (b"\r\n", True)
    said, outcome = delivered(ONE, iter([]), "8BITMIME")
    assert (said.message, outcome.ok) == (b"", True)


def test_a_chunk_that_is_refused_ends_the_message() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("CHUNKING", "8BITMIME")
        peer.expect("MAIL", "250 Ok")
        peer.expect("RCPT", "250 Ok")
        peer.octets(int(peer.expect("BDAT").split()[1]))
        peer.say("452 4.3.1 full")
        peer.expect("QUIT", "221 bye")

    with serving(serve) as server, Client(server.options(chunking="if_available")) as client:
        outcome = client.deliver(ONE, iter([b"x" * 300_000] * 3))
        assert [each.enhanced for each in outcome.temporary] == ["4.3.1"]


def test_requiretls_is_kept_to(certificates: Certificates) -> None:
    pair = certificates.ecdsa

    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS", "220 go")
        peer.start_tls(pair.certfile, pair.keyfile)
        peer.expect("EHLO", "250-there", "250 REQUIRETLS")
        assert peer.expect("MAIL", "250 Ok").endswith(" REQUIRETLS")
        peer.expect("RCPT", "250 Ok")
        peer.expect("DATA", "354 go on")
        peer.message()
        peer.say("250 taken")
        peer.line()

    envelope = Envelope("me@example.com", ["you@example.org"], require_tls=True)
    assert refused(envelope, PLAIN, "REQUIRETLS") == "5.7.30"
    tls = {"tls": "always", "tls_options": {"cafile": certificates.cafile}}
    with serving(serve) as server, Client(server.options(**tls)) as client:
        assert client.deliver(envelope, PLAIN).ok


def test_commands_go_together_to_a_server_with_pipelining() -> None:
    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        for verb in ("MAIL", "RCPT", "RCPT", "RCPT", "DATA"):
            peer.expect(verb)  # nothing is answered before all have come
        peer.say("250 Ok", "250 Ok", "550 5.1.1 no", "250 Ok", "354 go on")
        peer.message()
        peer.say("250 taken")
        peer.line()

    envelope = Envelope("me@example.com", ["a@x.example", "b@x.example", "c@x.example"])
    with serving(serve) as server, Client(server.options()) as client:
        outcome = client.deliver(envelope, PLAIN)
    assert [each.delivered for each in outcome.recipients] == [True, False, True]


def test_many_recipients_are_named_a_hundred_at_a_time() -> None:
    count = 250

    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING")
        peer.expect("MAIL", "250 Ok")
        for number in range(count):
            peer.expect("RCPT", f"250 {number}" if number % 2 else f"550 {number}")
        peer.expect("DATA", "354 go on")
        peer.message()
        peer.say("250 taken")
        peer.line()

    envelope = Envelope("me@example.com", [f"{number}@x.example" for number in range(count)])
    with serving(serve) as server, Client(server.options()) as client:
        outcome = client.deliver(envelope, PLAIN)
    for number, recipient in enumerate(outcome.recipients):
        assert recipient.delivered == bool(number % 2)
        assert recipient.text == ("250 taken" if number % 2 else f"550 {number}")


def lmtp_server(*replies: str, extensions: tuple[str, ...] = ()) -> Callable[[Peer], None]:
    """Takes two of three recipients, then answers to the message so."""

    def serve(peer: Peer) -> None:
        peer.greet("PIPELINING", *extensions)
        peer.expect("MAIL", "250 Ok")
        for number in range(3):
            peer.expect("RCPT", "550 5.1.1 no" if number == 1 else "250 Ok")
        if extensions:
            peer.octets(int(peer.expect("BDAT").split()[1]))
        else:
            peer.expect("DATA", "354 go on")
            peer.message()
        peer.say(*replies)
        if len(replies) == 2:
            peer.line()

    return serve


THREE = Envelope("me@example.com", ["a@x.example", "b@x.example", "c@x.example"])


@pytest.mark.parametrize("extensions", [(), ("CHUNKING",)], ids=["DATA", "BDAT"])
def test_lmtp_has_a_reply_for_each_recipient(extensions: tuple[str, ...]) -> None:
    serve = lmtp_server("250 2.1.5 a", "452 4.2.2 c", extensions=extensions)
    options = {"protocol": "lmtp", "chunking": "if_available"}
    with serving(serve) as server, Client(server.options(**options)) as client:
        outcome = client.deliver(THREE, PLAIN)
    assert [each.text for each in outcome.recipients] == ["250 2.1.5 a", "550 5.1.1 no", "452 4.2.2 c"]


def test_lmtp_cut_between_the_replies_tells_what_is_known() -> None:
    with serving(lmtp_server("250 2.1.5 a")) as server, Client(server.options(protocol="lmtp")) as client:
        outcome = client.deliver(THREE, PLAIN)
    assert [each.delivered for each in outcome.recipients] == [True, False, False]
    assert [each.uncertain for each in outcome.recipients] == [False, False, True]


def test_helo_for_a_server_that_knows_no_ehlo() -> None:
    def serve(peer: Peer) -> None:
        peer.say("220 there")
        peer.expect("EHLO", "502 what?")
        peer.expect("HELO client.test", "250 there")
        assert peer.envelope()[0] == "MAIL FROM:<me@example.com>"
        peer.message()
        peer.say("250 taken")
        peer.line()

    with serving(serve) as server, Client(server.options()) as client:
        assert client.deliver(ONE, PLAIN).ok
