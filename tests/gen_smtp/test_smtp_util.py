"""gen_smtp's smtp_util."""

from __future__ import annotations

import base64
import datetime
import email.utils
import re
import socket
import sys
import threading
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from gen_smtp import smtp_util


class TestGuessFQDN:
    def test_is_the_canonical_name_of_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "mail.example.com", ("192.0.2.1", 0))]
        asked: list[str] = []

        def getaddrinfo(host: str, *_: object, **__: object) -> object:
            asked.append(host)
            return found

        monkeypatch.setattr(socket, "gethostname", lambda: "mail")
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert smtp_util.guess_FQDN() == "mail.example.com"
        assert asked == ["mail"]

    def test_is_localhost_when_the_name_cannot_be_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def getaddrinfo(*_: object, **__: object) -> object:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert smtp_util.guess_FQDN() == "localhost"

    def test_of_the_real_machine_is_a_name(self) -> None:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", smtp_util.guess_FQDN())


class TestCram:
    # RFC 2195 section 2 has this exchange as its example.
    CHALLENGE = "<1896.697170952@postoffice.reston.mci.net>"
    DIGEST = "b913a602c7eda7a495b4e6e7334d3890"

    def test_digest_of_the_rfcs_example(self) -> None:
        assert smtp_util.compute_cram_digest("tanstaaftanstaaf", self.CHALLENGE) == self.DIGEST

    @pytest.mark.parametrize("digest", [DIGEST, DIGEST.upper()])
    def test_the_right_digest_is_verified(self, digest: str) -> None:
        assert smtp_util.verify_cram_digest("tanstaaftanstaaf", (digest, self.CHALLENGE))

    @pytest.mark.parametrize("digest", ["", "é", DIGEST[:-1], DIGEST + "0", "0" * 32])
    def test_a_wrong_digest_is_not(self, digest: str) -> None:
        assert not smtp_util.verify_cram_digest("tanstaaftanstaaf", (digest, self.CHALLENGE))

    def test_a_wrong_password_is_not(self) -> None:
        assert not smtp_util.verify_cram_digest("tanstaaf", (self.DIGEST, self.CHALLENGE))

    def test_passwords_may_have_letters_of_any_alphabet(self) -> None:
        digest = smtp_util.compute_cram_digest("Пароль", self.CHALLENGE)
        assert smtp_util.verify_cram_digest("Пароль", (digest, self.CHALLENGE))

    def test_string_is_a_challenge_in_base64(self) -> None:
        challenge = base64.b64decode(smtp_util.get_cram_string("mail.example.com"), validate=True).decode()
        match = re.fullmatch(r"<(\d+)\.(\d+)@mail\.example\.com>", challenge)
        assert match
        assert all(int(number) < 2**32 for number in match.groups())

    def test_no_two_strings_are_the_same(self) -> None:
        assert len({smtp_util.get_cram_string("h") for _ in range(100)}) == 100


class TestCompareSecrets:
    @pytest.mark.parametrize("secret", ["", "PaSSw0rd", "Пароль"])
    def test_the_same(self, secret: str) -> None:
        assert smtp_util.compare_secrets(secret, secret)

    @pytest.mark.parametrize("other", ["", "passw0rd", "PaSSw0rd ", "Пароль"])
    def test_others(self, other: str) -> None:
        assert not smtp_util.compare_secrets("PaSSw0rd", other)


class TestTrimCrlf:
    @pytest.mark.parametrize(
        ("line", "trimmed"),
        [
            ("", ""),
            ("NOOP\r\n", "NOOP"),
            ("NOOP\n", "NOOP"),
            ("NOOP\r", "NOOP"),
            ("NOOP\r\r\n\n", "NOOP"),
            ("NOOP\n\r", "NOOP\n"),
            ("\r\nNOOP \t\r\n", "\r\nNOOP \t"),
            ("NOOP\r\nRSET", "NOOP\r\nRSET"),
        ],
    )
    def test_of_text_and_of_bytes(self, line: str, trimmed: str) -> None:
        assert smtp_util.trim_crlf(line) == trimmed
        assert smtp_util.trim_crlf(line.encode()) == trimmed.encode()


class TestHeaders:
    def test_timestamp_is_the_time_now_with_its_offset(self) -> None:
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        stamp = smtp_util.rfc5322_timestamp()
        after = datetime.datetime.now(datetime.UTC)
        assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", stamp)
        assert before <= email.utils.parsedate_to_datetime(stamp).astimezone(datetime.UTC) <= after

    def test_message_id_has_the_machines_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(smtp_util, "guess_FQDN", lambda: "mail.example.com")
        assert re.fullmatch(r"<[0-9a-f]{32}@mail\.example\.com>", smtp_util.generate_message_id())

    def test_message_ids_differ(self) -> None:
        assert len({smtp_util.generate_message_id() for _ in range(100)}) == 100


class NameServer:
    """A name server on loopback that knows a few domains; all others are NXDOMAIN."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.resolver = dns.resolver.Resolver(configure=False)
        self.resolver.nameservers = ["127.0.0.1"]
        self.resolver.port = self._socket.getsockname()[1]

    def close(self) -> None:
        """Stop serving."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, peer = self._socket.recvfrom(4096)
            if not wire:
                return
            self._socket.sendto(self._answer(dns.message.from_wire(wire)).to_wire(), peer)

    @staticmethod
    def _answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        name = query.question[0].name
        records = {
            "example.com.": ("20 backup.example.com.", "5 mail.example.com.", "5 a.example.com."),
            "nomail.example.": ("0 .",),
        }.get(name.to_text())
        if records:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *records))
        elif name.to_text() == "broken.example.":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name.to_text() != "empty.example.":
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


@pytest.fixture
def resolver() -> Iterator[dns.resolver.Resolver]:
    """Asks the name server on loopback."""
    server = NameServer()
    yield server.resolver
    server.close()


class TestMxlookup:
    def test_the_best_come_first(self, resolver: dns.resolver.Resolver) -> None:
        assert smtp_util.mxlookup("example.com", resolver=resolver) == [
            (5, "a.example.com"),
            (5, "mail.example.com"),
            (20, "backup.example.com"),
        ]

    @pytest.mark.parametrize("domain", ["empty.example", "missing.example"])
    def test_a_domain_without_mail_exchangers_has_none(
        self, resolver: dns.resolver.Resolver, domain: str
    ) -> None:
        assert smtp_util.mxlookup(domain, resolver=resolver) == []

    def test_a_domain_that_takes_no_mail_says_so(self, resolver: dns.resolver.Resolver) -> None:
        assert smtp_util.mxlookup("nomail.example", resolver=resolver) == [(0, ".")]

    def test_no_answer_is_not_an_empty_answer(self, resolver: dns.resolver.Resolver) -> None:
        with pytest.raises(dns.exception.DNSException):
            smtp_util.mxlookup("broken.example", resolver=resolver)

    def test_without_dnspython_the_error_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "dns.resolver", None)
        with pytest.raises(ImportError, match=re.escape("pip install 'gen-smtp[dns]'")):
            smtp_util.mxlookup("example.com")
