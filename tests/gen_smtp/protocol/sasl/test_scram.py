"""SCRAM (RFC 5802, RFC 7677): the exchange, and what is kept of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, Mechanism, fresh_nonce
from gen_smtp.protocol.sasl.scram import Scram, ScramSha1, ScramSha256
from gen_smtp.protocol.sasl.scram_keys import ScramKeys, ScramProof
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Failed, Lookup, Malformed, NotText

# The examples of RFC 5802 section 5 and RFC 7677 section 3: salt, server's nonce, the four messages.
EXAMPLES = [
    (
        ScramSha1,
        "QSXCR+Q6sek8bf92",
        "3rfcNHYJY1ZVvWVs7j",
        "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        ScramSha256,
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]
KEYS = {
    kind.name: ScramKeys.of_password("pencil", kind.name, iterations=4096, salt=b"0123456789abcdef")
    for kind in (ScramSha1, ScramSha256)
}


def made(kind: type[Scram] = ScramSha256, nonce: str = "SERVER") -> Scram:
    return kind(ExchangeFacts("h", make_nonce=lambda: nonce))


@pytest.mark.parametrize(
    ("kind", "salt", "nonce", "first", "challenge", "final", "end"), EXAMPLES, ids=["sha-1", "sha-256"]
)
def test_the_examples_of_the_rfcs(
    kind: type[Scram], salt: str, nonce: str, first: str, challenge: str, final: str, end: str
) -> None:
    keys = ScramKeys.of_password("pencil", kind.name, iterations=4096, salt=base64.b64decode(salt))
    scram = made(kind, nonce)
    assert scram.begin(None) == Challenge(b"")
    assert scram.answer(first.encode()) == Lookup("user")
    assert scram.found(keys) == Challenge(challenge.encode())
    assert scram.answer(final.encode()) == Challenge(end.encode())
    step = scram.answer(b"")
    assert isinstance(step, Credentials)
    assert (step.username, step.credential, step.authzid) == ("user", ScramProof(keys), None)


class Client:
    """The client's side, as RFC 5802 section 3 has it."""

    def __init__(self, kind: type[Scram], password: str, header: str = "n,,", name: str = "user") -> None:
        self.hash = "sha1" if kind is ScramSha1 else "sha256"
        self.password, self.header, self.bare = password.encode(), header, f"n={name},r=CLIENT"

    def first(self) -> bytes:
        return f"{self.header}{self.bare}".encode()

    def final(self, challenge: bytes, header: str | None = None) -> bytes:
        nonce, salt, iterations = (part[2:] for part in challenge.decode().split(","))
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(salt), int(iterations))
        client_key = hmac.digest(salted, b"Client Key", self.hash)
        bound = base64.b64encode((self.header if header is None else header).encode()).decode()
        without = f"c={bound},r={nonce}"
        message = f"{self.bare},{challenge.decode()},{without}".encode()
        signature = hmac.digest(hashlib.new(self.hash, client_key).digest(), message, self.hash)
        self.expected = hmac.digest(hmac.digest(salted, b"Server Key", self.hash), message, self.hash)
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        return f"{without},p={base64.b64encode(proof).decode()}".encode()


def run(scram: Scram, client: Client, keys: ScramKeys | None, header: str | None = None) -> object:
    """The step that the client's last message but one brings."""
    scram.answer(client.first())
    challenge = scram.found(keys)
    assert isinstance(challenge, Challenge)
    return scram.answer(client.final(challenge.data, header))


@pytest.mark.parametrize("kind", [ScramSha1, ScramSha256])
@pytest.mark.parametrize(
    ("header", "authzid"), [("n,,", None), ("y,,", None), ("n,a=bob,", "bob"), ("y,a=b=2Cc=3Dd,", "b,c=d")]
)
def test_a_client_that_knows_the_password(kind: type[Scram], header: str, authzid: str | None) -> None:
    client, scram = Client(kind, "pencil", header), made(kind)
    step = run(scram, client, KEYS[kind.name])
    assert step == Challenge(b"v=" + base64.b64encode(client.expected))
    end = scram.answer(b"")
    assert isinstance(end, Credentials)
    assert (end.username, end.credential, end.authzid) == ("user", ScramProof(KEYS[kind.name]), authzid)


def test_names_are_unescaped_and_prepared() -> None:
    scram = made()
    assert scram.answer("n,,n=a=2Cb=3Dc\u00ad\u2160,r=x".encode()) == Lookup("a,b=cI")


@pytest.mark.parametrize("kind", [ScramSha1, ScramSha256])
def test_a_client_that_does_not(kind: type[Scram]) -> None:
    assert run(made(kind), Client(kind, "crayon"), KEYS[kind.name]) == Failed("user")


def test_a_user_that_there_is_not_looks_like_a_wrong_password() -> None:
    challenges = set()
    for name in ("user", "user", "other"):
        scram = made()
        scram.answer(f"n,,n={name},r=x".encode())
        challenge = scram.found(None)
        assert isinstance(challenge, Challenge)
        challenges.add(challenge)
        assert challenge.data.endswith(b",i=15000")
    assert len(challenges) == 2  # each name has one salt
    assert run(made(), Client(ScramSha256, "pencil"), None) == Failed("user")


@pytest.mark.parametrize("header", ["n,,x", "y,,", "p=tls-unique,,", "n,a=eve,"])
def test_a_header_that_is_repeated_otherwise_proves_nothing(header: str) -> None:
    """RFC 5802 section 6: nobody between the two can take a channel binding out, or put another name in."""
    assert run(made(), Client(ScramSha256, "pencil"), KEYS["SCRAM-SHA-256"], header) == Failed("user")
    client = Client(ScramSha256, "pencil", "n,a=bob,")
    assert run(made(), client, KEYS["SCRAM-SHA-256"], "n,,") == Failed("user")


@pytest.mark.parametrize(
    "message",
    [
        "",
        "n,,",
        "n=user,r=x",
        "n,,r=x,n=user",
        "n,,n=user",
        "n,,n=,r=x",
        "n,,n=user,r=",
        "n,,m=ext,n=user,r=x",
        "n,,n=us=er,r=x",
        "n,,n=us\x07er,r=x",
        "n,,n=user,r=a b",
        "n,,n=user,r=x,n=other",
        "p=tls-unique,,n=user,r=x",
        "p=tls-exporter,,n=user,r=x",
        "x,,n=user,r=x",
        "n,a=,n=user,r=x",
    ],
)
def test_a_first_message_of_another_form(message: str) -> None:
    assert made().answer(message.encode()) == Malformed()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"c=biws",
        b"c=biws,r=CLIENTSERVER",
        b"c=biws,r=CLIENTSERVER,p=!",
        b"c=!,r=CLIENTSERVER,p=AAAA",
        b"c=biws,r=CLIENTOTHER,p=AAAA",
        b"c=biws,r=CLIENTSERVER,p=AAAA,x=y",
        b"c=biws,p=AAAA,r=CLIENTSERVER",
    ],
)
def test_a_last_message_of_another_form(message: bytes) -> None:
    scram = made()
    scram.answer(Client(ScramSha256, "pencil").first())
    scram.found(KEYS["SCRAM-SHA-256"])
    assert scram.answer(message) == Malformed()


@pytest.mark.parametrize("proof", [b"", b"AAAA", base64.b64encode(bytes(32)), base64.b64encode(bytes(64))])
def test_a_proof_of_any_length_proves_nothing(proof: bytes) -> None:
    scram = made()
    scram.answer(Client(ScramSha256, "pencil").first())
    scram.found(KEYS["SCRAM-SHA-256"])
    step = scram.answer(b"c=biws,r=CLIENTSERVER,p=" + proof)
    assert step == (Failed("user") if proof else Malformed())


def test_behind_the_servers_proof_nothing_is_expected() -> None:
    scram = made()
    assert isinstance(run(scram, Client(ScramSha256, "pencil"), KEYS["SCRAM-SHA-256"]), Challenge)
    assert scram.answer(b"more") == Malformed()


def test_what_is_no_utf8() -> None:
    assert made().answer(b"n,,n=\xff,r=x") == NotText()


@pytest.mark.parametrize("keys", ["pencil", KEYS["SCRAM-SHA-1"], (b"", b"")])
def test_keys_of_another_kind_are_the_callbacks_fault(keys: object) -> None:
    scram = made()
    scram.answer(b"n,,n=user,r=x")
    with pytest.raises(TypeError, match="SCRAM-SHA-256 needs ScramKeys of SCRAM-SHA-256, not"):
        scram.found(keys)


def test_nonces_differ() -> None:
    nonces = {fresh_nonce() for _ in range(20)}
    assert len(nonces) == 20
    assert all(nonce.isascii() and nonce.isprintable() and "," not in nonce for nonce in nonces)


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), max_size=4))
@settings(deadline=None)
def test_nothing_that_is_sent_raises(messages: list[bytes]) -> None:
    scram: Mechanism = made()
    for message in [*messages, b"n,,n=user,r=CLIENT", *messages]:
        step = scram.answer(message)
        if isinstance(step, Lookup):
            step = scram.found(KEYS["SCRAM-SHA-256"])
        assert isinstance(step, Challenge | Malformed | NotText | Failed)


class TestWhatIsKept:
    @pytest.mark.parametrize("name", KEYS)
    def test_is_one_line_of_text(self, name: str) -> None:
        keys = KEYS[name]
        text = keys.text()
        assert text.startswith(f"{name}$4096:MDEyMzQ1Njc4OWFiY2RlZg==$")
        assert ScramKeys.of_text(text) == keys

    def test_is_what_postgresql_keeps(self) -> None:
        """The keys of RFC 7677's example, in the form of its `rolpassword`."""
        text = (
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        )
        keys = ScramKeys.of_password(
            "pencil", iterations=4096, salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        )
        assert ScramKeys.of_text(text) == keys

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "secret",
            "SCRAM-SHA-256$4096:AAAA$AAAA",
            "SCRAM-SHA-256$x:AAAAAAAAAAAAAAAA$AAAA:AAAA",
            "SCRAM-SHA-256$4096:AA!AAAAAAAAAAAAA$AAAA:AAAA",
            "SCRAM-SHA-512$4096:AAAAAAAAAAAAAAAA$AAAA:AAAA",
            "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAA$AAAA:AAAA",
            "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
            "SCRAM-SHA-256$99:AAAAAAAAAAAAAAAAAAAAAA==$AAAA:AAAA",
        ],
    )
    def test_is_no_other_text(self, text: str) -> None:
        with pytest.raises(ValueError) as raised:
            ScramKeys.of_text(text)
        assert "secret" not in str(raised.value)

    @pytest.mark.parametrize("name", KEYS)
    def test_knows_its_password_again(self, name: str) -> None:
        assert KEYS[name].matches("pencil")
        assert not KEYS[name].matches("crayon")
        assert not KEYS[name].matches("pen\x00cil")

    def test_differs_for_the_same_password(self) -> None:
        one, other = ScramKeys.of_password("pencil"), ScramKeys.of_password("pencil")
        assert one.iterations == 15000
        assert one.salt != other.salt
        assert one.stored_key != other.stored_key

    @pytest.mark.parametrize(
        "arguments",
        [
            {"mechanism": "SCRAM-SHA-256-PLUS"},
            {"mechanism": "sha256"},
            {"iterations": 4095},
            {"iterations": 10_000_001},
            {"iterations": 5000.5},
            {"salt": b"short"},
            {"password": "bell\x07"},
        ],
    )
    def test_can_not_be_made_of_anything(self, arguments: dict[str, object]) -> None:
        with pytest.raises(ValueError):
            ScramKeys.of_password(**{"password": "pencil", **arguments})  # type: ignore[arg-type]

    def test_is_in_no_repr(self) -> None:
        shown = repr(KEYS["SCRAM-SHA-256"])
        assert "stored_key" not in shown
        assert "server_key" not in shown


def test_without_scramp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scramp", None)
    assert ScramSha256.missing() == "SCRAM needs scramp: pip install 'gen-smtp[scram]'"
    with pytest.raises(ImportError, match=r"gen-smtp\[scram\]"):
        ScramKeys.of_password("pencil")
    assert ScramKeys.decoy("SCRAM-SHA-256", "user").iterations == 15000


def test_with_scramp_nothing_is_missing() -> None:
    assert ScramSha256.missing() is None
