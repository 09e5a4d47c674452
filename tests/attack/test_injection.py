"""What is said in clear must not count inside TLS, nor TLS be talked away."""

from __future__ import annotations

import base64
import socket
import ssl
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.gen_smtp.live import PATIENCE, Client, Queue, everything, serving


@pytest.fixture
def session_options(certificates: Certificates) -> dict[str, Any]:
    return {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}


def shake_hands(client: Client, certificates: Certificates) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=certificates.cafile)
    return context.wrap_socket(client.socket, server_hostname="localhost", suppress_ragged_eofs=False)


INJECTED = [
    b"MAIL FROM:<evil@x.test>\r\n",
    b"RSET\r\n",
    b"EHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\n",
    b"MAIL",
    b"RCPT TO:<evil@x.test>\r\n" * 1000,  # more than is read at one time
]


@pytest.mark.parametrize("injected", INJECTED)
def test_commands_behind_starttls_are_never_run(
    witness: Any, seen: Queue, certificates: Certificates, session_options: Any, injected: bytes
) -> None:
    with serving(witness, sessionoptions=session_options) as server:
        with server.greeted("EHLO client.test") as client:
            client.send(b"STARTTLS\r\n" + injected)
            assert client.reply() == "220 OK"
            with shake_hands(client, certificates) as tls:
                # Were it answered inside TLS, or were half a command kept, this reply would not come first.
                tls.sendall(b"NOOP\r\n")
                assert tls.recv(1000) == b"250 Ok\r\n"
        events = everything(seen)
    assert events == [("EHLO", "client.test")]


def test_what_was_said_before_tls_is_forgotten(
    witness: Any, seen: Queue, certificates: Certificates, session_options: Any
) -> None:
    with (
        serving(witness, sessionoptions=session_options) as server,
        server.greeted("EHLO client.test", "MAIL FROM:<evil@x.test>", "STARTTLS") as client,
        shake_hands(client, certificates) as tls,
    ):
        tls.sendall(b"RCPT TO:<b@y.test>\r\n")
        assert tls.recv(1000) == b"503 Error: need MAIL command\r\n"
        tls.sendall(b"MAIL FROM:<a@x.test>\r\n")
        assert tls.recv(1000) == b"503 Error: send HELO/EHLO first\r\n"


def test_credentials_are_refused_in_clear_before_they_are_looked_at(
    witness: Any, seen: Queue, session_options: Any
) -> None:
    secret = base64.b64encode(b"\0user\0secret").decode()
    with serving(witness, sessionoptions=session_options) as server, server.greeted() as client:
        assert "AUTH" not in client.say("EHLO client.test")
        for line in (f"AUTH PLAIN {secret}", "AUTH LOGIN", "AUTH CRAM-MD5"):
            assert client.say(line)[:3] in ("502", "538")
        client.say("HELO client.test")  # the way down to SMTP without extensions
        assert client.say(f"AUTH PLAIN {secret}")[:3] in ("502", "538")
        assert [event[0] for event in everything(seen)] == ["EHLO", "HELO"]


def test_plaintext_behind_close_notify_is_never_run(
    witness: Any, seen: Queue, certificates: Certificates, session_options: Any
) -> None:
    context = ssl.create_default_context(cafile=certificates.cafile)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    layer = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with serving(witness, protocol="ssl", sessionoptions=session_options) as server:
        with socket.create_connection(server.addresses[0], PATIENCE) as connection:
            _until_done(layer.do_handshake, connection, incoming, outgoing)
            assert _until_done(lambda: layer.read(1000), connection, incoming, outgoing).startswith(b"220 ")
            layer.write(b"EHLO client.test\r\n")
            with pytest.raises(ssl.SSLWantReadError):
                layer.unwrap()
            connection.sendall(outgoing.read() + b"MAIL FROM:<evil@x.test>\r\n")
            while connection.recv(65536):
                pass
        assert [event[0] for event in everything(seen)] == ["EHLO"]


def _until_done(
    step: Any, connection: socket.socket, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> Any:
    while True:
        try:
            result = step()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
        else:
            if outgoing.pending:
                connection.sendall(outgoing.read())
            return result


def test_bytes_in_clear_during_the_handshake_break_it(
    witness: Any, seen: Queue, session_options: Any
) -> None:
    with serving(witness, sessionoptions=session_options) as server:
        with server.greeted("EHLO client.test", "STARTTLS") as client:
            client.send(b"MAIL FROM:<evil@x.test>\r\n")
            while client.socket.recv(65536):  # an alert perhaps, and the end
                pass
        assert [event[0] for event in everything(seen)] == ["EHLO"]
