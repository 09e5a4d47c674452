"""openssl s_client: a TLS client of its own, by STARTTLS in SMTP and LMTP and from the first octet."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest

from tests.certificates import Certificates
from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PATIENCE, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER, stuff

Connect = Callable[..., str]

VERSIONS = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}


def session(hello: str, message: bytes) -> bytes:
    """A whole session, all of it sent at once."""
    envelope = f"{hello} openssl.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n"
    return envelope.encode() + stuff(message) + b"QUIT\r\n"


@pytest.fixture
def s_client(run_client: Callable[..., str], certificates: Certificates) -> Connect:
    """`s_client(port, *arguments, input=...)`: talk until the server closes; what came."""

    def run(port: int, *arguments: str, input: bytes = b"", exit_code: int = 0) -> str:
        trust = ["-CAfile", certificates.cafile, "-verify_return_error", "-verify_hostname", "localhost"]
        connect = ["-connect", f"127.0.0.1:{port}", "-quiet"]
        return run_client(
            "openssl", "s_client", *connect, *trust, *arguments, input=input, exit_code=exit_code
        )

    return run


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", ["rsa", "ecdsa", "encrypted"])
def test_starttls(
    s_client: Connect,
    serve: Serve,
    collector: Collector,
    certificates: Certificates,
    version: str,
    key: str,
) -> None:
    files = getattr(certificates, key)
    tls = {"certfile": files.certfile, "keyfile": files.keyfile, "password": certificates.password}
    port = serve({"tls_options": tls}).port
    lines = session("EHLO", MESSAGES["attachments"])
    output = s_client(port, "-starttls", "smtp", "-name", "openssl.example", version, input=lines)
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.tls.version == VERSIONS[version]
    assert mail.data == MESSAGES["attachments"]
    assert output.rstrip().endswith("221 Bye")
    assert "STARTTLS" not in output[output.index("250-mx.example") :]


@pytest.mark.parametrize("version", VERSIONS)
def test_implicit_tls(
    s_client: Connect, serve: Serve, with_certificate: dict[str, Any], collector: Collector, version: str
) -> None:
    port = serve(with_certificate, protocol="ssl").port
    output = s_client(port, version, input=session("EHLO", MESSAGES["5 MiB"]))
    assert collector.mail().data == MESSAGES["5 MiB"]
    assert "220 mx.example ESMTP" in output
    assert "250-STARTTLS" not in output


def test_starttls_in_lmtp(
    s_client: Connect, serve: Serve, with_certificate: dict[str, Any], collector: Collector
) -> None:
    port = serve(with_certificate | {"protocol": "lmtp"}).port
    starttls = ["-starttls", "lmtp", "-name", "openssl.example"]
    s_client(port, *starttls, input=session("LHLO", MESSAGES["NUL"]))
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.data == MESSAGES["NUL"]


def test_a_version_older_than_the_minimum_is_refused(
    s_client: Connect, serve: Serve, certificates: Certificates, collector: Collector
) -> None:
    tls = {
        "certfile": certificates.ecdsa.certfile,
        "keyfile": certificates.ecdsa.keyfile,
        "minimum_version": "TLSv1.3",
    }
    port = serve({"tls_options": tls}, protocol="ssl").port
    output = s_client(port, "-tls1_2", exit_code=1)
    assert "alert protocol version" in output
    s_client(port, "-tls1_3", input=session("EHLO", MESSAGES["dots"]))
    assert collector.mail().data == MESSAGES["dots"]


def test_a_client_that_does_not_believe_the_certificate_leaves(
    s_client: Connect, serve: Serve, certificates: Certificates, collector: Collector
) -> None:
    tls = {"certfile": certificates.one.certfile, "keyfile": certificates.one.keyfile}
    port = serve({"tls_options": tls}).port
    output = s_client(port, "-starttls", "smtp", input=session("EHLO", MESSAGES["dots"]), exit_code=1)
    assert "hostname mismatch" in output.lower()
    assert collector.end() == "normal"
    assert collector.mails.empty()


class Terminal:
    """s_client as one types into it: a line that begins with R renegotiates, one with K changes keys."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._keyboard: IO[bytes] = process.stdin
        self._screen: IO[bytes] = process.stdout

    def type(self, line: bytes) -> None:
        """Send a line."""
        self._keyboard.write(line + b"\r\n")
        self._keyboard.flush()

    def wait_for(self, text: bytes) -> bytes:
        """Read up to the line with `text`; that line, empty when s_client ends without."""
        return next((line for line in self._screen if text in line), b"")


@pytest.fixture
def terminal(
    require_tool: Callable[[str], str], serve: Serve, with_certificate: dict[str, Any]
) -> Iterator[Callable[[str], Terminal]]:
    """`terminal(version)`: s_client connected to a server with implicit TLS, its banner read."""
    started: list[subprocess.Popen[bytes]] = []

    def start(version: str) -> Terminal:
        port = serve({**with_certificate, "timeout": PATIENCE}, protocol="ssl").port
        process = subprocess.Popen(
            [require_tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        opened = Terminal(process)
        assert opened.wait_for(b"220 ") == b"220 mx.example ESMTP collector\r\n"
        return opened

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_renegotiation_is_refused_at_once(
    terminal: Callable[[str], Terminal], collector: Collector
) -> None:
    client = terminal("-tls1_2")
    client.type(b"R")
    assert client.wait_for(b"no renegotiation")
    assert client.process.wait(PATIENCE) == 1
    assert collector.end() == "normal"
    assert collector.error()[0] != "timeout"


def test_keys_may_be_changed(terminal: Callable[[str], Terminal], collector: Collector) -> None:
    client = terminal("-tls1_3")
    for _ in range(3):
        client.type(b"K")
        assert client.wait_for(b"KEYUPDATE")
        client.type(b"NOOP")
        assert client.wait_for(b"250 ") == b"250 Ok\r\n"
    client.process.communicate(timeout=PATIENCE)
    assert collector.end() == "normal"


class TestNamesAndKeys:
    """What `-servername` and `-sigalgs` bring."""

    @pytest.fixture
    def shown(
        self, serve: Serve, collector: Collector, certificates: Certificates, run_client: Callable[..., str]
    ) -> Callable[..., tuple[str, str | None]]:
        """`shown(*arguments)`: subject and signature type as openssl tells them, and the server's name."""
        one, two = certificates.one, certificates.two
        tls_options = {
            "certfile": certificates.rsa.certfile,
            "keyfile": certificates.rsa.keyfile,
            "certs_keys": [{"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}],
            "sni_hosts": {
                "*.one.example": {"certfile": one.certfile, "keyfile": one.keyfile},
                "two.example": {"certfile": two.certfile, "keyfile": two.keyfile},
            },
            "sni_fun": lambda name: "two.example" if name == "three.example" else None,
        }
        port = serve({"tls_options": tls_options}, protocol="ssl").port
        lines = session("EHLO", MESSAGES["attachments"])

        def run(*arguments: str) -> tuple[str, str | None]:
            trust = ["-CAfile", certificates.cafile, "-verify_return_error"]
            command = ["s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", *trust, *arguments]
            output = run_client("openssl", *command, input=lines)
            tls = collector.mail().tls
            assert tls is not None
            subject = re.search(r"^subject=CN = (.*)$", output, re.MULTILINE)
            kind = re.search(r"^Peer signature type: (.*)$", output, re.MULTILINE)
            assert subject is not None
            assert kind is not None
            return f"{subject[1]} {kind[1]}", tls.server_name

        return run

    @pytest.mark.parametrize(
        ("name", "subject"),
        [
            ("mx.one.example", "one.example"),
            ("two.example", "two.example"),
            ("three.example", "two.example"),
            ("four.example", "localhost"),
            ("one.example", "localhost"),
        ],
    )
    def test_a_name_brings_its_certificate(
        self, shown: Callable[..., tuple[str, str | None]], name: str, subject: str
    ) -> None:
        assert shown("-servername", name) == (f"{subject} ECDSA", name)

    def test_without_a_name_there_is_none(self, shown: Callable[..., tuple[str, str | None]]) -> None:
        assert shown("-noservername") == ("localhost ECDSA", None)

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize(
        ("algorithms", "kind"), [("RSA-PSS+SHA256", "RSA-PSS"), ("ECDSA+SHA256", "ECDSA")]
    )
    def test_a_client_gets_the_key_that_it_can_check(
        self, shown: Callable[..., tuple[str, str | None]], version: str, algorithms: str, kind: str
    ) -> None:
        subject, _ = shown("-noservername", version, "-sigalgs", algorithms)
        assert subject == f"localhost {kind}"


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
def test_an_old_device_is_served_by_a_listener_for_it(
    s_client: Connect, serve: Serve, collector: Collector, with_certificate: dict[str, Any], version: str
) -> None:
    old = ["-cipher", "DEFAULT:@SECLEVEL=0", f"-{version.lower().replace('v', '').replace('.', '_')}"]
    new = serve(with_certificate, protocol="ssl").port
    s_client(new, *old, exit_code=1)
    port = serve({"tls_options": {**with_certificate, "minimum_version": "TLSv1"}}, protocol="ssl").port
    s_client(port, *old, input=session("EHLO", MESSAGES["attachments"]))
    mail = collector.mail()
    assert mail.tls is not None
    assert mail.tls.version == version
    assert mail.data == MESSAGES["attachments"]
