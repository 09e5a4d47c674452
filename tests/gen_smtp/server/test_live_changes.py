"""A server changes while it runs: its callback class, its listeners, its certificates."""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors import Endpoint, launch
from actors.net.sockets import InheritedSocket, open_socket
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok
from gen_smtp.options.parsing import parse_options
from gen_smtp.server.server import SmtpServer
from tests.certificates import CertificateFiles, Certificates
from tests.gen_smtp.live import MESSAGE, PATIENCE, RCPT, Client, Queue, behaviour, listener, serving, take


class Old(Behaviour):
    """The class a server is started with."""

    vsn: Any = "1"

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.noted: list[str] = []
        return ok("old")

    def handle_MAIL(self, sender: str) -> Any:
        self.noted.append(sender)
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        return ok("by old")

    def handle_VRFY(self, address: str) -> Any:
        return ok(f"old {len(self.noted)}")


class New(Old):
    """The class it goes on with."""

    vsn = "2"
    came_from: Any = None

    def init(self, *args: Any) -> Any:
        super().init(*args)
        return ok("new")

    @classmethod
    def code_change(cls, old_vsn: Any, old: Behaviour, extra: Any) -> Any:
        new = super().code_change(old_vsn, old, extra)
        new.came_from = (old_vsn, extra)
        return new

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        return ok("by new")

    def handle_VRFY(self, address: str) -> Any:
        return ok(f"new {len(self.noted)} {self.came_from} {self.session.helo}")


class Stubborn(New):
    """A class that can't be changed to."""

    @classmethod
    def code_change(cls, old_vsn: Any, old: Behaviour, extra: Any) -> Any:
        raise ValueError("not this one")


def test_new_sessions_use_the_new_class_and_live_ones_change_to_it() -> None:
    with serving(Old) as server, server.greeted("EHLO me", "MAIL FROM:<a@x.test>", "RSET") as client:
        [session] = server.sessions
        change = gen_smtp_server.change_code(server.ref, New, "extra")
        assert change.changed == (session,)
        assert not change.kept
        assert client.say("VRFY a") == "250 new 1 ('1', 'extra') me"
        with server.client() as later:
            assert later.reply() == "220 new"
            assert later.say("VRFY a") == "250 new 0 None None"


def test_a_session_whose_code_change_fails_keeps_the_old_code_and_is_named() -> None:
    with serving(Old) as server, server.greeted() as client:
        [session] = server.sessions
        change = gen_smtp_server.change_code(server.ref, Stubborn)
        assert change.changed == ()
        assert str(change.kept[session]) == "not this one"
        assert client.say("VRFY a") == "250 old 0"


def test_a_session_that_has_the_class_already_is_left_alone() -> None:
    class Same(Old):
        @classmethod
        def code_change(cls, old_vsn: Any, old: Behaviour, extra: Any) -> Any:
            raise AssertionError("there is nothing to change")

    with serving(Same) as server, server.greeted("EHLO me", "MAIL FROM:<a@x.test>", "RSET") as client:
        change = gen_smtp_server.change_code(server.ref, Same)
        assert (change.changed, change.kept) == ((), {})
        assert client.say("VRFY a") == "250 old 1"


def test_a_code_change_that_gives_no_behaviour_changes_nothing() -> None:
    wrong = behaviour(code_change=classmethod(lambda cls, old_vsn, old, extra: 42))
    with serving(Old) as server, server.greeted() as client:
        [error] = gen_smtp_server.change_code(server.ref, wrong).kept.values()
        assert "42" in str(error)
        assert client.say("VRFY a") == "250 old 0"


def test_a_class_of_the_wrong_shape_changes_nothing() -> None:
    with serving(Old) as server:
        with pytest.raises(gen_smtp_server.BehaviourError):
            gen_smtp_server.change_code(server.ref, object)
        with server.client() as client:
            assert client.reply() == "220 old"


def test_a_message_under_way_is_finished_by_the_new_class() -> None:
    with serving(Old) as server, server.greeted(*RCPT, "DATA") as client:
        client.send("Subject: half\r\n")
        gen_smtp_server.change_code(server.ref, New)
        client.send("\r\nof it\r\n.\r\n")
        assert client.reply() == "250 by new"


def test_a_session_in_a_callback_is_named_and_changes_when_that_returns() -> None:
    entered, go_on = Queue(), threading.Event()

    def handle_VRFY(self: Any, address: str) -> Any:
        entered.put(True)
        go_on.wait(PATIENCE)
        return ok("old")

    busy = behaviour(handle_VRFY=handle_VRFY, blocking={"handle_VRFY"})
    with serving(busy) as server, server.greeted() as client:
        [session] = server.sessions
        client.send("VRFY a\r\n")
        take(entered)
        change = gen_smtp_server.change_code(server.ref, behaviour(handle_VRFY=ok("new")), timeout=0.01)
        assert isinstance(change.kept[session], pykka.Timeout)
        go_on.set()
        assert client.reply() == "250 old"
        assert client.say("VRFY a") == "250 new"


def test_a_callback_may_change_the_code_of_its_own_server() -> None:
    def handle_RSET(self: Any) -> None:
        gen_smtp_server.change_code(self.session.server, behaviour(handle_VRFY=ok("new")))

    with serving(behaviour(handle_RSET=handle_RSET)) as server, server.greeted() as client:
        client.send("RSET\r\nVRFY a\r\n")
        assert client.reply() == "250 Ok"
        assert client.reply() == "250 new"


def test_a_session_changes_though_its_listener_is_gone() -> None:
    with serving(Old) as server:
        added = gen_smtp_server.add_listener(server.ref, listener())
        with Client(added) as client:
            client.reply()
            gen_smtp_server.remove_listener(server.ref, added)
            assert len(gen_smtp_server.change_code(server.ref, New).changed) == 1
            assert client.say("VRFY a").startswith("250 new")


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_dropped_or_answered_twice_in_a_pipelined_session(seed: int) -> None:
    """Ten messages in one stream, cut anywhere, while the code changes to and fro."""
    draw = random.Random(seed)
    lines = ["EHLO me\r\n"]
    for number in range(10):
        lines += [f"MAIL FROM:<{number}@x.test>\r\n", "RCPT TO:<b@y.test>\r\n", "DATA\r\n", MESSAGE]
    stream = "".join([*lines, "VRFY a\r\n", "QUIT\r\n"])
    with serving(Old) as server, server.client() as client:
        client.reply()
        while stream:
            cut = draw.randint(1, 200)
            client.send(stream[:cut])
            stream = stream[cut:]
            gen_smtp_server.change_code(server.ref, draw.choice([Old, New]))
        replies = [client.reply() for _ in range(1 + 4 * 10 + 1)]
        assert [reply[:3] for reply in replies[1:-1]] == ["250", "250", "354", "250"] * 10
        assert replies[-1].split()[2] == "10"  # the state went along each time
        assert client.reply().startswith("221")
        assert client.reply() == ""


def test_a_listener_added_serves_and_its_sessions_stay_when_it_is_removed() -> None:
    with serving(Old) as server:
        added = gen_smtp_server.add_listener(server.ref, listener(domain="other.test"))
        assert gen_smtp_server.addresses(server.ref) == [server.addresses[0], added]
        with Client(added) as client:
            client.reply()
            assert client.say("HELO me") == "250 other.test"
            gen_smtp_server.remove_listener(server.ref, added)
            assert gen_smtp_server.addresses(server.ref) == server.addresses
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(added)
            assert client.say("NOOP") == "250 Ok"
            assert len(server.sessions) == 1


def test_a_listener_may_be_removed_by_its_record() -> None:
    with serving(Old) as server:
        [record] = gen_smtp_server.listeners(server.ref)
        gen_smtp_server.remove_listener(server.ref, record)
        assert gen_smtp_server.listeners(server.ref) == []


def test_removing_what_is_not_there_says_so() -> None:
    with serving(Old) as server, pytest.raises(LookupError, match="does not listen on"):
        gen_smtp_server.remove_listener(server.ref, ("127.0.0.1", 1))


def test_an_old_record_of_a_listener_is_not_found() -> None:
    with serving(Old) as server:
        [record] = gen_smtp_server.listeners(server.ref)
        gen_smtp_server.remove_listener(server.ref, record)
        with pytest.raises(LookupError, match=r"the listener on '127\.0\.0\.1' is gone"):
            gen_smtp_server.remove_listener(server.ref, record)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_sockets_to_pass_on_are_all_there_or_none(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def dup(descriptor: int) -> int:
        if len(made) == failing:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.append(real_dup(descriptor))
        return made[-1]

    real_dup = os.dup
    with gen_smtp_server.running(Old, [listener(), listener(), listener()]) as ref:
        monkeypatch.setattr(os, "dup", dup)
        with pytest.raises(OSError, match="Too many open files"):
            ref.proxy().sockets_to_pass_on().get(timeout=PATIENCE)
        monkeypatch.undo()
        assert len(made) == failing
        for descriptor in made:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)


def test_inherited_sockets_are_closed_though_the_server_did_not_come_to_open_them() -> None:
    """The first listener fails, before the second one has taken its socket."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        inherited = open_socket(Endpoint("127.0.0.1", 0))
        options = parse_options([listener(port=taken.getsockname()[1]), listener()])
        with pytest.raises(gen_smtp_server.ListenError):
            launch(SmtpServer(Old, options, [None, InheritedSocket(inherited)]))
        assert inherited.fileno() == -1


def test_a_listener_that_can_not_be_added_leaves_the_server_as_it_was() -> None:
    with serving(Old) as server:
        with pytest.raises(gen_smtp_server.ListenError):
            gen_smtp_server.add_listener(server.ref, listener(port=server.addresses[0][1]))
        with pytest.raises(gen_smtp_server.OptionsError):
            gen_smtp_server.add_listener(server.ref, {"prot": 1})
        assert gen_smtp_server.addresses(server.ref) == server.addresses
        with server.greeted():
            pass


def test_a_suspended_server_accepts_nobody_and_loses_nobody() -> None:
    with serving(Old) as server, server.greeted() as before:
        gen_smtp_server.suspend(server.ref)
        with server.client() as waiting:
            # An answered command shows that the server has had its turn since the connection came.
            assert before.say("NOOP") == "250 Ok"
            assert len(server.sessions) == 1
            gen_smtp_server.resume(server.ref)
            assert waiting.reply() == "220 old"


def copy(source: CertificateFiles, target: Path) -> dict[str, str]:
    """Put a certificate and its key where the server's options point; those options."""
    options = {"certfile": str(target / "cert.pem"), "keyfile": str(target / "key.pem")}
    shutil.copy(source.certfile, options["certfile"])
    shutil.copy(source.keyfile, options["keyfile"])
    return options


def subject_at(address: Any, cafile: str, name: str) -> ssl.SSLSocket:
    """A TLS connection to the server, if its certificate is for `name`."""
    context = ssl.create_default_context(cafile=cafile)
    return context.wrap_socket(socket.create_connection(address, PATIENCE), server_hostname=name)


def test_reloaded_certificates_are_for_new_handshakes(certificates: Certificates, tmp_path: Path) -> None:
    options = copy(certificates.one, tmp_path)
    with serving(Old, protocol="ssl", sessionoptions=options) as server:
        [address] = server.addresses
        with subject_at(address, certificates.cafile, "one.example") as before:
            assert before.recv(100).startswith(b"220")
            copy(certificates.two, tmp_path)
            gen_smtp_server.reload_tls(server.ref)
            with subject_at(address, certificates.cafile, "two.example") as after:
                assert after.recv(100).startswith(b"220")
            before.sendall(b"NOOP\r\n")
            assert before.recv(100) == b"250 Ok\r\n"


def test_certificates_are_reloaded_though_another_option_would_be_refused_now(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A folder that is gone has nothing to do with certificates."""
    spool = tmp_path / "spool"
    spool.mkdir()
    options = {**copy(certificates.one, tmp_path), "spool_threshold": 1000, "spool_directory": str(spool)}
    with serving(Old, protocol="ssl", sessionoptions=options) as server:
        spool.rmdir()
        copy(certificates.two, tmp_path)
        gen_smtp_server.reload_tls(server.ref)
        with subject_at(server.addresses[0], certificates.cafile, "two.example") as client:
            assert client.recv(100).startswith(b"220")


def test_a_bad_certificate_leaves_the_good_one(certificates: Certificates, tmp_path: Path) -> None:
    options = copy(certificates.one, tmp_path)
    with serving(Old, protocol="ssl", sessionoptions=options) as server:
        (tmp_path / "key.pem").write_text("no key")
        with pytest.raises(gen_smtp_server.OptionsError) as wrong:
            gen_smtp_server.reload_tls(server.ref)
        assert wrong.value.option == "sessionoptions.keyfile"
        with subject_at(server.addresses[0], certificates.cafile, "one.example") as client:
            assert client.recv(100).startswith(b"220")
