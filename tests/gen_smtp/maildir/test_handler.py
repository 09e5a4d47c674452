"""`MaildirHandler` behind a real server: what is in the Maildir when the 250 comes, and what faults do."""

from __future__ import annotations

import dataclasses
import email
import errno
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.hub import Hub
from gen_smtp import gen_smtp_server
from gen_smtp.events import CallbackCrashed
from gen_smtp.gen_smtp_server import OptionsError
from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.maildir.handler import DeliveryFailed, MaildirHandler, MaildirOptions
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    DOMAIN,
    MESSAGE,
    PATIENCE,
    Client,
    Server,
    collected,
    listener,
    serving,
    take,
)

PROJECT = Path(__file__).parents[3]
EHLO = "EHLO client.test"
NO_MAILBOX = "550 5.1.1 No such mailbox"
NOT_KNOWN = "451 4.3.0 Error: it can't be known now whether there is such a mailbox"
QUEUED = re.compile(r"250 2\.0\.0 queued as (\d+\.M\d{6}P\d+Q\d+R[0-9a-f]{16}\..+)")


@contextmanager
def keeping(folder: Path, module: Any = MaildirHandler, /, **options: Any) -> Generator[Server]:
    """A server with the handler; `options` are the callback's."""
    sessionoptions = {"callbackoptions": {"maildir": folder, **options}}
    with serving(module, sessionoptions=sessionoptions) as server:
        yield server


def kept(maildir: Path) -> list[bytes]:
    """The messages in `new`, oldest first; nothing is in `tmp` and `cur`."""
    assert [*(maildir / "tmp").iterdir(), *(maildir / "cur").iterdir()] == []
    return [path.read_bytes() for path in sorted((maildir / "new").iterdir())]


def contents(maildir: Path) -> list[str]:
    """The messages in `new`, each as the client sent it, sorted."""
    return sorted(message.partition(b"+0000\n")[2].decode() for message in kept(maildir))


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Received ends with +0000 on every machine."""
    monkeypatch.setattr(
        "gen_smtp.callbacks.trace_fields.rfc5322_timestamp", lambda: "Thu, 01 Jan 2026 00:00:00 +0000"
    )


def send_message(client: Client, *recipients: str, text: str = MESSAGE) -> str:
    """Send a message in a transaction of its own; the last reply."""
    client.say("MAIL FROM:<a@x.test>", *(f"RCPT TO:<{each}>" for each in recipients), "DATA")
    client.send(text)
    return client.reply()


class TestKeeps:
    def test_the_message_is_there_whole_when_its_250_comes(self, tmp_path: Path) -> None:
        with keeping(tmp_path / "box") as server, server.greeted(*DATA) as client:
            client.send("Subject: hello\r\n\r\n..dots\r\n\r\nend\r\n.\r\n")
            queued = QUEUED.fullmatch(client.reply())
            assert queued
            assert kept(tmp_path / "box") == [
                (
                    "Return-Path: <a@x.test>\n"
                    "Delivered-To: b@y.test\n"
                    "Received: from client.test ([127.0.0.1])\n"
                    "\tby mx.test with ESMTP\n"
                    f"\tid {queued[1]}\n"
                    "\tfor <b@y.test>;\n"
                    "\tThu, 01 Jan 2026 00:00:00 +0000\n"
                    "Subject: hello\n\n.dots\n\nend\n"
                ).encode()
            ]
            assert [path.name for path in (tmp_path / "box" / "new").iterdir()] == [queued[1]]

    def test_each_message_of_a_session_is_a_file(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as server, server.greeted(EHLO) as client:
            for number in range(3):
                assert QUEUED.fullmatch(send_message(client, "b@y.test", text=f"{number}\r\n.\r\n"))
        assert contents(tmp_path) == ["0\n", "1\n", "2\n"]

    def test_line_ends_stay_those_of_the_wire_if_wanted(self, tmp_path: Path) -> None:
        with keeping(tmp_path, crlf=True) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert QUEUED.fullmatch(client.reply())
        [message] = kept(tmp_path)
        assert message.endswith(b"+0000\r\nSubject: hello\r\n\r\nhello\r\n")
        assert message.count(b"\n") == message.count(b"\r\n")

    def test_an_empty_message_is_one_too(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as server, server.greeted(*DATA) as client:
            client.send(".\r\n")
            assert QUEUED.fullmatch(client.reply())
        assert contents(tmp_path) == [""]

    def test_the_250_waits_for_the_disk_and_other_clients_do_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reached, go_on, fsync = threading.Semaphore(0), threading.Semaphore(0), os.fsync

        def slow_fsync(descriptor: int) -> None:
            reached.release()
            assert go_on.acquire(timeout=PATIENCE)
            fsync(descriptor)

        with keeping(tmp_path) as server, server.greeted(EHLO) as client, server.greeted() as other:
            send_message(client, "b@y.test")  # the folders are made
            monkeypatch.setattr(os, "fsync", slow_fsync)
            client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
            client.send(MESSAGE)
            for shown in (1, 2):  # the file's fsync comes before it is shown, the folder's after that
                assert reached.acquire(timeout=PATIENCE)
                assert len(list((tmp_path / "new").iterdir())) == shown
                assert other.say("NOOP") == "250 Ok"
                client.socket.setblocking(False)
                with pytest.raises(BlockingIOError):
                    client.socket.recv(1)
                client.socket.settimeout(PATIENCE)
                go_on.release()
            assert QUEUED.fullmatch(client.reply())

    def test_a_client_that_hangs_up_after_its_message_has_sent_it(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            client.close()
        assert contents(tmp_path) == ["Subject: hello\n\nhello\n"]

    def test_a_client_that_hangs_up_before_the_end_has_not(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE.removesuffix(".\r\n"))
            client.close()
        assert list(tmp_path.iterdir()) == []


class TestTraceFields:
    def received(self, message: bytes) -> str:
        return re.sub(r"\n\t", " ", message.partition(b"Received: ")[2].decode()).partition("\n")[0]

    def test_several_recipients_are_named_by_delivered_to_and_not_by_received(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as server, server.greeted(EHLO) as client:
            send_message(client, "b@y.test", "c@y.test", "b@y.test")
        [message] = kept(tmp_path)
        assert re.findall(rb"^Delivered-To: (.*)$", message, re.MULTILINE) == [b"b@y.test", b"c@y.test"]
        assert b"for <" not in message

    def test_the_null_path_stays_one(self, tmp_path: Path) -> None:
        with (
            keeping(tmp_path) as server,
            server.greeted("HELO x", "MAIL FROM:<>", "RCPT TO:<b@y>", "DATA") as client,
        ):
            client.send(MESSAGE)
            assert client.reply().startswith("250 ")
        [message] = kept(tmp_path)
        assert message.startswith(b"Return-Path: <>\n")
        assert "by mx.test with SMTP id" in self.received(message)

    @pytest.mark.parametrize("crlf", [False, True])
    @pytest.mark.parametrize("first", [" Fri, 13 Jan 1970 00:00:00 +0000", "\tX", " ", "\t"])
    def test_a_message_that_begins_with_a_blank_forges_no_date(
        self, tmp_path: Path, first: str, crlf: bool
    ) -> None:
        with keeping(tmp_path, crlf=crlf) as server, server.greeted(*DATA) as client:
            client.send(f"{first}\r\nSubject: x\r\n\r\nbody\r\n.\r\n")
            assert client.reply().startswith("250 ")
        [message] = kept(tmp_path)
        assert "\r" in message.decode() if crlf else "\r" not in message.decode()
        parsed = email.message_from_bytes(message)
        assert parsed.keys() == ["Return-Path", "Delivered-To", "Received"]
        assert parsed["Received"].endswith(
            ";\n\tThu, 01 Jan 2026 00:00:00 +0000".replace("\n", "\r\n" * crlf or "\n")
        )
        text = message.decode().replace("\r\n", "\n")
        assert text.endswith(f"+0000\n\n{first}\nSubject: x\n\nbody\n")

    def test_a_name_like_a_field_is_only_a_name(self, tmp_path: Path) -> None:
        hello = "HELO a) by b; (\u2027[1.2.3.4]\u00a0<x>"
        with keeping(tmp_path) as server, server.greeted(hello, *DATA[1:]) as client:
            client.send(MESSAGE)
            assert client.reply().startswith("250 ")
        [message] = kept(tmp_path)
        assert self.received(message).startswith("from a??by?b????[1.2.3.4]??x? ([127.0.0.1]) by mx.test ")

    def test_addresses_in_utf8_are_kept_so(self, tmp_path: Path) -> None:
        lines = (EHLO, "MAIL FROM:<jörg@x.test> SMTPUTF8", "RCPT TO:<b@münchen.test>", "DATA")
        with keeping(tmp_path) as server, server.greeted(*lines) as client:
            client.send(MESSAGE)
            assert client.reply().startswith("250 ")
        [message] = kept(tmp_path)
        assert message.startswith("Return-Path: <jörg@x.test>\nDelivered-To: b@münchen.test\n".encode())
        assert "with UTF8SMTP id" in self.received(message)

    def test_tls_is_offered_where_it_can_be_and_told(
        self, tmp_path: Path, certificates: Certificates
    ) -> None:
        files = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
        options = {**files, "callbackoptions": {"maildir": tmp_path}}
        trust = ssl.create_default_context(cafile=certificates.cafile)
        with (
            serving(MaildirHandler, sessionoptions=options) as server,
            smtplib.SMTP(*server.addresses[0], timeout=PATIENCE) as client,
        ):
            client.ehlo()
            assert client.has_extn("starttls")
            client.starttls(context=trust)
            client.ehlo()
            assert not client.has_extn("starttls")
            client.sendmail("a@x.test", ["b@y.test"], "Subject: hello\n\nhello\n")
        [message] = kept(tmp_path)
        assert re.search(r"with ESMTPS \(TLSv1\.3, TLS_\w+\) id", self.received(message))

    def test_a_server_without_a_certificate_offers_no_tls(self, tmp_path: Path) -> None:
        with keeping(tmp_path) as server, server.greeted() as client:
            assert "STARTTLS" not in client.say(EHLO)


FAULTS: list[tuple[str, int]] = [("open", 1), ("write", 2), ("fsync", 1), ("rename", 1), ("fsync", 2)]
REPLIES = {
    errno.ENOSPC: "452 4.3.1 Insufficient system storage",
    errno.EDQUOT: "452 4.2.2 Mailbox full",
    errno.EFBIG: "452 4.3.1 Insufficient system storage",
    errno.EIO: "451 4.3.0 Error: the message could not be stored",
    errno.EROFS: "451 4.3.0 Error: the message could not be stored",
    errno.EMFILE: "451 4.3.0 Error: the message could not be stored",
}


def failing(call: Callable[..., Any], number: int, at: int) -> Callable[..., Any]:
    """`call`, whose call number `at` (from 1), not counting the test's, raises instead of being made."""
    made, tests_own = 0, threading.current_thread()

    def once(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += threading.current_thread() is not tests_own
        if made == at:
            raise OSError(number, os.strerror(number))
        return call(*args, **kwargs)

    return once


WRONG: list[tuple[Any, str]] = [
    ({}, "option callbackoptions.maildir: not a path: None"),
    ({"maildir": ""}, "option callbackoptions.maildir: not a path: ''"),
    ({"maildri": "x"}, "did you mean callbackoptions.maildir?"),
    ({"maildir": "x", "mailboxes": "names"}, 'allowed: None, "address", or a function'),
    ({"maildir": "x", "create_mailboxes": 1}, "option callbackoptions.create_mailboxes"),
    ({"maildir": "x", "crlf": "no"}, "option callbackoptions.crlf"),
    ("x", "not options, but of type str"),
]


class TestFaults:
    @pytest.mark.parametrize(("name", "at"), FAULTS)
    @pytest.mark.parametrize("number", REPLIES)
    def test_client_hears_to_come_again_nothing_is_left_and_the_session_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int, number: int
    ) -> None:
        with (
            collected(DeliveryFailed) as failed,
            keeping(tmp_path) as server,
            server.greeted(EHLO) as client,
        ):
            send_message(client, "b@y.test", text="before\r\n.\r\n")
            with monkeypatch.context() as patch:
                patch.setattr(os, name, failing(getattr(os, name), number, at))
                assert send_message(client, "b@y.test") == REPLIES[number]
            told = take(failed)
            assert (told.recipients, told.error.errno) == (("b@y.test",), number)
            assert contents(tmp_path) == ["before\n"]
            assert QUEUED.fullmatch(send_message(client, "b@y.test", text="after\r\n.\r\n"))
        assert contents(tmp_path) == ["after\n", "before\n"]

    def test_a_file_where_the_maildir_should_be_is_one_more(self, tmp_path: Path) -> None:
        (tmp_path / "box").touch()
        with keeping(tmp_path / "box") as server, server.greeted(EHLO) as client:
            assert send_message(client, "b@y.test").startswith("451 4.3.0 ")
            (tmp_path / "box").unlink()
            assert QUEUED.fullmatch(send_message(client, "b@y.test"))

    @pytest.mark.parametrize(("options", "said"), WRONG)
    def test_wrong_options_are_found_before_a_server_starts(self, options: Any, said: str) -> None:
        given = [listener(sessionoptions={"callbackoptions": options})]
        for look in (gen_smtp_server.start, gen_smtp_server.check):
            with pytest.raises(OptionsError) as caught:
                look(MaildirHandler, given)
            assert str(caught.value).startswith("listener 1")
            assert said.rpartition("callbackoptions.")[2] in str(caught.value)

    @pytest.mark.parametrize(("options", "said"), WRONG)
    def test_wrong_options_serve_nobody_and_are_named_in_the_log(self, options: Any, said: str) -> None:
        class Own(MaildirHandler):
            """A class with an `init` of its own may read its options as it likes."""

            def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
                return super().init(hostname, session_count, peername, options)

        with (
            collected(CallbackCrashed) as crashed,
            serving(Own, sessionoptions={"callbackoptions": options}) as server,
            server.client() as client,
        ):
            assert client.reply() == "421 Error: internal server error"
            assert said in str(take(crashed).error)


class TestMailboxes:
    def test_every_recipient_has_his_own_and_sees_no_other_in_it(self, tmp_path: Path) -> None:
        for name in ("bob@y.test", "carol@y.test", "dave@y.test"):
            (tmp_path / name).mkdir()
        with keeping(tmp_path, mailboxes="address") as server, server.greeted(EHLO) as client:
            assert QUEUED.fullmatch(send_message(client, "Bob@Y.test", "carol@y.test", "bob@y.test"))
        [message] = kept(tmp_path / "bob@y.test")
        assert re.findall(rb"^Delivered-To: (.*)$", message, re.MULTILINE) == [b"Bob@Y.test", b"bob@y.test"]
        assert b"carol" not in message
        [message] = kept(tmp_path / "carol@y.test")
        assert b"bob" not in message.lower()
        assert b"\tfor <carol@y.test>;\n" in message
        assert list((tmp_path / "dave@y.test").iterdir()) == []

    @pytest.mark.parametrize(
        "recipient",
        [
            "nobody@y.test",
            "../../etc@y.test",
            "/etc@y.test",
            '"../outside"@y.test',
            "..",
            "x" * 64 + "@" + "y" * 250,
        ],
    )
    def test_who_has_none_is_refused_and_none_is_made(self, tmp_path: Path, recipient: str) -> None:
        root = tmp_path / "boxes"
        (root / "bob@y.test").mkdir(parents=True)
        (tmp_path / "outside@y.test").mkdir()
        with keeping(root, mailboxes="address") as server, server.greeted(EHLO) as client:
            client.say("MAIL FROM:<a@x.test>")
            assert client.say(f"RCPT TO:<{recipient}>") in ("550 5.1.1 No such mailbox", BAD_RECIPIENT)
            assert client.say("RCPT TO:<bob@y.test>") == "250 2.1.5 recipient Ok"
        assert [path.name for path in root.rglob("*")] == ["bob@y.test"]

    @pytest.mark.parametrize(
        "number",
        [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENFILE, errno.ETIMEDOUT, errno.ENOMEM, errno.ELOOP],
    )
    @pytest.mark.parametrize("name", ["bob@y.test", "nobody@y.test"])
    def test_what_the_system_cannot_tell_is_no_reason_to_send_mail_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
    ) -> None:
        (tmp_path / "bob@y.test").mkdir()
        stat = os.stat

        def failing_stat(path: Any, *args: Any, **options: Any) -> Any:
            if str(path).endswith("@y.test"):
                raise OSError(number, os.strerror(number), str(path))
            return stat(path, *args, **options)

        with (
            collected(DeliveryFailed) as failed,
            keeping(tmp_path, mailboxes="address") as server,
            server.greeted(EHLO, "MAIL FROM:<a@x.test>") as client,
        ):
            with monkeypatch.context() as patch:
                patch.setattr(os, "stat", failing_stat)
                assert client.say(f"RCPT TO:<{name}>") == NOT_KNOWN
            told = take(failed)
            assert (told.recipients, told.error.errno) == ((name,), number)
            assert told.folders == (str(tmp_path / name),)
            assert str(tmp_path / name) in str(told)
            assert client.say("RCPT TO:<bob@y.test>")[:3] == "250"
            assert client.say("RCPT TO:<nobody@y.test>") == NO_MAILBOX

    def test_a_volume_that_is_not_mounted_is_no_reason_either(self, tmp_path: Path) -> None:
        root, volume = tmp_path / "boxes", tmp_path / "volume"
        volume.mkdir()
        lines = (EHLO, "MAIL FROM:<a@x.test>")
        with keeping(root, mailboxes="address") as server, server.greeted(*lines) as client:
            assert client.say("RCPT TO:<bob@y.test>") == NOT_KNOWN
            root.mkdir()
            assert client.say("RCPT TO:<bob@y.test>") == NO_MAILBOX
            (root / "bob@y.test").symlink_to(volume / "bob")
            assert client.say("RCPT TO:<bob@y.test>") == NOT_KNOWN
            (volume / "bob").mkdir()
            assert client.say("RCPT TO:<bob@y.test>")[:3] == "250"
            (root / "file@y.test").touch()
            assert client.say("RCPT TO:<file@y.test>") == NO_MAILBOX

    def test_a_link_in_the_middle_may_lead_to_such_a_volume(self, tmp_path: Path) -> None:
        root, volume = tmp_path / "boxes", tmp_path / "volume"
        root.mkdir()
        (root / "y.test").symlink_to(volume)
        lines = (EHLO, "MAIL FROM:<a@x.test>")
        find = {"bob@y.test": "y.test/bob", "eve@z.test": "z.test/eve", "f@y.test": "y.test/file/f"}.get
        with keeping(root, mailboxes=find) as server, server.greeted(*lines) as client:
            assert client.say("RCPT TO:<bob@y.test>") == NOT_KNOWN
            assert client.say("RCPT TO:<eve@z.test>") == NO_MAILBOX
            volume.mkdir()
            assert client.say("RCPT TO:<bob@y.test>") == NO_MAILBOX
            (volume / "file").touch()
            assert client.say("RCPT TO:<f@y.test>") == NO_MAILBOX

    @pytest.mark.parametrize("name", ["tmp", "new"])
    def test_a_folder_that_was_removed_is_made_anew(self, tmp_path: Path, name: str) -> None:
        with keeping(tmp_path) as server, server.greeted(EHLO) as client:
            assert QUEUED.fullmatch(send_message(client, "b@y.test", text="1\r\n.\r\n"))
            shutil.rmtree(tmp_path / name)
            assert send_message(client, "b@y.test", text="2\r\n.\r\n")[:3] == "451"
            assert QUEUED.fullmatch(send_message(client, "b@y.test", text="3\r\n.\r\n"))
        assert contents(tmp_path)[-1] == "3\n"

    def test_they_are_made_if_that_is_wanted(self, tmp_path: Path) -> None:
        options = {"mailboxes": "address", "create_mailboxes": True}
        with keeping(tmp_path / "boxes", **options) as server, server.greeted(EHLO) as client:
            assert QUEUED.fullmatch(send_message(client, '"../../../x"@y.test', "bob@y.test"))
            assert client.say("MAIL FROM:<>", f"RCPT TO:<{'ü' * 60}@y.test>").startswith("5")
        assert {path.name for path in (tmp_path / "boxes").iterdir()} == {
            "%22..%2F..%2F..%2Fx%22@y.test",
            "bob@y.test",
        }
        assert [path.name for path in tmp_path.iterdir()] == ["boxes"]

    def test_a_function_may_find_them_in_a_worker_thread(self, tmp_path: Path) -> None:
        on_hub: list[bool] = []

        def find(recipient: str) -> str | None:
            on_hub.append(Hub.current().is_here())
            local_part, _, domain = recipient.replace('"', "").partition("@")
            return None if local_part == "nobody" else f"{domain}/{local_part}"

        options = {"mailboxes": find, "create_mailboxes": True}
        with keeping(tmp_path / "boxes", **options) as server, server.greeted(EHLO) as client:
            assert QUEUED.fullmatch(send_message(client, "bob@y.test"))
            client.say("MAIL FROM:<>")
            for refused in ("nobody@y.test", '"../.."@y.test', "bob"):
                assert client.say(f"RCPT TO:<{refused}>") == "550 5.1.1 No such mailbox"
        assert contents(tmp_path / "boxes" / "y.test" / "bob") == ["Subject: hello\n\nhello\n"]
        assert [path.name for path in tmp_path.iterdir()] == ["boxes"]
        assert on_hub == [False] * 5

    def test_one_that_is_removed_after_rcpt_keeps_the_message_from_being_taken(self, tmp_path: Path) -> None:
        (tmp_path / "bob@y.test").mkdir()
        lines = (EHLO, "MAIL FROM:<a@x.test>", "RCPT TO:<bob@y.test>", "DATA")
        with keeping(tmp_path, mailboxes="address") as server, server.greeted(*lines) as client:
            (tmp_path / "bob@y.test").rmdir()
            client.send(MESSAGE)
            assert client.reply().startswith("451 4.3.0 ")
        assert list(tmp_path.iterdir()) == []

    def test_a_recipient_that_only_a_derived_class_takes_gets_nothing_in_silence(
        self, tmp_path: Path
    ) -> None:
        class Careless(MaildirHandler):
            def handle_RCPT(self, recipient: str) -> Any:
                return ok

        with (
            keeping(tmp_path, Careless, mailboxes=lambda recipient: None) as server,
            server.greeted(*DATA) as client,
        ):
            client.send(MESSAGE)
            assert client.reply().startswith("451 4.3.0 ")

    def test_where_one_of_them_fails_none_has_the_message(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("b@y.test", "c@y.test"):
            (tmp_path / name).mkdir()
        with keeping(tmp_path, mailboxes="address") as server, server.greeted(EHLO) as client:
            send_message(client, "b@y.test", "c@y.test", text="before\r\n.\r\n")
            with monkeypatch.context() as patch:
                patch.setattr(os, "rename", failing(os.rename, errno.ENOSPC, 2))
                assert send_message(client, "b@y.test", "c@y.test") == REPLIES[errno.ENOSPC]
        assert [contents(tmp_path / name) for name in ("b@y.test", "c@y.test")] == [["before\n"]] * 2


BAD_RECIPIENT = "501 5.1.3 Bad recipient address syntax"


class TestLmtp:
    @contextmanager
    def lmtp(self, folder: Path, **options: Any) -> Generator[Client]:
        """A client of an LMTP server, greeted."""
        sessionoptions = {"protocol": "lmtp", "callbackoptions": {"maildir": folder, **options}}
        with (
            serving(MaildirHandler, sessionoptions=sessionoptions) as server,
            server.greeted("LHLO client.test") as client,
        ):
            yield client

    def test_every_recipient_has_a_result_and_one_that_fails_leaves_the_others_theirs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("b@y", "c@y", "d@y"):
            (tmp_path / name).mkdir()
        with self.lmtp(tmp_path, mailboxes="address") as client:
            assert QUEUED.fullmatch(send_message(client, "b@y", "c@y", "d@y", text="before\r\n.\r\n"))
            assert [client.reply()[:3] for _ in range(2)] == ["250", "250"]
            with monkeypatch.context() as patch:
                patch.setattr(os, "rename", failing(os.rename, errno.EDQUOT, 2))
                first = send_message(client, "b@y", "c@y", "d@y", "B@Y")
            replies = [first, *(client.reply() for _ in range(3))]
        assert [reply[:9] for reply in replies] == ["250 2.0.0", "452 4.2.2", "250 2.0.0", "250 2.0.0"]
        assert [len(kept(tmp_path / name)) for name in ("b@y", "c@y", "d@y")] == [2, 1, 2]

    def test_a_maildir_for_all_has_one_copy_and_a_reply_for_each(self, tmp_path: Path) -> None:
        with self.lmtp(tmp_path) as client:
            replies = [send_message(client, "b@y", "c@y"), client.reply()]
        assert replies[0] == replies[1]
        [message] = kept(tmp_path)
        assert b"with LMTP\n" in message

    def test_a_client_on_a_unix_socket_has_no_address(self, tmp_path: Path, short_path: Path) -> None:
        options = {"protocol": "lmtp", "callbackoptions": {"maildir": tmp_path, "protocol": "lmtp"}}
        listener = {"family": "unix", "address": short_path / "socket", "domain": DOMAIN}
        with (
            gen_smtp_server.running(MaildirHandler, [{**listener, "sessionoptions": options}]) as ref,
            Server(ref).greeted("LHLO client.test") as client,
        ):
            assert QUEUED.fullmatch(send_message(client, "b@y"))
        [message] = kept(tmp_path)
        assert b"Received: from client.test\n\tby mx.test with LMTP\n" in message


def test_a_derived_class_may_refuse_recipients_of_its_own(tmp_path: Path) -> None:
    class Ours(MaildirHandler):
        def handle_RCPT(self, recipient: str) -> Any:
            if not recipient.endswith("@y.test"):
                return error("550 5.7.1 We are not a relay")
            return super().handle_RCPT(recipient)

    with keeping(tmp_path, Ours) as server, server.greeted(EHLO, "MAIL FROM:<a@x.test>") as client:
        assert client.say("RCPT TO:<b@z.test>") == "550 5.7.1 We are not a relay"
        assert client.say("RCPT TO:<b@y.test>") == "250 2.1.5 recipient Ok"


def test_every_option_is_explained() -> None:
    text = (PROJECT / "docs" / "maildir.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(MaildirOptions):
        assert f"\n| `{field.name}` | " in text


def test_the_command_serves_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gen_smtp", "serve", "--address", "127.0.0.1", "--port", "0"]
    command += ["gen_smtp.maildir:MaildirHandler", "--callback-option", "maildir=box"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[2].rpartition(":")[2])
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            client.sendmail("a@x.test", ["b@y.test"], "Subject: hello\n\nhello\n")
        process.terminate()
    [path] = (tmp_path / "box" / "new").iterdir()
    assert path.read_text().endswith("\nSubject: hello\n\nhello\n")
