"""The example server as clients see it: every row of gen_smtp's example, over real sockets."""

from __future__ import annotations

import base64
import logging
import math
import queue
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

import actors
from actors.runtime.threads import DEFAULT_WORKERS
from gen_smtp import gen_smtp_server, smtp_util
from gen_smtp.example.example_options import ExampleOptions, read_example_options
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok
from gen_smtp.options.checks import OptionsError
from gen_smtp.smtp_server_example import SmtpServerExample
from tests.certificates import Certificates

SECONDS = 10.0
HOST = "mx.example"
ESMTP_BANNER = f"220 {HOST} ESMTP smtp_server_example"
LMTP_BANNER = f"220 {HOST} LMTP smtp_server_example"
MAIL = b"Subject: one\r\n\r\nHello\r\n"
LOG = "gen_smtp.smtp_server_example"
OFFERED = ["SIZE 10485760", "8BITMIME", "PIPELINING", "SMTPUTF8"]


@contextmanager
def serving(callbackoptions: Any = None, **sessionoptions: Any) -> Iterator[tuple[str, int]]:
    """The address of an example server."""
    if callbackoptions is not None:
        sessionoptions["callbackoptions"] = callbackoptions
    listener = {"address": "127.0.0.1", "port": 0, "domain": HOST, "sessionoptions": sessionoptions}
    with gen_smtp_server.running(SmtpServerExample, [listener]) as server:
        yield gen_smtp_server.addresses(server)[0]


class Dialogue:
    """A client that says what it is told to, and reads whole replies."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=SECONDS)
        self._file = self._socket.makefile("rb")

    def say(self, *lines: str) -> str:
        """Send lines; the last reply."""
        reply = ""
        for line in lines:
            self.send(line.encode() + b"\r\n")
            reply = self.hear()
        return reply

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hear(self) -> str:
        """One reply, its lines joined by newlines; empty when the server has closed."""
        lines = []
        while line := self._file.readline():
            lines.append(line.decode().removesuffix("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def dialogue(address: tuple[str, int], banner: str = ESMTP_BANNER) -> Iterator[Dialogue]:
    """A client that has read the banner."""
    client = Dialogue(address)
    try:
        assert client.hear() == banner
        yield client
    finally:
        client.close()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """An example server without options, which many tests share."""
    with serving() as where:
        yield where


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Dialogue]:
    with dialogue(address) as connected:
        yield connected


# -- the start --------------------------------------------------------------------------------------


def test_banner_names_the_domain_and_the_example(address: tuple[str, int]) -> None:
    with dialogue(address, f"220 {HOST} ESMTP smtp_server_example"):
        pass


def test_twenty_sessions_are_served_and_the_twenty_first_is_refused_until_one_has_ended() -> None:
    with serving() as address:
        served = [Dialogue(address) for _ in range(20)]
        refused = Dialogue(address)
        try:
            assert {each.hear()[:3] for each in served} == {"220"}
            assert refused.hear() == f"421 {HOST} is too busy to accept mail right now"
            assert refused.hear() == ""
            assert served[0].say("QUIT") == "221 Bye"
            assert served[0].hear() == ""
            assert _banner_once_there_is_room(address) == f"220 {HOST} ESMTP smtp_server_example"
        finally:
            for each in (*served, refused):
                each.close()


def _banner_once_there_is_room(address: tuple[str, int]) -> str:
    """The place is free when the session has ended, a moment after its client has seen the close."""
    while True:
        client = Dialogue(address)
        banner = client.hear()
        client.close()
        if banner.startswith("220"):
            return banner


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["HELO invalid"], "554 invalid hostname"),
        (["EHLO invalid"], "554 invalid hostname"),
        (["HELO there"], f"250 {HOST}"),
        (["HELO trusted_host"], f"250 {HOST}"),
        (["EHLO there", "MAIL FROM:<badguy@blacklist.com>"], "552 go away"),
        (["EHLO there", "MAIL FROM:<a@b.example>"], "250 sender Ok"),
        (["EHLO there", "MAIL FROM:<>"], "250 sender Ok"),
        (["EHLO there", "MAIL FROM:<a@b.example> X-SomeExtension"], "250 sender Ok"),
        (["EHLO there", "MAIL FROM:<a@b.example> X-OTHER=1"], "555 Unsupported option: X-OTHER=1"),
        (["EHLO there", "MAIL FROM:<a@b.example>", "RCPT TO:<nobody@example.com>"], "550 No such recipient"),
        (["EHLO there", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>"], "250 recipient Ok"),
        (
            ["EHLO there", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example> X-SomeExtension"],
            "250 recipient Ok",
        ),
        (
            ["EHLO there", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example> NOTIFY=NEVER"],
            "555 Unsupported option: NOTIFY=NEVER",
        ),
        (["VRFY other@b.example"], "252 VRFY disabled by policy, just send some mail"),
        (["frobnicate all"], "500 Error: command not recognized : 'FROBNICATE'"),
        (["EHLO there", "AUTH PLAIN"], "502 Error: AUTH not implemented"),
        (["EHLO there", "RSET"], "250 Ok"),
        (["EHLO there", "STARTTLS"], "502 Error: STARTTLS not offered"),
    ],
)
def test_reply_to(client: Dialogue, lines: list[str], reply: str) -> None:
    assert client.say(*lines) == reply


def test_vrfy_of_someuser_tells_the_machines_name(client: Dialogue) -> None:
    assert client.say("VRFY someuser") == f"250 someuser@{smtp_util.guess_FQDN()}"


# -- messages ---------------------------------------------------------------------------------------


def deliver(client: Dialogue, body: bytes, *recipients: str) -> str:
    """The reply to a message, up to a client's QUIT."""
    client.say("HELO trusted_host", "MAIL FROM:<a@b.example>")
    for recipient in recipients or ("c@d.example",):
        client.say(f"RCPT TO:<{recipient}>")
    assert client.say("DATA") == "354 enter mail, end with line containing only '.'"
    client.send(body + b".\r\n")
    return client.hear()


@pytest.mark.parametrize("body", [b"", b"\r\n"])
def test_empty_message_is_refused(client: Dialogue, body: bytes) -> None:
    assert deliver(client, body) == "552 Message too small"


def test_queue_ids_are_32_hexadecimal_digits_and_never_the_same(client: Dialogue) -> None:
    replies = [deliver(client, MAIL) for _ in range(20)]
    ids = {re.fullmatch("250 queued as ([0-9a-f]{32})", reply)[1] for reply in replies}  # type: ignore[index]
    assert len(ids) == 20


def test_smtplib_delivers_a_mime_message(address: tuple[str, int]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Grüße", "a@b.example", "c@d.example"
    message.set_content("Schön")
    message.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream")
    with smtplib.SMTP(*address, timeout=SECONDS) as client:
        assert client.send_message(message) == {}


# -- extensions and sizes ---------------------------------------------------------------------------


def ehlo_lines(callbackoptions: Any, verb: str = "EHLO", **sessionoptions: Any) -> list[str]:
    with serving(callbackoptions, **sessionoptions) as address, dialogue(address) as client:
        return [line[4:] for line in client.say(f"{verb} there").split("\n")]


@pytest.mark.parametrize(
    ("callbackoptions", "extensions"),
    [
        ({}, OFFERED),
        ([], OFFERED),
        ({"size": 1000}, ["SIZE 1000", *OFFERED[1:]]),
        ([("size", 1000)], ["SIZE 1000", *OFFERED[1:]]),
        ({"size": math.inf}, OFFERED[1:]),
        ([("size", "infinity")], OFFERED[1:]),
        ({"auth": True}, [*OFFERED, "AUTH PLAIN LOGIN CRAM-MD5", "STARTTLS"]),
        ([("auth", True), ("size", 7)], ["SIZE 7", *OFFERED[1:], "AUTH PLAIN LOGIN CRAM-MD5", "STARTTLS"]),
    ],
)
def test_ehlo_announces(callbackoptions: Any, extensions: list[str], certificates: Certificates) -> None:
    tls = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
    assert ehlo_lines(callbackoptions, allow_insecure_auth=True, **tls) == [HOST, *extensions]


@pytest.mark.parametrize(
    ("callbackoptions", "hello", "limit"),
    [
        ({}, "HELO there", 655360),
        ({"size": 100}, "HELO there", 100),
        ({"size": 100}, "EHLO there", 100),
        ({}, "HELO trusted_host", 10485760),
        ({}, "EHLO there", 10485760),
    ],
)
def test_limit_of_a_message(callbackoptions: Any, hello: str, limit: int) -> None:
    with serving(callbackoptions) as address, dialogue(address) as client:
        client.say(hello)
        assert client.say(f"MAIL FROM:<a@b.example> SIZE={limit}") == "250 sender Ok"
        client.say("RSET")
        assert client.say(f"MAIL FROM:<a@b.example> SIZE={limit + 1}") == (
            f"552 Estimated message length {limit + 1} exceeds limit of {limit}"
        )


def test_no_limit_after_helo_with_size_infinity() -> None:
    with serving({"size": math.inf}) as address, dialogue(address) as client:
        assert client.say("HELO there", "MAIL FROM:<a@b.example> SIZE=99999999999") == "250 sender Ok"


# -- AUTH and TLS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("username", "PaSSw0rd", 235),
        ("username", "passw0rd", 535),
        ("Username", "PaSSw0rd", 535),
        ("somebody", "wrong", 535),
    ],
)
def test_credentials(mechanism: str, username: str, password: str, code: int) -> None:
    with (
        serving({"auth": True}, allow_insecure_auth=True) as address,
        smtplib.SMTP(*address, timeout=SECONDS) as client,
    ):
        client.ehlo()
        client.user, client.password = username, password
        authenticate = getattr(client, f"auth_{mechanism.lower().replace('-', '_')}")
        if code == 235:
            assert client.auth(mechanism, authenticate) == (235, b"Authentication successful.")
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                client.auth(mechanism, authenticate)
            assert (caught.value.smtp_code, caught.value.smtp_error) == (535, b"Authentication failed.")


def test_auth_plain_with_an_empty_password_is_refused() -> None:
    response = base64.b64encode(b"\0username\0").decode()
    with serving({"auth": True}, allow_insecure_auth=True) as address, dialogue(address) as client:
        assert client.say("EHLO there", f"AUTH PLAIN {response}") == "535 Authentication failed."


def test_auth_is_offered_inside_tls_only_without_the_option(certificates: Certificates) -> None:
    files = certificates.rsa
    with (
        serving({"auth": True}, certfile=files.certfile, keyfile=files.keyfile) as address,
        smtplib.SMTP(*address, timeout=SECONDS) as client,
    ):
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        client.starttls(context=ssl.create_default_context(cafile=certificates.cafile))
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.login("username", "PaSSw0rd")[0] == 235
        assert client.sendmail("a@b.example", ["c@d.example"], MAIL) == {}


# -- LMTP -------------------------------------------------------------------------------------------


def test_lmtp_answers_for_each_recipient_also_for_repeated_ones() -> None:
    recipients = ["c@d.example", "e@f.example", "c@d.example"]
    with serving({"protocol": "lmtp"}, protocol="lmtp") as address, dialogue(address, LMTP_BANNER) as client:
        assert client.say("LHLO there").split("\n")[-1] == "250 ENHANCEDSTATUSCODES"
        client.say("MAIL FROM:<a@b.example>")
        for recipient in recipients:
            client.say(f"RCPT TO:<{recipient}>")
        client.say("DATA")
        client.send(MAIL + b".\r\nNOOP\r\n")
        assert [client.hear() for _ in recipients] == [
            f"250 2.0.0 delivered to {each}" for each in recipients
        ]
        assert client.hear() == "250 2.0.0 Ok"


def test_lmtp_client_of_the_standard_library_delivers() -> None:
    with (
        serving({"protocol": "lmtp"}, protocol="lmtp") as (host, port),
        smtplib.LMTP(host, port, timeout=SECONDS) as client,
    ):
        assert client.sendmail("a@b.example", ["c@d.example"], MAIL) == {}


# -- parse and dump ---------------------------------------------------------------------------------

UNDECODABLE = b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n#A=b\r\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (MAIL, "Message decoded successfully!"),
        (UNDECODABLE, "Message decode FAILED with InvalidBase64CharactersDefect()"),
        (b"Content-Type: multipart/mixed\r\n\r\nx\r\n", "FAILED with NoBoundaryInMultipartDefect()"),
        (b"no header\r\n", "FAILED with MissingHeaderBodySeparatorDefect()"),
    ],
)
def test_parse_only_logs_how_decoding_went(
    body: bytes, said: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, LOG)
    with serving({"parse": True}) as address, dialogue(address) as client:
        assert deliver(client, body).startswith("250 queued as ")
    assert said in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_dump_writes_what_cannot_be_decoded_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving([("parse", True), ("dump", True)]) as address, dialogue(address) as client:
        deliver(client, MAIL)
        reference = deliver(client, UNDECODABLE).removeprefix("250 queued as ")
    (dumped,) = (tmp_path / "dump").iterdir()
    assert dumped.name == reference
    assert dumped.read_bytes() == UNDECODABLE
    assert dumped.stat().st_mode & 0o777 == 0o600


def test_message_is_taken_although_it_cannot_be_dumped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump").write_text("a file where the folder should be")
    with serving({"parse": True, "dump": True}) as address, dialogue(address) as client:
        assert deliver(client, UNDECODABLE).startswith("250 queued as ")
    assert "cannot write" in caplog.text


# -- relay ------------------------------------------------------------------------------------------


class NextHost(Behaviour):
    """Keeps the messages it takes; refuses some recipients."""

    taken: queue.SimpleQueue[tuple[str, str, list[str], bytes, dict[str, Any]]]

    def __init__(self, taken: queue.SimpleQueue[Any]) -> None:
        self.taken = taken

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.hostname = hostname
        return ok

    def handle_RCPT(self, recipient: str) -> Any:
        if recipient.startswith("gone@"):
            return error("550 gone")
        return error("450 later") if recipient.startswith("busy@") else ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        transaction = self.session.transaction
        assert transaction is not None
        self.taken.put((self.hostname, sender, recipients, data, transaction.mail_params))
        return error("554 no viruses") if b"virus" in data else ok


@contextmanager
def relaying(**sessionoptions: Any) -> Iterator[tuple[Dialogue, queue.SimpleQueue[Any]]]:
    """A client of an example server that relays to two hosts, 127.0.0.1 and 127.0.0.2; and what they took.

    On 127.0.0.3 nobody listens.
    """
    taken: queue.SimpleQueue[Any] = queue.SimpleQueue()
    first = {"address": "127.0.0.1", "port": 0, "domain": "one.example"}
    with gen_smtp_server.running(lambda: NextHost(taken), [first]) as one:
        port = gen_smtp_server.addresses(one)[0][1]
        second = {"address": "127.0.0.2", "port": port, "domain": "two.example"}
        options = [("relay", True), ("relay_port", port)]
        options += [("protocol", "lmtp")] if sessionoptions else []
        banner = LMTP_BANNER if sessionoptions else ESMTP_BANNER
        with (
            gen_smtp_server.running(lambda: NextHost(taken), [second]),
            serving(options, **sessionoptions) as address,
            dialogue(address, banner) as client,
        ):
            yield client, taken


def test_relay_hands_on_once_for_each_host() -> None:
    with relaying() as (client, taken):
        recipients = ["x@[127.0.0.1]", "y@[127.0.0.2]", "z@[127.0.0.1]", "x@[127.0.0.1]"]
        body = b"Subject: dots\r\n\r\n..\r\n..two\r\nlast\r\n"
        assert deliver(client, body, *recipients).startswith("250 queued as ")
        received = body.replace(b"\r\n..", b"\r\n.")
        assert taken.get_nowait() == (
            "one.example",
            "a@b.example",
            ["x@[127.0.0.1]", "z@[127.0.0.1]"],
            received,
            {"SIZE": str(len(received))},
        )
        assert taken.get_nowait()[:3] == ("two.example", "a@b.example", ["y@[127.0.0.2]"])


def test_relay_to_a_silent_host_holds_up_nobody_elses_blocking_callback() -> None:
    actors.set_workers(1)
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            options = {"relay": True, "relay_port": silent.getsockname()[1], "relay_seconds": 3 * SECONDS}
            with serving(options) as address, dialogue(address) as waits, dialogue(address) as other:
                waits.say("EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<x@[127.0.0.1]>", "DATA")
                waits.send(MAIL + b".\r\n")
                silent.settimeout(SECONDS)
                connection, _ = silent.accept()  # the relay is under way
                assert other.say("EHLO c", "VRFY someuser").startswith("250 someuser@")
                connection.close()
                assert waits.hear().startswith("451 not relayed")
    finally:
        actors.set_workers(DEFAULT_WORKERS)


def test_relay_of_internationalised_mail_declares_it() -> None:
    with relaying() as (client, taken):
        client.say("EHLO there", "MAIL FROM:<ä@b.example> SMTPUTF8 BODY=8BITMIME")
        client.say("RCPT TO:<ö@[127.0.0.1]>", "DATA")
        client.send("Subject: ü\r\n\r\nß\r\n.\r\n".encode())
        assert client.hear().startswith("250 queued as ")
        _, sender, recipients, data, parameters = taken.get_nowait()
        assert (sender, recipients) == ("ä@b.example", ["ö@[127.0.0.1]"])
        assert data == "Subject: ü\r\n\r\nß\r\n".encode()
        assert (parameters["SMTPUTF8"], parameters["BODY"]) == (True, "8BITMIME")


@pytest.mark.parametrize(
    ("body", "recipients", "reply"),
    [
        (MAIL, ["x@[127.0.0.3]"], "451 not relayed to x@[127.0.0.3]: network failure at [127.0.0.3]: "),
        (MAIL, ["gone@[127.0.0.1]"], "554 not relayed to gone@[127.0.0.1]: 550 gone"),
        (MAIL, ["busy@[127.0.0.1]"], "451 not relayed to busy@[127.0.0.1]: 450 later"),
        (MAIL, ["x@[127.0.0.1]", "x@[127.0.0.3]"], "451 not relayed to x@[127.0.0.3]: "),
        (MAIL, ["x@[127.0.0.1]", "gone@[127.0.0.1]"], "554 not relayed to gone@[127.0.0.1]: 550 gone"),
        (MAIL, ["gone@[127.0.0.1]", "busy@[127.0.0.1]"], "451 not relayed to gone@[127.0.0.1], busy@"),
        (MAIL, ["postmaster"], "554 not relayed to postmaster: 550 5.1.3 The address names no"),
        (
            b"Subject: virus\r\n\r\nx\r\n",
            ["x@[127.0.0.1]"],
            "554 not relayed to x@[127.0.0.1]: 554 no viruses",
        ),
    ],
)
def test_relay_that_fails_is_no_250(body: bytes, recipients: list[str], reply: str) -> None:
    with relaying() as (client, _):
        assert deliver(client, body, *recipients).startswith(reply)
        assert client.say("NOOP") == "250 Ok"


def test_relay_in_lmtp_answers_for_each_recipient() -> None:
    with relaying(protocol="lmtp") as (client, taken):
        client.say("LHLO there", "MAIL FROM:<a@b.example>")
        recipients = ["x@[127.0.0.1]", "x@[127.0.0.3]", "gone@[127.0.0.1]"]
        for recipient in recipients:
            client.say(f"RCPT TO:<{recipient}>")
        client.say("DATA")
        client.send(MAIL + b".\r\n")
        assert client.hear() == "250 2.0.0 delivered to x@[127.0.0.1]"
        assert client.hear().startswith("451 4.0.0 not relayed to x@[127.0.0.3]: ")
        assert client.hear() == "554 5.0.0 not relayed to gone@[127.0.0.1]: 550 gone"
        assert taken.get_nowait()[2] == ["x@[127.0.0.1]"]


def test_other_sessions_are_served_while_a_host_keeps_a_relay_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        options = {"relay": True, "relay_port": silent.getsockname()[1]}
        with serving(options) as address, dialogue(address) as client, dialogue(address) as other:
            client.say("HELO there", "MAIL FROM:<a@b.example>", "RCPT TO:<x@[127.0.0.1]>", "DATA")
            client.send(MAIL + b".\r\n")
            connection, _ = silent.accept()  # the relay waits for a banner from now on
            assert other.say("NOOP") == "250 Ok"
            connection.close()
            assert client.hear().startswith("451 not relayed to x@[127.0.0.1]: ")


# -- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "option", "problem"),
    [
        ({"realy": True}, "callbackoptions.realy", "did you mean callbackoptions.relay?"),
        ([("auth", 1)], "callbackoptions.auth", "not a truth value: 1"),
        ({"size": 0}, "callbackoptions.size", "not a size: 0"),
        ({"size": True}, "callbackoptions.size", "not a size: True"),
        ({"size": "big"}, "callbackoptions.size", "not a size: 'big'"),
        ({"relay_port": 0}, "callbackoptions.relay_port", "allowed: 1 to 65535"),
        ({"protocol": "http"}, "callbackoptions.protocol", "allowed: 'smtp', 'lmtp'"),
        ("auth", None, "not options, but of type str"),
    ],
)
def test_wrong_option(given: Any, option: str | None, problem: str) -> None:
    with pytest.raises(OptionsError) as caught:
        read_example_options(given)
    assert caught.value.option == option
    assert problem in str(caught.value)


def test_options_may_be_a_record_a_mapping_or_pairs() -> None:
    wanted = ExampleOptions(auth=True, size=math.inf)
    assert read_example_options(wanted) == wanted
    assert read_example_options({"auth": True, "size": "infinity"}) == wanted
    assert read_example_options([("auth", True), ("size", math.inf)]) == wanted


def test_wrong_options_are_found_before_a_server_starts() -> None:
    with pytest.raises(OptionsError) as caught, serving({"realy": True}):
        pass
    assert caught.value.option == "sessionoptions.callbackoptions.realy"
    assert "did you mean sessionoptions.callbackoptions.relay?" in str(caught.value)


def test_wrong_options_are_told_in_the_log_and_clients_shall_come_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmtpServerExample, "check_options", classmethod(lambda cls, options: None))
    with serving({"realy": True}) as address:
        client = Dialogue(address)
        assert client.hear() == "421 Error: internal server error"
        client.close()
    assert "did you mean callbackoptions.relay?" in caplog.text


# -- the log ----------------------------------------------------------------------------------------


def test_log_says_what_gen_smtps_prints(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG)
    with serving() as address, dialogue(address) as client:
        reference = deliver(client, MAIL).removeprefix("250 queued as ")
        client.say("EHLO there", "MAIL FROM:<a@b.example> X-OTHER", "RCPT TO:<c@d.example>", "QUIT")
    assert [record.getMessage() for record in caplog.records if record.name == LOG] == [
        "peer: 127.0.0.1",
        "Mail from a@b.example",
        "Mail to c@d.example",
        (
            "message from a@b.example to ['c@d.example'] dropped: this example keeps no mail, "
            f"told as queued as {reference}, body length {len(MAIL)}"
        ),
        "EHLO from there",
        "Unknown MAIL FROM extension X-OTHER",
        "handle_error(out_of_order, RCPT)",
    ]


def test_log_has_no_control_characters_credentials_or_bodies(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        serving({"auth": True, "parse": True}, allow_insecure_auth=True) as address,
        dialogue(address) as client,
    ):
        client.say("EHLO there")
        client.say("AUTH PLAIN " + base64.b64encode(b"\0username\0s3cr3t").decode())
        client.say("HELO a\x1b[2J\x07b")
        deliver(client, b"Subject: x\r\n\r\nconfidential\r\n")
    text = "".join(record.getMessage() for record in caplog.records)
    assert "s3cr3t" not in text
    assert "confidential" not in text
    assert text.isprintable()


def test_message_from_an_actor_or_thread_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG)
    listener = {"address": "127.0.0.1", "port": 0, "domain": HOST}
    with (
        gen_smtp_server.running(SmtpServerExample, [listener]) as server,
        dialogue(gen_smtp_server.addresses(server)[0]),
    ):
        (session,) = gen_smtp_server.sessions(server)
        session.tell({"news": "a\nb"})
        session.stop()
    assert "handle_info({'news': 'a\\nb'})" in caplog.text
