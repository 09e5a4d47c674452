"""The transcripts of sessions: what is in them, of whom, and that no secret is."""

from __future__ import annotations

import base64
import contextlib
import logging
import smtplib
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.events import TranscriptFailed
from gen_smtp.gen_smtp_server import OptionsError
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok, reply
from gen_smtp.transcript import Entry, Sink
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    MESSAGE,
    RCPT,
    behaviour,
    collected,
    everything,
    listener,
    serving,
)
from tests.gen_smtp.proxy_headers import LINE

HERE = ["127.0.0.1"]
USER, PASSWORD, BODY = "somebody-here", "correct-horse-battery", "the-body-of-it"
PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
USER64, PASSWORD64 = (base64.b64encode(each.encode()).decode() for each in (USER, PASSWORD))
SECRETS = [PASSWORD, PLAIN, USER64, PASSWORD64, PLAIN[4:30], PASSWORD64[4:20], BODY]
EVERYTHING = [("AUTH", "PLAIN LOGIN CRAM-MD5"), ("CHUNKING", True), ("ENHANCEDSTATUSCODES", True)]


class Listening(Sink):
    """Keeps the entries."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)

    @property
    def lines(self) -> list[str]:
        """Without times and sessions."""
        return [f"{each.speaker}: {each.text}" for each in self.entries]

    @property
    def text(self) -> str:
        return "\n".join(map(str, self.entries))


class Server(Behaviour):
    """Announces everything, and accepts one user."""

    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        return ok([*extensions, *EVERYTHING])

    def handle_AUTH(self, kind: str, username: str, credential: Any) -> Any:
        if username == "echo":
            return error(f"535 no such password: {credential}")
        return ok if credential == PASSWORD else error

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        return ok("taken")

    def handle_other(self, verb: str, arguments: str) -> Any:
        return reply(f"500 what is {verb} {arguments}?")


@pytest.fixture
def sink() -> Generator[Listening]:
    """A sink that never has a secret in it."""
    made = Listening()
    yield made
    assert [each for each in SECRETS if each in made.text] == []
    assert all(each.text.isprintable() for each in made.entries)


def options(sink: Any, *networks: str, **session: Any) -> dict[str, Any]:
    more = {"transcript_from": list(networks)} if networks else {}
    return {"sessionoptions": {"transcript": sink, "allow_insecure_auth": True, **more, **session}}


def test_a_whole_session(sink: Listening) -> None:
    with serving(Server, **options(sink)) as server, server.greeted(*DATA) as client:
        port = client.socket.getsockname()[1]
        client.send(f"Subject: x\r\n\r\n{BODY}\r\n.\r\n")
        assert client.reply() == "250 2.0.0 taken"
        client.say("BOGUS argument", "QUIT")
        assert client.rest() == ""
    assert sink.lines == [
        f"-: the client is 127.0.0.1 port {port}, the server mx.test (smtp, tcp)",
        "S: 220 mx.test ESMTP",
        "C: EHLO client.test",
        "S: 250-mx.test",
        "S: 250-SIZE 10485760",
        "S: 250-8BITMIME",
        "S: 250-PIPELINING",
        "S: 250-SMTPUTF8",
        "S: 250-AUTH PLAIN LOGIN CRAM-MD5",
        "S: 250-CHUNKING",
        "S: 250 ENHANCEDSTATUSCODES",
        "C: MAIL FROM:<a@x.test>",
        "S: 250 2.1.0 sender Ok",
        "C: RCPT TO:<b@y.test>",
        "S: 250 2.1.5 recipient Ok",
        "C: DATA",
        "S: 354 enter mail, end with line containing only '.'",
        "C: (33 octets of a message left out)",
        "S: 250 2.0.0 taken",
        "C: BOGUS (8 octets left out)",
        "S: 500 5.0.0 (23 octets left out)",
        "C: QUIT",
        "S: 221 2.0.0 Bye",
        "-: the session ends: normal",
    ]
    times = [each.time for each in sink.entries]
    assert times == sorted(times)
    (tag,) = {each.session for each in sink.entries}
    assert tag


SAID = [
    f"AUTH PLAIN {PLAIN}\r\n",
    f"AUTH PLAIN\r\n{PLAIN}\r\n",
    f"AUTH LOGIN\r\n{USER64}\r\n{PASSWORD64}\r\n",
    f"AUTH LOGIN {USER64}\r\n{PASSWORD64}\r\n",
    f"AUTH LOGIN\r\n{USER64}\r\n*\r\n{PASSWORD64}\r\n",
    f"AUTH LOGIN\r\nno base64\r\n{USER64}\r\n{PASSWORD64}\r\n",  # the exchange is over, and they are commands
    f"AUTH NTLM {PLAIN}\r\n{PASSWORD64}\r\n",
    f"AUTH {PLAIN}\r\n{PASSWORD}\r\n",
    f"AUTH GSSAPI\r\n{USER64}\r\n{PASSWORD64}\r\nNOOP\r\n",
    f"AUTH\tPLAIN\t{PLAIN}\r\n",
    f"auth plain {PLAIN} {PASSWORD}\r\n",
    f"AUTH PLAIN {PLAIN}{'A' * 20000}\r\n{PASSWORD64}\r\n",
    f"{'A' * 3000}{PLAIN}\r\n{PASSWORD64}\r\n",
    f"AUTH LOGIN\r\n{USER64}\r\n{PASSWORD64}{'A' * 20000}\r\n{PASSWORD64}\r\n",
    f"AUTH PLAIN {PLAIN[:40]}",
    f"AUTH LOGIN\r\n{USER64}\r\n{PASSWORD64}",
    f"AUTH LOGIN\r\n{base64.b64encode(b'echo').decode()}\r\n{PASSWORD64}\r\n",
    f"MAIL FROM:<a@x.test>\r\nAUTH PLAIN {PLAIN}\r\n{PASSWORD64}\r\nRSET\r\n",
    f"AUTH PLAIN {PLAIN}\r\nAUTH PLAIN {PLAIN}\r\n{PASSWORD64}\r\n",
    f"AUTHENTICATE {PASSWORD64}\r\n{PASSWORD64}\r\n",
    f"\tAUTH  PLAIN  {PLAIN}\n",
    f"DATA\r\nSubject: x\r\n\r\n{BODY}\r\n.\r\n",  # no recipients: its lines are commands
    f"BDAT 14\r\n{BODY}NOOP\r\n",
    f"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n{BODY}",
    f"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nBDAT 100\r\n{BODY}",
    f"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nBDAT 7\r\n{BODY[:7]}BDAT 7 LAST\r\n{BODY[7:]}",
]


@pytest.mark.parametrize("octet_by_octet", [False, True])
@pytest.mark.parametrize("said", SAID, ids=range(len(SAID)))
def test_no_secret_is_in_it_whatever_is_said(sink: Listening, said: str, octet_by_octet: bool) -> None:
    text = f"EHLO client.test\r\n{said}"
    with serving(Server, **options(sink)) as server, server.client() as client:
        if octet_by_octet and len(text) < 500:
            for each in text:
                client.send(each)
        else:
            client.send(text)
        client.socket.shutdown(1)
        client.rest()
    assert sink.lines[-1].startswith("-: the session ends: ")


def test_smtplib_with_every_mechanism(sink: Listening) -> None:
    with serving(Server, **options(sink)) as server:
        for password in (PASSWORD, f"{PASSWORD}!"):
            for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
                with smtplib.SMTP(*server.addresses[0]) as client:
                    client.ehlo()
                    client.user, client.password = USER, password
                    with contextlib.suppress(smtplib.SMTPAuthenticationError):
                        client.auth(mechanism, getattr(client, f"auth_{mechanism.lower().replace('-', '_')}"))
    assert sink.text.count("S: 535 5.7.8 Authentication failed.") >= 3


def test_inside_tls_as_outside(sink: Listening, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=certificates.cafile)
    pair = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
    module = behaviour(handle_EHLO=ok([("STARTTLS", True), ("AUTH", "PLAIN")]), handle_AUTH=error)
    with serving(module, **options(sink, **pair)) as server, server.greeted("EHLO a", "STARTTLS") as client:
        client.start_tls(trust)
        client.say("EHLO b", f"AUTH PLAIN {PLAIN}", "QUIT")
        client.rest()
    assert sink.lines[4:] == [
        "S: 250-STARTTLS",
        "S: 250 AUTH PLAIN",
        "C: STARTTLS",
        "S: 220 OK",
        "-: TLS has begun",
        "C: EHLO b",
        "S: 250-mx.test",
        "S: 250 AUTH PLAIN",
        f"C: AUTH PLAIN ({len(PLAIN)} octets left out)",
        "S: 535 Authentication failed.",
        "C: QUIT",
        "S: 221 Bye",
        "-: the session ends: normal",
    ]


def test_tls_from_the_first_octet_and_a_handshake_that_fails(
    sink: Listening, certificates: Certificates
) -> None:
    pair = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
    with serving(Server, protocol="ssl", **options(sink, **pair)) as server:
        trust = ssl.create_default_context(cafile=certificates.cafile)
        with server.client() as client:
            client.start_tls(trust)
            assert client.reply() == "220 mx.test ESMTP"
            client.say("QUIT")
        with server.client() as client:
            client.send("EHLO in.clear\r\n")
            client.rest()
    assert sink.lines[0].endswith("the server mx.test (smtp, ssl)")
    assert "-: the TLS handshake has failed: " in "\n".join(sink.lines)


def test_lmtp(sink: Listening) -> None:
    said = ["LHLO a", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA"]
    with serving(behaviour(), **options(sink, protocol="lmtp")) as server, server.greeted(*said) as client:
        client.send(MESSAGE + "QUIT\r\n")
        client.rest()
    assert sink.lines[-6:] == [
        "C: (28 octets of a message left out)",
        "S: 250 taken",
        "S: 250 taken",
        "C: QUIT",
        "S: 221 Bye",
        "-: the session ends: normal",
    ]


class TestOfSomeClientsAlone:
    def test_by_address(self, sink: Listening) -> None:
        with serving(Server, **options(sink, "127.0.0.2", "127.0.0.3")) as server:
            for source in ("127.0.0.1", "127.0.0.2", "127.0.0.4"):
                with server.client(source=source) as client:
                    client.reply()
                    client.say("QUIT")
                    client.rest()
        assert sink.lines[0].startswith("-: the client is 127.0.0.2 port ")
        assert len({each.session for each in sink.entries}) == 1

    @pytest.mark.parametrize(("network", "written"), [("192.0.2.0/24", True), ("127.0.0.1", False)])
    def test_behind_a_proxy(self, sink: Listening, network: str, written: bool) -> None:
        with (
            serving(Server, **options(sink, network), proxy_protocol=HERE) as server,
            server.client() as client,
        ):
            client.send(LINE + b"QUIT\r\n")
            client.rest()
        assert bool(sink.entries) is written
        if written:
            assert sink.lines[0] == (
                "-: the client is 192.0.2.7 port 56324, the server mx.test (smtp, tcp), "
                "by the proxy 127.0.0.1"
            )

    def test_by_xclient(self, sink: Listening) -> None:
        with (
            serving(Server, **options(sink, "192.0.2.7"), xclient=HERE) as server,
            server.greeted() as client,
        ):
            client.say("EHLO proxy.test", f"XCLIENT ADDR=192.0.2.7 LOGIN={PASSWORD}", "NOOP")
            client.say("XCLIENT ADDR=192.0.2.8", "NOOP", "QUIT")
            client.rest()
        assert sink.lines == [
            "-: the client is 192.0.2.7, the server mx.test (smtp, tcp)",
            "S: 220 mx.test ESMTP",
            "C: NOOP",
            "S: 250 Ok",
            "C: XCLIENT ADDR=192.0.2.8",
        ]

    def test_with_bare_newlines_for_one_of_them(self, sink: Listening) -> None:
        given = options(sink, allow_bare_newlines="fix", bare_newlines_from=HERE)
        with serving(Server, **given) as server, server.greeted(*DATA) as client:
            client.send("a\nb\r\n.\r\n")
            assert client.reply().startswith("250")
        assert "C: (8 octets of a message left out)" in sink.lines


class TestBounds:
    def test_of_a_line(self, sink: Listening) -> None:
        given = {"sink": sink, "line_length": 100}
        with serving(Server, **options(given)) as server, server.greeted(f"NOOP {'x' * 195}") as client:
            client.say("QUIT")
        assert f"C: NOOP {'x' * 95}... (100 characters more)" in sink.lines

    def test_of_a_session(self, sink: Listening) -> None:
        given = {"sink": sink, "session_size": 1000}
        with serving(Server, **options(given)) as server, server.greeted(*["NOOP"] * 90) as client:
            client.say("QUIT")
        assert sink.lines[-1] == "-: nothing more of this session is written: 1000 characters"
        assert sum(len(each.text) for each in sink.entries[:-1]) in range(1000, 1020)

    def test_a_chunk_of_one_octet_has_one_line(self, sink: Listening) -> None:
        with serving(Server, **options(sink)) as server, server.greeted(*RCPT) as client:
            client.send("BDAT 1\r\naBDAT 1 LAST\r\nbQUIT\r\n")
            client.rest()
        assert sink.lines.count("C: (1 octets of a message left out)") == 2


class TestTheOption:
    def test_a_path(self, tmp_path: Path) -> None:
        path = tmp_path / "transcript"
        with serving(Server, **options(path)) as server:
            assert path.read_text() == ""  # it was tried
            with server.greeted("QUIT"):
                pass
        assert path.read_text().count("\n") == 5

    def test_a_logger(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        for given in ({"logger": "tests.dialogue"}, logging.getLogger("tests.dialogue")):
            caplog.clear()
            with serving(Server, **options(given)) as server, server.greeted("QUIT"):
                pass
            said = [each.getMessage() for each in caplog.records if each.name == "tests.dialogue"]
            assert said[1].endswith(" S: 220 mx.test ESMTP")

    def test_a_sink_that_raises_ends_no_session(self) -> None:
        class Broken(Sink):
            def write(self, entry: Entry) -> None:
                raise LookupError("no")

        with collected(TranscriptFailed) as told, serving(Server, **options(Broken())) as server:
            with server.greeted(*DATA) as client:
                client.send(MESSAGE)
                assert client.reply() == "250 2.0.0 taken"
            assert [str(each) for each in everything(told)] == [
                "the transcript Broken can't be written: LookupError('no')"
            ]

    def test_a_path_that_can_not_be_written_is_an_error_at_start(self, tmp_path: Path) -> None:
        path = tmp_path / "link"
        path.symlink_to(tmp_path / "missing" / "file")
        with pytest.raises(OptionsError, match=r"sessionoptions.transcript: cannot write .*: No such file"):
            gen_smtp_server.start(Server, [listener(**options(path))])
        with serving(Server) as server, pytest.raises(OptionsError, match="cannot write"):
            gen_smtp_server.add_listener(server.ref, listener(**options(path)))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("", "not a path"),
            ("/no/such/folder/file", "there is no folder '/no/such/folder'"),
            ("/tmp", "a folder: '/tmp'"),
            (5, "not options, but of type int"),
            ({}, "a transcript goes to one place; allowed: one of file, logger, sink"),
            ({"file": "x", "logger": "y"}, "a transcript goes to one place"),
            ({"logger": ""}, "transcript.logger: not a logger"),
            ({"sink": print}, "transcript.sink: not a sink"),
            ({"file": "x", "line_length": 10}, "transcript.line_length: not a whole number in range: 10"),
            ({"file": "x", "file_size": 10}, "transcript.file_size: not a limit: 10"),
            ({"file": "x", "size": 10}, "option sessionoptions.transcript.size: there is no such option"),
        ],
    )
    def test_wrong_values(self, given: Any, message: str) -> None:
        with pytest.raises(OptionsError, match=message):
            gen_smtp_server.start(Server, [listener(**options(given))])

    def test_networks_alone_are_a_mistake(self) -> None:
        with pytest.raises(OptionsError, match="transcript_from: nothing is written down; allowed: together"):
            gen_smtp_server.start(Server, [listener(sessionoptions={"transcript_from": HERE})])


def test_a_client_that_vanishes_in_a_message(sink: Listening) -> None:
    with serving(Server, **options(sink)) as server, server.greeted(*DATA) as client:
        client.send(f"{BODY}\r\n")
        client.socket.shutdown(1)
        client.rest()
    assert sink.lines[-2:] == [
        f"C: ({len(BODY) + 2} octets of a message left out)",
        "-: the session ends: ('error_receiving_data', 'closed')",
    ]
