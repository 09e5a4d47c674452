"""A web page that has its visitor's browser send mail: by an HTTP request whose body is a dialogue."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.gen_smtp.live import PATIENCE, Queue, everything, serving

MAIL = (
    b"EHLO evil.test\r\nLHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<b@y.test>\r\n"
    b"DATA\r\nSubject: evil\r\n\r\n.\r\nQUIT\r\n"
)
BODIES = [MAIL, b"x\r\n" + MAIL, b"\r\n.\r\n" + MAIL, MAIL * 200]
REFUSED = b"421 Error: HTTP request to a mail server\r\n"
PROXY_HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 2525\r\n"


class Request:
    """Takes what `http.client` sends, so that all of it can be sent in one piece."""

    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data


def answer_to(connection: socket.socket, method: str = "POST", path: str = "/", body: bytes = MAIL) -> bytes:
    """All that a browser would hear, which sends its whole request at once."""
    page = http.client.HTTPConnection("mx.test", 2525)
    request = Request()
    page.sock = request  # type: ignore[assignment]
    page.request(method, path, body, {"Content-Type": "text/plain", "Origin": "http://evil.test"})
    connection.settimeout(PATIENCE)
    connection.sendall(request.sent)
    with connection.makefile("rb") as replies:
        return replies.read()


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_a_post_is_refused_and_its_body_never_run(
    witness: Any, seen: Queue, protocol: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with serving(witness, sessionoptions={"protocol": protocol}) as server:
        with socket.create_connection(server.addresses[0]) as connection:
            assert answer_to(connection, body=body).partition(b"\r\n")[2] == REFUSED
        assert everything(seen) == []
    assert "a line refused: 421 Error: HTTP request to a mail server" in caplog.text


@pytest.mark.parametrize("method", ["GET", "PUT", "NOOP", "RSET", "HELO", "MAIL", "x" * 3000])
@pytest.mark.parametrize("path", ["/", "/" + "x" * 3000])
def test_so_is_any_method_with_any_path(witness: Any, seen: Queue, method: str, path: str) -> None:
    with serving(witness) as server:
        with socket.create_connection(server.addresses[0]) as connection:
            assert answer_to(connection, method, path).endswith(REFUSED)
        assert everything(seen) == []


def test_so_it_is_on_a_unix_socket(witness: Any, seen: Queue, short_path: Path) -> None:
    path = str(short_path / "lmtp")
    options: dict[str, Any] = {"family": "unix", "address": path, "port": None}
    with serving(witness, **options, sessionoptions={"protocol": "lmtp"}) as server:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            assert answer_to(connection).endswith(REFUSED)
        assert everything(seen) == []
        assert server.sessions == []


def test_so_it_is_behind_a_proxy_header(witness: Any, seen: Queue) -> None:
    with serving(witness, proxy_protocol=["127.0.0.1"]) as server:
        with socket.create_connection(server.addresses[0]) as connection:
            connection.sendall(PROXY_HEADER)
            assert answer_to(connection).endswith(REFUSED)
        assert everything(seen) == []


@pytest.fixture
def tls_options(certificates: Certificates) -> dict[str, Any]:
    return {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}


def test_so_it_is_inside_tls(
    witness: Any, seen: Queue, tls_options: dict[str, Any], certificates: Certificates
) -> None:
    context = ssl.create_default_context(cafile=certificates.cafile)
    with serving(witness, protocol="ssl", sessionoptions=tls_options) as server:
        with (
            socket.create_connection(server.addresses[0]) as clear,
            context.wrap_socket(clear, server_hostname="localhost") as connection,
        ):
            assert answer_to(connection).endswith(REFUSED)
        assert everything(seen) == []


def test_http_in_clear_is_no_handshake(
    witness: Any, seen: Queue, tls_options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with serving(witness, protocol="ssl", sessionoptions=tls_options) as server:
        with socket.create_connection(server.addresses[0]) as connection:
            assert answer_to(connection) == b""
        assert everything(seen) == []
    assert "http request" in caplog.text


def test_curl_is_refused(
    witness: Any, seen: Queue, require_tool: Callable[[str], str], tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_bytes(MAIL)
    with serving(witness) as server:
        host, port = server.addresses[0]
        command = [require_tool("curl"), "--disable", "--silent", "--http0.9", "--noproxy", "*"]
        url = f"http://{host}:{port}/"
        done = subprocess.run(
            [*command, "--http1.1", "--data-binary", f"@{body}", url],
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stdout.endswith(REFUSED)
        assert everything(seen) == []
