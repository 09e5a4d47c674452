"""A client whose ALPN names protocols and no SMTP among them has mistaken the server, or was made to."""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp.gen_smtp_server_session import ok
from tests.certificates import Certificates
from tests.gen_smtp.live import PATIENCE, Client, Queue, behaviour, collected, everything, serving, take

Names = list[str]
BROWSER = ["h2", "http/1.1"]
REFUSED = "alert no application protocol"


@pytest.fixture
def files(certificates: Certificates) -> dict[str, Any]:
    return {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def client_tls(request: Any, certificates: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.cafile)
    context.maximum_version = request.param
    return context


def shake_hands(context: ssl.SSLContext, client: Client | socket.socket, names: Names) -> ssl.SSLSocket:
    if names:
        context.set_alpn_protocols(names)
    connection = client.socket if isinstance(client, Client) else client
    return context.wrap_socket(connection, server_hostname="localhost")


def test_a_browser_is_refused_in_the_handshake(
    witness: Any,
    seen: Queue,
    files: dict[str, Any],
    client_tls: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with (
        collected(actor_events.TlsFailed) as failures,
        serving(witness, protocol="ssl", sessionoptions=files) as server,
        socket.create_connection(server.addresses[0], PATIENCE) as clear,
    ):
        with pytest.raises(ssl.SSLError, match=REFUSED):
            shake_hands(client_tls, clear, BROWSER)
        assert take(failures).reason == "the client wants another protocol (ALPN): h2, http/1.1"
    assert everything(seen) == []
    assert "failed: the client wants another protocol (ALPN): h2, http/1.1" in caplog.text


def test_so_it_is_behind_starttls(files: dict[str, Any], client_tls: ssl.SSLContext) -> None:
    errors: Queue = queue.SimpleQueue()
    module = behaviour(
        handle_EHLO=lambda self, hostname, extensions: ok([("STARTTLS", True)]),
        handle_error=lambda self, error_class, detail: errors.put((error_class, detail)) or ok,
    )
    with serving(module, sessionoptions=files) as server, server.greeted("EHLO a", "STARTTLS") as client:
        with pytest.raises(ssl.SSLError, match=REFUSED):
            shake_hands(client_tls, client, BROWSER)
        assert take(errors) == (
            "ssl_handshake_error",
            "the client wants another protocol (ALPN): h2, http/1.1",
        )


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        ([], None),
        (["smtp"], "smtp"),
        (["esmtp"], "esmtp"),
        (["lmtp"], "lmtp"),
        (["http/1.1", "smtp"], "smtp"),
        (["lmtp", "h2"], "lmtp"),
    ],
)
@pytest.mark.parametrize("protocol", ["tcp", "ssl"])
def test_who_names_smtp_or_nothing_is_served(
    witness: Any,
    files: dict[str, Any],
    client_tls: ssl.SSLContext,
    names: Names,
    selected: str | None,
    protocol: str,
) -> None:
    with serving(witness, protocol=protocol, sessionoptions=files) as server, server.client() as client:
        if protocol == "tcp":
            client.reply()
            assert client.say("EHLO a", "STARTTLS") == "220 OK"
        with shake_hands(client_tls, client, names) as tls:
            assert tls.selected_alpn_protocol() == selected
            tls.sendall(b"EHLO b\r\n")
            assert tls.recv(1000)[:3] in (b"220", b"250")


@pytest.mark.parametrize("name", ["SMTP", "smtp/1.1", "xsmtp", "\x1b[2J\n"])
def test_a_name_is_taken_as_it_is_and_shown_harmless(
    witness: Any,
    files: dict[str, Any],
    certificates: Certificates,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    context = ssl.create_default_context(cafile=certificates.cafile)
    with (
        collected(actor_events.TlsFailed) as failures,
        serving(witness, protocol="ssl", sessionoptions=files) as server,
        socket.create_connection(server.addresses[0], PATIENCE) as clear,
    ):
        with pytest.raises(ssl.SSLError, match=REFUSED):
            shake_hands(context, clear, [name] * 50)
        assert take(failures).reason.count(name) == 4
    [line] = [line for line in caplog.text.splitlines() if "ALPN" in line]
    assert line.isprintable()
    assert all("[2J" not in other for other in caplog.text.splitlines() if other != line)


def test_a_context_of_the_users_own_is_no_way_around_it(
    witness: Any, files: dict[str, Any], client_tls: ssl.SSLContext
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["certfile"], files["keyfile"])
    with serving(witness, protocol="ssl", sessionoptions={"tls_options": context}) as server:
        with (
            socket.create_connection(server.addresses[0], PATIENCE) as clear,
            pytest.raises(ssl.SSLError, match=REFUSED),
        ):
            shake_hands(client_tls, clear, BROWSER)
        with (
            socket.create_connection(server.addresses[0], PATIENCE) as clear,
            shake_hands(client_tls, clear, ["smtp"]) as tls,
        ):
            assert tls.recv(1000).startswith(b"220 ")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_hears_why(
    witness: Any,
    files: dict[str, Any],
    certificates: Certificates,
    require_tool: Callable[[str], str],
    version: str,
) -> None:
    with serving(witness, protocol="ssl", sessionoptions=files) as server:
        url = f"https://localhost:{server.addresses[0][1]}/"
        command = [require_tool("curl"), "--disable", "--silent", "--show-error", "--ipv4", "--noproxy", "*"]
        done = subprocess.run(
            [*command, "--cacert", certificates.cafile, version, "--data", "EHLO x", url],
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 35  # CURLE_SSL_CONNECT_ERROR
    assert b"no application protocol" in done.stderr
