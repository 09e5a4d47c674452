"""Mail exchangers, MTA-STS and DANE, with records of a real name server."""

from __future__ import annotations

import hashlib
import http.server
import ssl
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gen_smtp import gen_smtp_client
from gen_smtp.client.routing import mta_sts
from gen_smtp.client.routing.dane import public_key_of
from gen_smtp.client.routing.exchangers import ordered
from gen_smtp.client.routing.mta_sts import parse_policy
from gen_smtp.gen_smtp_client import Client, Envelope, Outcome, TemporaryFailure
from tests.certificates import Certificates
from tests.gen_smtp.client.name_server import NameServer, Records, name_server
from tests.gen_smtp.client.servers import Peer, Server, serving

MAIL = Envelope("me@example.com", ["you@dest.example"])


def take(peer: Peer) -> None:
    peer.greet()
    peer.take("250 taken")
    peer.line()


def busy(peer: Peer) -> None:
    peer.say("421 4.3.2 too busy")


def delivered(records: Records, server: Server, envelope: Envelope = MAIL, **options: Any) -> Outcome:
    """What becomes of a message for the domain; all of its hosts listen at the port of the server."""
    with name_server(records) as names:
        return delivered_by(names, server, envelope, **options)


def delivered_by(names: NameServer, server: Server, envelope: Envelope = MAIL, **options: Any) -> Outcome:
    given = server.options(resolver=names.resolver(), **options) | {"relay": None}
    with Client(given) as client:
        return client.deliver(envelope, b"hello\r\n")


def test_mail_goes_to_the_mail_exchanger_of_its_domain() -> None:
    records = {
        ("dest.example", "MX"): ["10 mx.dest.example."],
        ("mx.dest.example", "A"): ["127.0.0.1"],
    }
    with serving(take) as server:
        assert delivered(records, server).ok


def test_a_domain_without_mail_exchangers_is_its_own() -> None:
    with serving(take) as server:
        assert delivered({("dest.example", "A"): ["127.0.0.1"]}, server).ok


def test_an_address_literal_is_asked_nobody_for() -> None:
    with serving(take) as server, name_server({}) as names:
        outcome = delivered_by(names, server, Envelope("me@example.com", ["you@[127.0.0.1]"]))
        assert (outcome.ok, names.asked) == (True, [])


@pytest.mark.parametrize(
    ("records", "failing", "enhanced", "permanent"),
    [
        ({("dest.example", "MX"): ["0 ."]}, set(), "5.1.10", True),
        ({}, set(), "5.1.2", True),
        ({}, {"dest.example"}, "4.4.3", False),
        ({("dest.example", "TXT"): ["x"]}, set(), "4.4.2", False),
    ],
    ids=["null MX", "no domain", "no answer", "no address"],
)
def test_a_domain_without_hosts(records: Any, failing: set[str], enhanced: str, permanent: bool) -> None:
    with serving(take) as server, name_server(records) as names:
        names.failing = failing
        (recipient,) = delivered_by(names, server, retries=0).recipients
    assert (recipient.enhanced, recipient.permanent) == (enhanced, permanent)
    assert server.connections == 0


def test_a_host_that_is_busy_or_dead_goes_on_to_the_next() -> None:
    """Nobody listens at 127.0.0.2; who is busy, is so at the first connection alone."""
    records = {
        ("dest.example", "MX"): ["10 dead.dest.example.", "20 busy.dest.example.", "30 good.dest.example."],
        ("dead.dest.example", "A"): ["127.0.0.2"],
        ("busy.dest.example", "A"): ["127.0.0.1"],
        ("good.dest.example", "A"): ["127.0.0.1"],
    }
    with serving(busy, take) as server:
        assert delivered(records, server, retries=0).ok
    assert server.connections == 2


def test_recipients_that_are_not_taken_now_go_on_to_the_next_host() -> None:
    def first(peer: Peer) -> None:
        peer.greet()
        peer.expect("MAIL", "250 Ok")
        peer.expect("RCPT", "450 4.2.1 not here")
        peer.expect("RCPT", "250 Ok")
        peer.expect("DATA", "354 go on")
        peer.message()
        peer.say("250 taken here")
        peer.line()

    def second(peer: Peer) -> None:
        peer.greet()
        assert peer.envelope()[1] == "RCPT TO:<a@dest.example>"
        peer.message()
        peer.say("250 taken there")
        peer.line()

    records = {
        ("dest.example", "MX"): ["10 one.dest.example.", "20 two.dest.example."],
        ("one.dest.example", "A"): ["127.0.0.1"],
        ("two.dest.example", "A"): ["127.0.0.1"],
    }
    envelope = Envelope("me@example.com", ["a@dest.example", "b@dest.example"])
    with serving(first, second) as server:
        outcome = delivered(records, server, envelope)
    assert [each.text for each in outcome.recipients] == ["250 taken there", "250 taken here"]


def test_the_recipients_of_each_domain_go_to_its_own_hosts() -> None:
    def serve(peer: Peer) -> None:
        peer.greet()
        line = peer.envelope()[1]
        message = peer.message()
        peer.say(f"250 {line} {message!r}")
        peer.line()

    records = {("one.example", "A"): ["127.0.0.1"], ("two.example", "A"): ["127.0.0.1"]}
    envelope = Envelope("me@example.com", ["a@ONE.example", "b@two.example", "c@gone.example", "nobody"])
    with serving(serve) as server, name_server(records) as names:
        given = server.options(resolver=names.resolver()) | {"relay": None}
        with Client(given) as client:
            outcome = client.deliver(envelope, iter([b"once ", b"only\r\n"]))
    texts = [each.text for each in outcome.recipients[:2]]
    assert texts == [f"250 RCPT TO:<{who}> b'once only\\r\\n'" for who in ("a@ONE.example", "b@two.example")]
    assert [each.enhanced for each in outcome.permanent] == ["5.1.2", "5.1.3"]


def test_gen_smtps_functions_look_for_the_mail_exchangers_of_the_relay() -> None:
    records = {("relay.example", "MX"): ["10 mx.dest.example."], ("mx.dest.example", "A"): ["127.0.0.1"]}
    with serving(take) as server, name_server(records) as names:
        options = server.options(relay="relay.example", resolver=names.resolver(), no_mx_lookups=False)
        email = ("me@example.com", ["you@dest.example"], b"x")
        assert gen_smtp_client.send_blocking(email, options) == "taken"


def test_equal_hosts_come_in_random_order_and_better_ones_first() -> None:
    pairs = [(20, "c"), (10, "a"), (10, "b"), (20, "d"), (10, "a")]
    orders = Counter(tuple(ordered(pairs)) for _ in range(200))
    assert {frozenset(order[:2]) for order in orders} == {frozenset("ab")}
    assert len(orders) == 4


# -- DANE ---------------------------------------------------------------------------------------------


def certificate(certificates: Certificates) -> bytes:
    with open(certificates.ecdsa.certfile, encoding="ascii") as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


def test_the_public_key_is_found_in_certificates(certificates: Certificates) -> None:
    for pair in (certificates.ecdsa, certificates.rsa, certificates.client):
        with open(pair.certfile, encoding="ascii") as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        key = x509.load_der_x509_certificate(der).public_key()
        assert public_key_of(der) == key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


WRONG = f"3 1 1 {'00' * 32}"
"""A record that means another certificate."""


def tlsa_records(port: int, *values: str) -> Records:
    return {
        ("dest.example", "MX"): ["10 mx.dest.example."],
        ("mx.dest.example", "A"): ["127.0.0.1"],
        (f"_{port}._tcp.mx.dest.example", "TLSA"): values,
    }


def secure_server(certificates: Certificates) -> Any:
    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS", "220 go")
        peer.start_tls(certificates.ecdsa.certfile, certificates.ecdsa.keyfile)
        peer.expect("EHLO", "250 there")
        peer.take("250 secure")
        peer.line()

    return serving(serve)


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
def test_dane_takes_the_certificate_that_is_meant(
    certificates: Certificates, selector: int, matching: int
) -> None:
    der = certificate(certificates)
    octets = der if selector == 0 else public_key_of(der)
    shorten = {
        0: bytes,
        1: lambda each: hashlib.sha256(each).digest(),
        2: lambda each: hashlib.sha512(each).digest(),
    }
    good = f"3 {selector} {matching} {shorten[matching](octets).hex()}"
    with secure_server(certificates) as server:
        records = tlsa_records(server.address[1], WRONG, good)
        assert delivered(records, server, dane=True).recipients[0].text == "250 secure"


def test_dane_takes_no_other_certificate(certificates: Certificates) -> None:
    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS", "220 go")
        peer.start_tls(certificates.ecdsa.certfile, certificates.ecdsa.keyfile)
        assert peer.line() == ""

    with serving(serve) as server:
        outcome = delivered(tlsa_records(server.address[1], WRONG), server, dane=True, retries=0)
    failure = outcome.recipients[0].failure
    assert isinstance(failure, TemporaryFailure)
    assert "TLSA" in str(failure)


def test_dane_sends_nothing_in_clear() -> None:
    with serving(lambda peer: (peer.greet(), peer.expect("QUIT"))) as server:
        outcome = delivered(tlsa_records(server.address[1], WRONG), server, dane=True, retries=0)
    assert [each.enhanced for each in outcome.temporary] == ["4.7.4"]


def test_records_of_other_usages_want_tls_and_no_certificate(certificates: Certificates) -> None:
    with secure_server(certificates) as server:
        records = tlsa_records(server.address[1], f"2 1 1 {'00' * 32}")
        assert delivered(records, server, dane=True).ok


@pytest.mark.parametrize("insecure", ["dest.example", "mx.dest.example", "_25"])
def test_records_that_nobody_vouches_for_count_for_nothing(insecure: str) -> None:
    with serving(take) as server:
        records = tlsa_records(server.address[1], WRONG)
        with name_server(records) as names:
            names.insecure = {insecure.replace("_25", f"_{server.address[1]}._tcp.mx.dest.example")}
            assert delivered_by(names, server, dane=True).ok


def test_a_host_whose_records_are_not_valid_is_left_out() -> None:
    with serving(take) as server, name_server(tlsa_records(server.address[1], WRONG)) as names:
        names.failing = {f"_{server.address[1]}._tcp.mx.dest.example"}
        outcome = delivered_by(names, server, dane=True)
    assert [each.enhanced for each in outcome.temporary] == ["4.4.3"]
    assert server.connections == 0


# -- MTA-STS ------------------------------------------------------------------------------------------


class Policies(http.server.BaseHTTPRequestHandler):
    """Serves one policy."""

    text = ""
    status = 200
    hits = 0

    def do_GET(self) -> None:
        type(self).hits += 1
        assert self.path == "/.well-known/mta-sts.txt"
        self.send_response(self.status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Location", "https://127.0.0.1/")
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def publishing(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, text: str, status: int = 200
) -> Generator[type[Policies]]:
    """A server of policies. Its certificate is for localhost, so the host of the policy is called that."""
    handler = type("Handler", (Policies,), {"text": text, "status": status})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.ecdsa.certfile, certificates.ecdsa.keyfile)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setattr(mta_sts, "PORT", server.server_address[1])
    monkeypatch.setattr(mta_sts, "POLICY_HOST", "localhost")
    try:
        yield handler
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


STS = {
    ("dest.example", "MX"): ["10 localhost."],
    ("localhost", "A"): ["127.0.0.1"],
    ("_mta-sts.dest.example", "TXT"): ['"v=STSv1; id=1;"'],
}
ENFORCED = "version: STSv1\nmode: enforce\nmx: localhost\nmax_age: 86400\n"


def test_a_policy_in_force_wants_tls_and_a_known_authority(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = {"cafile": certificates.cafile}
    with publishing(certificates, monkeypatch, ENFORCED):
        with secure_server(certificates) as server:
            assert delivered(STS, server, mta_sts=True, tls_options=tls).recipients[0].text == "250 secure"
        with serving(lambda peer: (peer.greet(), peer.expect("QUIT"))) as server:
            outcome = delivered(STS, server, mta_sts=True, tls_options=tls, retries=0)
    assert [each.enhanced for each in outcome.temporary] == ["4.7.4"]


def test_a_certificate_of_nobodys_making_is_not_enough(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(peer: Peer) -> None:
        peer.greet("STARTTLS")
        peer.expect("STARTTLS", "220 go")
        with pytest.raises(ssl.SSLError):
            peer.start_tls(certificates.one.certfile, certificates.one.keyfile)  # for one.example

    with publishing(certificates, monkeypatch, ENFORCED), serving(serve) as server:
        outcome = delivered(STS, server, mta_sts=True, tls_options={"cafile": certificates.cafile}, retries=0)
    assert isinstance(outcome.recipients[0].failure, TemporaryFailure)


def test_a_host_that_the_policy_does_not_name_gets_no_mail(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ENFORCED.replace("localhost", "*.dest.example")
    tls = {"cafile": certificates.cafile}
    with publishing(certificates, monkeypatch, text), serving(take) as server:
        outcome = delivered(STS, server, mta_sts=True, tls_options=tls)
    assert [each.enhanced for each in outcome.temporary] == ["4.7.5"]
    assert server.connections == 0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (ENFORCED.replace("enforce", "testing"), 200),
        (ENFORCED.replace("enforce", "none"), 200),
        (ENFORCED.replace("STSv1", "STSv2"), 200),
        (ENFORCED, 302),
        (ENFORCED + "x" * 100_000, 200),
    ],
    ids=["testing", "none", "no policy", "elsewhere", "endless"],
)
def test_a_policy_that_is_none_or_not_in_force_asks_for_nothing(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, text: str, status: int
) -> None:
    tls = {"cafile": certificates.cafile}
    with publishing(certificates, monkeypatch, text, status), serving(take) as server:
        assert delivered(STS, server, mta_sts=True, tls_options=tls).ok


def test_a_policy_is_kept_until_its_id_changes(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"mta_sts": True, "tls_options": {"cafile": certificates.cafile}}
    with (
        publishing(certificates, monkeypatch, ENFORCED) as policies,
        name_server(STS) as names,
        secure_server(certificates) as server,
        Client(server.options(resolver=names.resolver(), **options) | {"relay": None}) as client,
    ):
        for record_id, hits in (("1", 1), ("1", 1), ("2", 2)):
            names.records["_mta-sts.dest.example", "TXT"] = [f'"v=STSv1; id={record_id};"']
            assert client.deliver(MAIL, b"x").ok
            assert policies.hits == hits


@pytest.mark.parametrize(
    ("pattern", "host", "allowed"),
    [
        ("mx.dest.example", "MX.dest.example.", True),
        ("mx.dest.example", "mx2.dest.example", False),
        ("*.dest.example", "mx.dest.example", True),
        ("*.dest.example", "a.mx.dest.example", False),
        ("*.dest.example", "dest.example", False),
    ],
)
def test_hosts_and_patterns(pattern: str, host: str, allowed: bool) -> None:
    policy = parse_policy(f"version: STSv1\r\nmode: enforce\r\nmx: {pattern}\r\nmax_age: 10\r\n")
    assert policy.allows(host) == allowed
