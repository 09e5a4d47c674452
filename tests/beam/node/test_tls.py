"""Distribution over TLS with certificates on both sides, against OTP's own `-proto_dist inet_tls`."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import actors
import beam as cluster
from actors import GeventRef
from tests.beam.beams import Beam, Beams
from tests.beam.node.conftest import Keeper, Start
from tests.beam.node.helpers import until
from tests.certificates import CertificateFiles, Certificates

AT = "'py@127.0.0.1'"


def erlang_options(folder: Path, files: CertificateFiles, cafile: str) -> tuple[str, ...]:
    """The arguments of `erl` for TLS in both directions."""
    path = folder / "ssl_dist.conf"
    own = f'{{certfile, "{files.certfile}"}}, {{keyfile, "{files.keyfile}"}}, {{cacertfile, "{cafile}"}}'
    checks = "{verify, verify_peer}"
    # Of a node named by an address OTP 25 asks for a certificate that has it as the *name* of a host. This
    # one has it as an address, so the match of the two is said to be good.
    match = "{customize_hostname_check, [{match_fun, fun erlang:'=/='/2}]}"
    server = f"{{server, [{own}, {checks}, {{fail_if_no_peer_cert, true}}]}}"
    path.write_text(f"[{server}, {{client, [{own}, {checks}, {match}]}}].\n")
    return "-proto_dist", "inet_tls", "-ssl_dist_optfile", str(path)


def own_options(files: CertificateFiles, cafile: str, **more: Any) -> dict[str, Any]:
    return {"certfile": files.certfile, "keyfile": files.keyfile, "cacertfile": cafile, **more}


@pytest.fixture
def tls_beam(beams: Beams, tmp_path: Path, certificates: Certificates) -> Beam:
    return beams.start(None, *erlang_options(tmp_path, certificates.ecdsa, certificates.cafile))


def test_calls_go_both_ways(
    tls_beam: Beam, start_node: Start, keeper: GeventRef[Keeper], certificates: Certificates
) -> None:
    """Trap D4: over TLS the packets of the handshake have lengths of four octets."""
    node = start_node(tls=own_options(certificates.ecdsa, certificates.cafile))
    actors.register("keeper", keeper)
    assert node.connect(tls_beam.name)
    assert cluster.rpc(tls_beam.name, "erlang", "node", []) == tls_beam.name
    large = (
        f"""fun() -> B = binary:copy(<<"x">>, 3000000), gen_server:call({{keeper, {AT}}}, B) =:= B end()"""
    )
    assert tls_beam(large) == "true"
    assert cluster.rpc(tls_beam.name, "erlang", "byte_size", [b"x" * 3_000_000]) == 3_000_000
    node.disconnect(tls_beam.name)
    until(lambda: not node.nodes())
    tls_beam.wait_until(f"net_adm:ping({AT})", "pong")
    tls_beam(f"[{{keeper, {AT}}} ! N || N <- lists:seq(1, 1000)], gen_server:call({{keeper, {AT}}}, sync)")
    assert keeper.ask("kept") == list(range(1, 1001))


def test_a_node_without_tls_is_none(tls_beam: Beam, beams: Beams, start_node: Start) -> None:
    node = start_node()
    assert tls_beam(f"net_adm:ping({AT})") == "pang"
    assert not node.connect(tls_beam.name)


def test_a_peer_without_tls_is_none(beam: Beam, start_node: Start, certificates: Certificates) -> None:
    node = start_node(tls=own_options(certificates.ecdsa, certificates.cafile))
    assert beam(f"net_adm:ping({AT})") == "pang"
    assert not node.connect(beam.name)


def test_a_certificate_for_another_host_is_refused(
    beams: Beams, start_node: Start, tmp_path: Path, certificates: Certificates
) -> None:
    other = beams.start(None, *erlang_options(tmp_path, certificates.one, certificates.cafile))
    node = start_node(tls=own_options(certificates.ecdsa, certificates.cafile))
    failures: list[Any] = []
    end = actors.events.subscribe(cluster.ConnectionFailed, failures.append)
    assert not node.connect(other.name)
    end()
    assert "ertificate" in failures[0].reason
    node.stop()
    node = start_node(tls=own_options(certificates.ecdsa, certificates.cafile, check_hostname=False))
    assert node.connect(other.name)


def test_a_client_without_a_certificate_of_the_authority_is_refused(
    start_node: Start, certificates: Certificates, tmp_path: Path
) -> None:
    node = start_node(tls=own_options(certificates.ecdsa, certificates.cafile))
    context = ssl.create_default_context(cafile=certificates.cafile)

    def say_hello() -> None:
        with (
            socket.create_connection(("127.0.0.1", node.port), 5) as sock,
            context.wrap_socket(sock, server_hostname="127.0.0.1") as wrapped,
        ):
            wrapped.sendall(b"\0\0\0\1N")
            while wrapped.recv(100):
                pass

    with pytest.raises(OSError):
        say_hello()
    assert node.nodes() == []
