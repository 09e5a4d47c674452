import base64
import re

import pytest

from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.sasl import (
    Challenge,
    CramMd5,
    Credentials,
    Login,
    Plain,
    SaslStep,
    cram_challenge,
    decode_response,
    encode_challenge,
    make_mechanism,
)


def credentials(step: SaslStep) -> tuple[object, object]:
    assert isinstance(step, Credentials)
    return step.username, step.credential


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("\0user\0pass", ("user", "pass")),
        ("admin\0user\0pass", ("user", "pass")),
        ("user\0pass", ("user", "pass")),
        ("\0user\0", ("user", "")),
        ("\0\0", ("", "")),
        ("user\0", ("user", "")),
        ("\0jürgen\0päss", ("jürgen", "päss")),
    ],
)
def test_plain_takes_two_or_three_fields(response: str, expected: tuple[str, str]) -> None:
    assert credentials(Plain().answer(response)) == expected
    assert credentials(Plain().begin(response)) == expected


@pytest.mark.parametrize("response", ["", "user", "a\0b\0c\0d", "\0\0\0"])
def test_plain_of_another_shape_is_501(response: str) -> None:
    assert Plain().answer(response) is replies.AUTH_MALFORMED


def test_plain_without_an_initial_response_asks_with_an_empty_challenge() -> None:
    assert Plain().begin(None) == Challenge("")


@pytest.mark.parametrize(("user", "password"), [("user", "pass"), ("", "pass"), ("user", ""), ("", "")])
def test_login_asks_twice(user: str, password: str) -> None:
    login = Login()
    assert login.begin(None) == Challenge("Username:")
    assert login.answer(user) == Challenge("Password:")
    assert credentials(login.answer(password)) == (user, password)


def test_an_initial_response_of_login_is_the_user() -> None:
    login = Login()
    assert login.begin("user") == Challenge("Password:")
    assert credentials(login.answer("pass")) == ("user", "pass")


def test_login_refuses_nul() -> None:
    login = Login()
    assert login.answer("us\0er") is replies.AUTH_MALFORMED
    login.answer("user")
    assert login.answer("pa\0ss") is replies.AUTH_MALFORMED


def test_cram_md5_hands_over_digest_and_challenge() -> None:
    cram = CramMd5("<1.2@h>")
    assert cram.begin(None) == Challenge("<1.2@h>")
    assert credentials(cram.answer("two words 0123abc")) == ("two words", ("0123abc", "<1.2@h>"))


def test_cram_md5_takes_no_initial_response_and_wants_two_words() -> None:
    assert CramMd5("<1.2@h>").begin("user digest") is replies.AUTH_MALFORMED
    for response in ("", "nospace", "u\0 d"):
        assert CramMd5("<1.2@h>").answer(response) is replies.AUTH_MALFORMED


def test_cram_challenges_differ_and_have_gen_smtps_shape() -> None:
    made = {cram_challenge("mx.example") for _ in range(20)}
    assert len(made) == 20
    for challenge in made:
        matched = re.fullmatch(r"<([0-9]+)\.([0-9]+)@mx\.example>", challenge)
        assert matched is not None
        assert all(int(number) < 2**32 for number in matched.groups())


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_mechanisms_are_made_by_name(name: str) -> None:
    mechanism = make_mechanism(name, "h", cram_challenge)
    assert mechanism is not None
    assert mechanism.name == name.lower()


@pytest.mark.parametrize("name", ["", "TRUE", "XOAUTH2", "__init__", "plain"])
def test_other_names_are_no_mechanism(name: str) -> None:
    assert make_mechanism(name, "h", cram_challenge) is None


@pytest.mark.parametrize("text", ["", "Username:", "jürgen\0x", "x" * 9000])
def test_base64_there_and_back(text: str) -> None:
    assert decode_response(encode_challenge(text).encode()) == text
    assert encode_challenge(text) == base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "response",
    [
        b"=",
        b"*",
        b"YQ",
        b"YQ=",
        b"Y Q==",
        b"YQ==YQ==",
        b"YQ==\r",
        b"!!!!",
        b"\xff\xff",
        b"/////w==",
        b"=YQ=",
        b"YQ===",
    ],
)
def test_bad_base64_and_bad_utf8_are_none(response: bytes) -> None:
    assert decode_response(response) is None


def test_no_repr_shows_credentials() -> None:
    assert "secret" not in repr(Credentials("user", "secret"))
