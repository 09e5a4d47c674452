import re

import pytest

from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, cram_challenge
from gen_smtp.protocol.sasl.passwords import CramMd5, Login, Plain
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Malformed, NotText, SaslStep

FACTS = ExchangeFacts("h", make_challenge=lambda host: f"<1.2@{host}>")


def credentials(step: SaslStep) -> tuple[object, object, object]:
    assert isinstance(step, Credentials)
    return step.username, step.credential, step.authzid


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("\0user\0pass", ("user", "pass", None)),
        ("admin\0user\0pass", ("user", "pass", "admin")),
        ("user\0pass", ("user", "pass", None)),
        ("\0user\0", ("user", "", None)),
        ("\0\0", ("", "", None)),
        ("user\0", ("user", "", None)),
        ("\0jürgen\0päss", ("jürgen", "päss", None)),
    ],
)
def test_plain_takes_two_or_three_fields(response: str, expected: tuple[str, str, str | None]) -> None:
    assert credentials(Plain(FACTS).answer(response.encode())) == expected
    assert credentials(Plain(FACTS).begin(response.encode())) == expected


@pytest.mark.parametrize("response", [b"", b"user", b"a\0b\0c\0d", b"\0\0\0"])
def test_plain_of_another_shape_is_malformed(response: bytes) -> None:
    assert Plain(FACTS).answer(response) == Malformed()


def test_plain_without_an_initial_response_asks_with_an_empty_challenge() -> None:
    assert Plain(FACTS).begin(None) == Challenge(b"")


@pytest.mark.parametrize("mechanism", [Plain, Login])
def test_what_is_no_utf8_is_no_text(mechanism: type[Plain | Login]) -> None:
    assert mechanism(FACTS).answer(b"\0\xff\0x") == NotText()


@pytest.mark.parametrize(("user", "password"), [("user", "pass"), ("", "pass"), ("user", ""), ("", "")])
def test_login_asks_twice(user: str, password: str) -> None:
    login = Login(FACTS)
    assert login.begin(None) == Challenge(b"Username:")
    assert login.answer(user.encode()) == Challenge(b"Password:")
    assert credentials(login.answer(password.encode())) == (user, password, None)


def test_an_initial_response_of_login_is_the_user() -> None:
    login = Login(FACTS)
    assert login.begin(b"user") == Challenge(b"Password:")
    assert credentials(login.answer(b"pass")) == ("user", "pass", None)


def test_login_refuses_nul() -> None:
    login = Login(FACTS)
    assert login.answer(b"us\0er") == Malformed()
    login.answer(b"user")
    assert login.answer(b"pa\0ss") == Malformed()


def test_cram_md5_hands_over_digest_and_challenge() -> None:
    cram = CramMd5(FACTS)
    assert cram.begin(None) == Challenge(b"<1.2@h>")
    step = cram.answer(b"two words 0123abc")
    assert credentials(step) == ("two words", ("0123abc", "<1.2@h>"), None)


def test_cram_md5_takes_no_initial_response_and_wants_two_words() -> None:
    assert CramMd5(FACTS).begin(b"user digest") == Malformed()
    for response in (b"", b"nospace", b"u\0 d"):
        cram = CramMd5(FACTS)
        cram.begin(None)
        assert cram.answer(response) == Malformed()


def test_cram_challenges_differ_and_have_gen_smtps_shape() -> None:
    made = {cram_challenge("mx.example") for _ in range(20)}
    assert len(made) == 20
    for challenge in made:
        matched = re.fullmatch(r"<([0-9]+)\.([0-9]+)@mx\.example>", challenge)
        assert matched is not None
        assert all(int(number) < 2**32 for number in matched.groups())


def test_no_repr_shows_credentials() -> None:
    assert "secret" not in repr(Credentials("user", "secret"))
