"""AUTH by mechanisms that gen_smtp does not have, and by those of one's own."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Authenticate, LoginFailed, Refused, StepFailed, Withheld
from gen_smtp.protocol.sasl.bearer import BearerToken
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.no_password import AnonymousTrace
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, SaslStep
from gen_smtp.protocol.sasl.table import BUILT_IN
from gen_smtp.protocol.verdicts import Accept, Decline, Drop, Fail, Identified
from tests.gen_smtp.protocol.client import EHLO, Client, accept_all, announcing, answering, check

CERTIFICATE = ClientCertificate("printer-7")
CONFIG = ProtocolConfig("mx.example", allow_insecure_auth=True, mechanisms=tuple(BUILT_IN.values()))
CERTIFIED = replace(CONFIG, certificate=CERTIFICATE)
OFFER = announcing(("AUTH", " ".join(BUILT_IN)))
OK = b"235 Authentication successful.\r\n"
FAILED = b"535 Authentication failed.\r\n"
MALFORMED = b"501 Error: malformed authentication response\r\n"
BASE64 = b"501 Error: not base64 of UTF-8 text\r\n"
CANCELLED = b"501 Authentication cancelled\r\n"


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


BEARER = b64("n,a=u,\1auth=Bearer t0ken\1\1")
XOAUTH2 = b64("user=u\1auth=Bearer t0ken\1\1")
WHY = b"334 " + b64('{"status": "invalid_token"}') + b"\r\n"
WHY_X = b"334 " + b64('{"status": "401", "schemes": "Bearer"}') + b"\r\n"
TOKEN = BearerToken("t0ken")


@pytest.mark.parametrize(
    ("sent", "heard", "step"),
    [
        (b"AUTH OAUTHBEARER " + BEARER, OK, Authenticate("oauthbearer", "u", TOKEN, "u")),
        (b"auth oauthbearer\r\n" + BEARER, b"334 \r\n" + OK, Authenticate("oauthbearer", "u", TOKEN, "u")),
        (b"AUTH XOAUTH2 " + XOAUTH2, OK, Authenticate("xoauth2", "u", TOKEN)),
        (b"AUTH XOAUTH2\r\n" + XOAUTH2, b"334 \r\n" + OK, Authenticate("xoauth2", "u", TOKEN)),
        (b"AUTH EXTERNAL =", OK, Authenticate("external", "printer-7", CERTIFICATE)),
        (b"AUTH EXTERNAL\r\n", b"334 \r\n" + OK, Authenticate("external", "printer-7", CERTIFICATE)),
        (b"AUTH EXTERNAL " + b64("u"), OK, Authenticate("external", "printer-7", CERTIFICATE, "u")),
        (b"AUTH ANONYMOUS =", OK, Authenticate("anonymous", "anonymous", AnonymousTrace(""))),
        (
            b"AUTH ANONYMOUS\r\n" + b64("me@x"),
            b"334 \r\n" + OK,
            Authenticate("anonymous", "anonymous", AnonymousTrace("me@x")),
        ),
    ],
)
def test_a_good_exchange_asks_the_callback(sent: bytes, heard: bytes, step: Authenticate) -> None:
    client = check(sent + b"\r\n", heard, CERTIFIED, OFFER)
    assert client.of_kind(Authenticate) == [step]
    assert (client.protocol.user, client.protocol.authzid) == (step.username, step.authzid)


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER", "ANONYMOUS", "EXTERNAL"])
@pytest.mark.parametrize(
    ("line", "heard"),
    [
        (b"*", CANCELLED),
        (b"!", BASE64),
        (base64.b64encode(b"\xff\xfe"), BASE64),
        (b64("a\nb"), MALFORMED),
        (b"A" * 12289, b"500 Error: line too long\r\n"),
    ],
)
def test_a_bad_exchange_always_gets_its_reply_and_ends(name: str, line: bytes, heard: bytes) -> None:
    sent = b"AUTH " + name.encode() + b"\r\n" + line + b"\r\n"
    client = check(sent, b"334 \r\n" + heard, CERTIFIED, OFFER)
    assert not client.of_kind(Authenticate)
    assert client.of_kind(Refused) == [Refused("AUTH", heard.decode().rstrip())]
    assert client.protocol.user is None


class TestTheReasonWhyATokenIsRefused:
    @pytest.mark.parametrize("last", [b"AQ==", b"", b"*", b"!", b"=", b"A" * 12289])
    @pytest.mark.parametrize(
        ("sent", "why"), [(b"AUTH OAUTHBEARER " + BEARER, WHY), (b"AUTH XOAUTH2 " + XOAUTH2, WHY_X)]
    )
    def test_comes_first_and_whatever_the_client_answers_535_follows(
        self, sent: bytes, why: bytes, last: bytes
    ) -> None:
        answer = answering(Decline(), Authenticate, OFFER)
        client = check(sent + b"\r\n" + last + b"\r\n", why + FAILED, CONFIG, answer)
        assert client.of_kind(Refused) == [Refused("AUTH", "535 Authentication failed.")]

    def test_stays_out_of_the_callbacks_own_reply(self) -> None:
        answer = answering(Decline("535 5.7.8 token expired"), Authenticate, OFFER)
        sent = b"AUTH OAUTHBEARER " + BEARER + b"\r\nAQ==\r\n"
        check(sent, WHY + b"535 5.7.8 token expired\r\n", CONFIG, answer)

    @pytest.mark.parametrize(
        ("verdict", "heard", "closes"),
        [
            (Decline("454 try later"), b"454 try later\r\n", False),
            (Decline("535 no", close=True), b"535 no\r\n", True),
            (Fail(), b"451 Error: internal server error\r\n", False),
            (Drop("421 enough"), b"421 enough\r\n", True),
            (Accept("welcome"), b"235 welcome\r\n", False),
        ],
    )
    def test_is_for_a_token_that_does_not_convince_alone(
        self, verdict: Any, heard: bytes, closes: bool
    ) -> None:
        answer = answering(verdict, Authenticate, OFFER)
        check(b"AUTH OAUTHBEARER " + BEARER + b"\r\n", heard, CONFIG, answer, closes=closes)

    def test_is_told_to_a_client_without_a_token_too(self) -> None:
        sent = b"AUTH OAUTHBEARER " + b64("n,a=u,\1\1") + b"\r\nAQ==\r\n"
        client = check(sent, WHY + FAILED, CONFIG, OFFER)
        assert client.of_kind(LoginFailed, Authenticate) == [LoginFailed("oauthbearer", "u")]

    def test_counts_one_failure(self) -> None:
        config = replace(CONFIG, max_auth_failures=2)
        client = Client(config, answering(Decline(), Authenticate, OFFER), said=EHLO)
        client.sends(b"AUTH OAUTHBEARER " + BEARER + b"\r\nAQ==\r\n")
        assert client.hears() == WHY + FAILED
        client.sends(b"AUTH OAUTHBEARER " + BEARER + b"\r\nAQ==\r\n")
        assert client.hears() == WHY + FAILED + b"421 Error: too many authentication failures\r\n"

    def test_never_ends_for_a_line_without_end(self) -> None:
        answer = answering(Decline(), Authenticate, OFFER)
        sent = b"AUTH OAUTHBEARER " + BEARER + b"\r\n" + b"A" * 65537
        check(sent, WHY + b"421 Error: line too long\r\n", CONFIG, answer, closes=True)


class TestIdentified:
    def test_says_who_the_client_is(self) -> None:
        verdict = Identified("hello bob", user="bob")
        answer = answering(verdict, Authenticate, OFFER)
        client = check(b"AUTH XOAUTH2 " + XOAUTH2 + b"\r\n", b"235 hello bob\r\n", CONFIG, answer)
        assert client.protocol.user == "bob"


class TestWhatIsAnnounced:
    def heard(self, value: str, config: ProtocolConfig, *, tls: bool = False) -> tuple[bytes, list[Any]]:
        client = Client(config, announcing(("AUTH", value)), tls=tls)
        client.sends(EHLO)
        return client.hears(), client.of_kind(Withheld)

    def test_is_what_there_is(self) -> None:
        heard = self.heard("PLAIN NTLM XOAUTH2 GSSAPI", CONFIG)
        withheld = [Withheld("AUTH NTLM", "mechanisms"), Withheld("AUTH GSSAPI", "mechanisms")]
        assert heard == (b"250-mx.example\r\n250 AUTH PLAIN XOAUTH2\r\n", withheld)
        withheld = [Withheld("AUTH NTLM", "mechanisms")]
        assert self.heard("NTLM", CONFIG) == (b"250 mx.example\r\n", withheld)

    def test_has_external_only_where_the_client_has_shown_a_certificate(self) -> None:
        assert self.heard("EXTERNAL PLAIN", CONFIG) == (b"250-mx.example\r\n250 AUTH PLAIN\r\n", [])
        heard = self.heard("EXTERNAL PLAIN", CERTIFIED)
        assert heard == (b"250-mx.example\r\n250 AUTH EXTERNAL PLAIN\r\n", [])

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_is_nothing_in_clear(self, name: str) -> None:
        config = replace(CERTIFIED, allow_insecure_auth=False)
        client = Client(config, OFFER, said=EHLO)
        client.sends(b"AUTH " + name.encode() + b" =\r\n")
        assert client.hears().startswith(b"538 ")
        assert b"AUTH" not in self.heard(name, config)[0]
        assert b"AUTH " + name.encode() in self.heard(name, config, tls=True)[0]

    def test_is_all_that_can_be_used(self) -> None:
        client = Client(CONFIG, OFFER, said=EHLO)
        assert client.sends(b"AUTH EXTERNAL =\r\n").hears() == b"504 Unrecognized authentication type\r\n"
        client = Client(ProtocolConfig("mx.example", allow_insecure_auth=True), OFFER, said=EHLO)
        sent = b"AUTH XOAUTH2 " + XOAUTH2 + b"\r\n"
        assert client.sends(sent).hears() == b"504 Unrecognized authentication type\r\n"


class TestALongInitialResponse:
    """A token of OAuth may have several thousand octets."""

    def test_of_auth_may_be_as_long_as_any_response(self) -> None:
        line = b64(f"user=u\1auth=Bearer {'t' * (9216 - 22)}\1\1")
        assert len(line) == 12288
        client = check(b"AUTH XOAUTH2 " + line[13:] + b"\r\n", BASE64, CONFIG, OFFER)
        client = check(
            b"AUTH XOAUTH2 " + b64("user=u\1auth=Bearer " + "t" * 9000 + "\1\1") + b"\r\n", OK, CONFIG, OFFER
        )
        assert client.protocol.user == "u"

    def test_is_bounded(self) -> None:
        line = b"AUTH XOAUTH2 " + b"A" * (12288 - 13) + b"\r\n"
        check(line, BASE64, CONFIG, OFFER)
        line = b"AUTH XOAUTH2 " + b"A" * (12288 - 12) + b"\r\n"
        check(line, b"500 Error: line too long\r\n", CONFIG, OFFER)

    def test_is_for_auth_alone_and_where_it_is_offered(self) -> None:
        line = b"AUTH XOAUTH2 " + b"A" * 2040 + b"\r\n"
        check(line, b"500 Error: line too long\r\n", CONFIG, accept_all)
        check(b"NOOP " + line, b"500 Error: line too long\r\n", CONFIG, OFFER)
        # The rest of an overlong line may look like one.
        sent = b"NOOP " + b"x" * 2043
        client = Client(CONFIG, OFFER, said=EHLO).sends(sent, b"AUTH PLAIN AHUAcA==\r\n")
        assert client.hears() == b"500 Error: line too long\r\n"
        assert client.protocol.user is None


class Riddle(Mechanism):
    """Asks until it hears the right word."""

    name = "X-RIDDLE"
    asked = 0

    def begin(self, initial: bytes | None) -> SaslStep:
        return Challenge(b"speak") if initial is None else self.answer(initial)

    def answer(self, response: bytes) -> Any:
        self.asked += 1
        match response:
            case b"friend":
                return Credentials("gandalf", ("friend", self.asked), "saruman")
            case b"raise":
                raise KeyError("friend")
            case b"None":
                return None
            case b"str":
                return Challenge("text")  # type: ignore[arg-type]
            case b"int":
                return Credentials(7, "x")  # type: ignore[arg-type]
        return Challenge(b"again \xff")


class Fragile(Riddle):
    name = "X-FRAGILE"

    def refused(self) -> bytes:
        raise RuntimeError("of all things")


class Unmade(Riddle):
    name = "X-UNMADE"

    def __init__(self, facts: Any) -> None:
        raise RuntimeError(facts.hostname)


OWN = ProtocolConfig("mx.example", allow_insecure_auth=True, mechanisms=(Riddle, Fragile, Unmade))
OWN_OFFER = announcing(("AUTH", "X-RIDDLE X-FRAGILE X-UNMADE"))
SPEAK, AGAIN = b"334 c3BlYWs=\r\n", b"334 YWdhaW4g/w==\r\n"


class TestAMechanismOfOnesOwn:
    def test_takes_as_many_steps_as_it_likes(self) -> None:
        sent = b"AUTH X-RIDDLE\r\n" + b64("mellon") + b"\r\n\r\n" + b64("friend") + b"\r\n"
        client = check(sent, SPEAK + AGAIN + AGAIN + OK, OWN, OWN_OFFER)
        step = Authenticate("x-riddle", "gandalf", ("friend", 3), "saruman")
        assert client.of_kind(Authenticate) == [step]

    @pytest.mark.parametrize("word", ["raise", "None", "str", "int"])
    def test_that_has_a_fault_leaves_that_to_the_driver(self, word: str) -> None:
        client = Client(OWN, answering(Fail(), StepFailed, OWN_OFFER), said=EHLO)
        client.sends(b"AUTH X-RIDDLE\r\n" + b64(word) + b"\r\n")
        assert client.hears() == SPEAK + b"451 Error: internal server error\r\n"
        (failed,) = client.of_kind(StepFailed)
        assert isinstance(failed, StepFailed)
        assert (failed.mechanism, failed.response) == ("X-RIDDLE", word.encode())
        assert repr(failed) == "StepFailed(mechanism='X-RIDDLE')"
        assert client.sends(b"NOOP\r\n").hears() == b"250 Ok\r\n"

    def test_may_fail_at_the_start_and_at_the_end(self) -> None:
        client = Client(OWN, answering(Fail(), StepFailed, OWN_OFFER), said=EHLO)
        assert client.sends(b"AUTH X-UNMADE\r\n").hears().startswith(b"451 ")
        client.answer = answering(Decline(), Authenticate, client.answer)
        client.sends(b"AUTH X-FRAGILE " + b64("friend") + b"\r\n")
        assert client.hears().startswith(b"451 ")
        assert len(client.of_kind(StepFailed)) == 2
