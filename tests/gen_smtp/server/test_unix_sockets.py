"""Unix sockets: names without a file, and what the log says of clients without an address."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import Endpoint, events, launch
from actors.net.sockets import InheritedSocket, address_bound, open_socket
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.parsing import parse_options
from gen_smtp.process.inherited import FoundSocket, distribute
from gen_smtp.server.server import SmtpServer
from gen_smtp.workers.shared_sockets import SharedSockets
from tests.gen_smtp.live import DATA, MESSAGE, Client, Server, behaviour, ended, serving

_numbers = itertools.count()


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An abstract name that nobody has, in a folder where no file may come to be."""
    monkeypatch.chdir(tmp_path)
    return f"@gen-smtp-test-{os.getpid()}-{next(_numbers)}"


@contextmanager
def abstract(name: str, module: Any = Behaviour) -> Generator[Server]:
    with serving(module, family="unix", address=name, port=None) as server:
        yield server


def client_of(name: str) -> Client:
    return Client("\0" + name.removeprefix("@"))


class TestAnAbstractName:
    def test_is_served_without_a_file(self, name: str) -> None:
        with abstract(name) as server:
            assert server.addresses == [name]
            assert os.listdir() == []
            with client_of(name) as client:
                assert client.reply() == "220 mx.test ESMTP"
                assert client.say("QUIT") == "221 Bye"
        assert os.listdir() == []
        with pytest.raises(ConnectionRefusedError):
            client_of(name)

    def test_leaves_a_file_of_that_name_alone(self, name: str) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(name)
        with abstract(name) as server:
            server.ref.proxy().own_files(True).get()
        assert os.listdir() == [name]

    def test_that_is_taken_is_an_error(self, name: str) -> None:
        with abstract(name), pytest.raises(gen_smtp_server.ListenError, match=f"{name}.*in use"):
            launch(SmtpServer(Behaviour, parse_options([{"family": "unix", "address": name}])))

    def test_is_found_by_its_address_and_by_its_record(self, name: str) -> None:
        with serving() as server:
            options = {"family": "unix", "address": name}
            assert gen_smtp_server.add_listener(server.ref, options) == name
            gen_smtp_server.remove_listener(server.ref, name)
            gen_smtp_server.add_listener(server.ref, options)
            record = gen_smtp_server.listeners(server.ref)[1]
            assert record.port is None
            gen_smtp_server.remove_listener(server.ref, record)
            assert len(gen_smtp_server.addresses(server.ref)) == 1

    def test_is_restarted_where_it_was(self, name: str) -> None:
        with abstract(name) as server:
            (listening,) = server.ref._actor_weakref().listener_group
            listening.ref.kill()
            ended(listening.ref)
            assert gen_smtp_server.addresses(server.ref) == [name]
            with client_of(name) as client:
                assert client.reply().startswith("220")

    def test_is_shared_by_workers_and_inherited(self, name: str) -> None:
        options = parse_options([{"family": "unix", "address": name}])
        sockets = SharedSockets(options)
        try:
            assert sockets.addresses == [name]
            sockets.own_files(True)
            found = FoundSocket(sockets.sockets[0], "systemd's")
            assert str(found) == f"{name} (systemd's)"
            assert distribute([found], options, strictly=True) == [sockets.sockets[0]]
            server = launch(SmtpServer(Behaviour, options, [InheritedSocket(sockets.sockets[0])]))
            with client_of(name) as client:
                assert client.reply().startswith("220")
            server.stop()
        finally:
            sockets.close()

    def test_is_no_file_of_that_name(self, name: str) -> None:
        options = parse_options([{"family": "unix", "address": os.path.abspath(name)}])
        with contextlib.closing(open_socket(Endpoint(name, None, "unix"))) as opened:
            assert address_bound(opened) == name
            found = FoundSocket(opened, "systemd's")
            with pytest.raises(gen_smtp_server.ActivationError):
                distribute([found], options, strictly=True)

    @pytest.mark.parametrize(
        ("options", "wrong"),
        [({"mode": 0o660}, "mode"), ({"group": os.getgid()}, "group"), ({"address": "@"}, "address")],
    )
    def test_has_no_permissions_and_no_empty_name(self, options: dict[str, Any], wrong: str) -> None:
        with pytest.raises(OptionsError) as caught:
            parse_options([{"family": "unix", "address": "@name", **options}])
        assert caught.value.option == wrong


class TestTheLog:
    def test_calls_a_client_without_an_address_a_unix_socket(
        self, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        module = behaviour(handle_VRFY=error("550 no"))
        with abstract(name, module) as server, client_of(name) as client:
            client.reply()
            client.say(*DATA)
            (session,) = server.sessions
            client.send(MESSAGE)
            client.reply()
            client.say("VRFY a@b.test", "QUIT")
            ended(session)
            gen_smtp_server.stop(server.ref)
        lines = [record.getMessage() for record in caplog.records if session.actor_urn in record.getMessage()]
        assert len(lines) == 4  # the start, the mail, the refusal, the end
        assert all("unix socket" in line for line in lines), lines
        assert not any("None" in line for line in lines), lines

    def test_says_so_of_tls_too(self) -> None:
        assert str(events.TlsFailed("", "no shared cipher")) == (
            "TLS handshake with unix socket failed: no shared cipher"
        )
        assert "with unix socket is under" in str(events.TlsEstablished("one", "", "TLSv1.3", "AES"))
        assert "with /run/client is under" in str(
            events.TlsEstablished("one", "/run/client", "TLSv1.3", "AES")
        )
