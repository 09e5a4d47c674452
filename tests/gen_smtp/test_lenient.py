"""The option `lenient` of a real server: no octet that it let in gets out in a wrong form."""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp import gen_smtp_server, gen_smtp_server_session, smtp_util
from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.maildir.handler import MaildirHandler
from gen_smtp.smtp_server_example import SmtpServerExample
from tests.gen_smtp.live import (
    MESSAGE,
    Client,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    listener,
    serving,
)

LATIN_1 = "drückerei".encode("latin-1")
AS_TEXT = "dr\udcfcckerei"
LENIENT = {"lenient": True, "allow_insecure_auth": True}


def hello(client: Client) -> str:
    client.send(b"EHLO " + LATIN_1 + b"\r\n")
    return client.reply()


def deliver(client: Client, sender: str, *recipients: str) -> str:
    """A message whose envelope is written as it stands here; the last reply."""
    client.say(f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients), "DATA")
    client.send(MESSAGE)
    return client.reply()


class TestWhatTheCallbacksAreGiven:
    def test_names_credentials_and_addresses(self) -> None:
        seen: list[Any] = []

        def handle_auth(self: Any, mechanism: str, username: str, credential: str) -> Any:
            seen.append((username, credential.encode("utf-8", "surrogateescape")))
            return ok if smtp_util.compare_secrets(credential, AS_TEXT) else error

        def handle_data(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
            seen.append((sender, recipients, self.session.helo, self.session.user))
            return ok("taken")

        def handle_ehlo(self: Any, hostname: str, extensions: Any) -> Any:
            seen.append(hostname)
            return ok([*extensions, ("AUTH", "PLAIN")])

        module = behaviour(handle_AUTH=handle_auth, handle_DATA=handle_data, handle_EHLO=handle_ehlo)
        password = base64.b64encode(b"\0j\xf6\0" + LATIN_1).decode()
        with serving(module, sessionoptions=LENIENT) as server, server.greeted() as client:
            assert hello(client).startswith("250-mx.test")
            assert client.say(f"AUTH PLAIN {password}") == "235 Authentication successful."
            assert deliver(client, "ilo.@x.test.", "a..b@y.test", ".c@y.test.") == "250 taken"
            (ref,) = server.sessions
            assert gen_smtp_server_session.info(ref).helo == AS_TEXT
        recipients = ['"a..b"@y.test', '".c"@y.test']
        assert seen == [AS_TEXT, ("j\udcf6", LATIN_1), ('"ilo."@x.test', recipients, AS_TEXT, "j\udcf6")]

    def test_the_log_has_them_in_ascii(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        module = behaviour(
            handle_EHLO=ok([("AUTH", "PLAIN")]),
            handle_AUTH=error,
            handle_RCPT=error("550 no"),
            handle_other=lambda self, verb, arguments: 1 / 0 if "crash" in arguments else arguments,
        )
        with (
            collected(actor_events.Event) as told,
            serving(module, sessionoptions=LENIENT) as server,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            hello(client)
            client.send(b"AUTH PLAIN " + base64.b64encode(b"\0j\xf6\0secret") + b"\r\n")
            client.reply()
            client.say("MAIL FROM:<ilo.@x>", "RCPT TO:<a..b@y>")
            client.send(b"X-OTHER \xf6\r\n")
            client.reply()
            client.send(b"X-OTHER \xf6 crash\r\n")
            client.rest()
            ended(ref)
        lines = [str(event) for event in everything(told)] + caplog.messages
        assert any(r"hello dr\udcfcckerei" in line for line in lines)
        assert any(r"j\udcf6" in line for line in lines)
        assert all(line.isascii() for line in lines)

    def test_without_the_option_nothing_of_it_is_taken(self) -> None:
        with serving(behaviour()) as server, server.greeted() as client:
            assert hello(client) == "501 Error: text is not valid UTF-8"
            assert client.say("EHLO x.", "MAIL FROM:<ilo.@x>") == "501 Bad sender address syntax"
            assert client.say("MAIL FROM:<a@x.>", "RCPT TO:<a..b@x>") == "501 Bad recipient address syntax"
            assert client.say("RCPT TO:<a@x.>") == "250 recipient Ok"


class TestAMaildir:
    @staticmethod
    @contextmanager
    def keeping(folder: Path, **options: Any) -> Generator[Server]:
        sessionoptions = {**LENIENT, "callbackoptions": {"maildir": folder, **options}}
        with serving(MaildirHandler, sessionoptions=sessionoptions) as server:
            yield server

    def test_the_trace_fields_are_in_order(self, tmp_path: Path) -> None:
        with self.keeping(tmp_path / "mail") as server, server.greeted() as client:
            hello(client)
            assert deliver(client, "ilo.@x.test.", "a..b@y.test.").startswith("250")
        (message,) = (tmp_path / "mail" / "new").iterdir()
        trace = message.read_bytes().partition(b"Subject:")[0].decode("ascii")
        assert 'Return-Path: <"ilo."@x.test>\n' in trace
        assert 'Delivered-To: "a..b"@y.test\n' in trace
        assert "Received: from dr?ckerei ([127.0.0.1])\n" in trace
        assert '\tfor <"a..b"@y.test>;\n' in trace

    def test_a_final_dot_makes_no_other_mailbox(self, tmp_path: Path) -> None:
        """And quotes that were not sent make no other than those that were."""
        (tmp_path / "a@y.test").mkdir()
        options = {"mailboxes": "address", "create_mailboxes": True}
        with self.keeping(tmp_path, **options) as server, server.greeted() as client:
            hello(client)
            for recipient in ("a@y.test", "A@Y.test.", "a..b@y.test", '"a..b"@y.test.'):
                assert deliver(client, "", recipient).startswith("250")
        counts = {path.name: len([*(path / "new").iterdir()]) for path in tmp_path.iterdir()}
        assert counts == {"a@y.test": 2, "%22a..b%22@y.test": 2}


class TestARelay:
    def test_a_strict_host_takes_what_it_gets(self) -> None:
        seen: list[Any] = []

        def handle_data(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
            seen.append((sender, recipients, self.session.helo, data))
            return ok("taken")

        with serving(behaviour(handle_DATA=handle_data)) as host:
            options = {"relay": True, "relay_port": host.addresses[0][1]}
            place = listener(sessionoptions={**LENIENT, "callbackoptions": options})
            with gen_smtp_server.running(SmtpServerExample, [place]) as ref, Server(ref).greeted() as client:
                hello(client)
                reply = deliver(client, "ilo.@x.test.", "a..b@[127.0.0.1]")
        assert reply.startswith("250 queued as")
        ((sender, recipients, helo, data),) = seen
        assert (sender, recipients, helo) == ('"ilo."@x.test', ['"a..b"@[127.0.0.1]'], "mx.test")
        assert data + b".\r\n" == MESSAGE.encode()
