"""XOAUTH2 and OAUTHBEARER (RFC 7628)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_smtp.protocol.sasl.bearer import BearerToken, OAuthBearer, XOAuth2
from gen_smtp.protocol.sasl.mechanism import ExchangeFacts
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Failed, Malformed, NotText, SaslStep

FACTS = ExchangeFacts("mx.example")
TOKEN = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg=="
# The examples of RFC 7628 section 4.1, and of Google's documentation.
OAUTHBEARER = (
    "n,a=user@example.com,\1host=server.example.com\1port=143\1"
    "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"
)
XOAUTH2 = f"user=someuser@example.com\1auth=Bearer {TOKEN}\1\1"


def credentials(step: SaslStep) -> tuple[Any, ...]:
    assert isinstance(step, Credentials)
    return step.username, step.credential, step.authzid


def test_the_examples_of_both() -> None:
    step = OAuthBearer(FACTS).begin(OAUTHBEARER.encode())
    token = BearerToken("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", "server.example.com", 143)
    assert credentials(step) == ("user@example.com", token, "user@example.com")
    assert credentials(XOAuth2(FACTS).begin(XOAUTH2.encode())) == (
        "someuser@example.com",
        BearerToken(TOKEN),
        None,
    )


@pytest.mark.parametrize("mechanism", [XOAuth2, OAuthBearer])
def test_the_client_speaks_first(mechanism: type[XOAuth2 | OAuthBearer]) -> None:
    assert mechanism(FACTS).begin(None) == Challenge(b"")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("n,,\1auth=Bearer t\1\1", ("", BearerToken("t"), None)),
        ("y,a=u,\1auth=bearer   t\1\1", ("u", BearerToken("t"), "u")),
        ("n,a=a=2Cb=3Dc,\1auth=BEARER t\1\1", ("a,b=c", BearerToken("t"), "a,b=c")),
        ("n,a=jürgen,\1auth=Bearer t\1\1", ("jürgen", BearerToken("t"), "jürgen")),
        (
            "n,,\1mthd=GET\1auth=Bearer t\1qs=a b\1\1",
            ("", BearerToken("t", fields={"mthd": "GET", "qs": "a b"}), None),
        ),
        ("n,,\1host=\1port=\1auth=Bearer t\1\1", ("", BearerToken("t"), None)),
    ],
)
def test_what_oauthbearer_takes(message: str, expected: tuple[Any, ...]) -> None:
    assert credentials(OAuthBearer(FACTS).answer(message.encode())) == expected


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\1",
        "n",
        "n,,",
        "n,,auth=Bearer t\1\1",
        "n,,\1auth=Bearer t\1",
        "n,,\1auth=Bearer t\1\1\1x",
        "n,,\1auth=Bearer t",
        "x,,\1auth=Bearer t\1\1",
        "p=tls-unique,,\1auth=Bearer t\1\1",
        "n,a=,\1auth=Bearer t\1\1",
        "n,a=x=2D,\1auth=Bearer t\1\1",
        "n,a=\0,\1auth=Bearer t\1\1",
        "n,b=x,\1auth=Bearer t\1\1",
        "n,,\1auth=Basic t\1\1",
        "n,,\1auth=Bearer\1\1",
        "n,,\1auth=Bearer t u\1\1",
        "n,,\1auth=Bearer t\xe9\1\1",
        "n,,\1auth=Bearer t\1auth=Bearer u\1\1",
        "n,,\1auth\1\1",
        "n,,\x01k2=x\1auth=Bearer t\1\1",
        "n,,\1host=a\nb\1auth=Bearer t\1\1",
        "n,,\1port=x\1auth=Bearer t\1\1",
        "n,,\1port=123456\1auth=Bearer t\1\1",
    ],
)
def test_what_oauthbearer_takes_for_malformed(message: str) -> None:
    assert OAuthBearer(FACTS).answer(message.encode()) == Malformed()


@pytest.mark.parametrize("message", ["n,,\1\1", "n,a=u,\1auth=\1\1", "n,a=u,\1host=h\1\1"])
def test_a_client_without_a_token_is_told_what_it_needs(message: str) -> None:
    step = OAuthBearer(FACTS).answer(message.encode())
    assert isinstance(step, Failed)
    assert json.loads(step.challenge or b"") == {"status": "invalid_token"}
    assert step.username == ("u" if "a=u" in message else "")


@pytest.mark.parametrize(
    "message",
    [
        "",
        "user=u\1\1",
        "auth=Bearer t\1\1",
        "user=u\1auth=Bearer t\1",
        "user=u\1auth=Bearer t",
        "user=u\1user=v\1auth=Bearer t\1\1",
        "user=u\1auth=\1\1",
        "user=u\0v\1auth=Bearer t\1\1",
        "user=u auth=Bearer t",
        "\1\1",
    ],
)
def test_what_xoauth2_takes_for_malformed(message: str) -> None:
    assert XOAuth2(FACTS).answer(message.encode()) == Malformed()


@pytest.mark.parametrize("mechanism", [XOAuth2, OAuthBearer])
def test_what_is_no_utf8(mechanism: type[XOAuth2 | OAuthBearer]) -> None:
    assert mechanism(FACTS).answer(b"n,a=\xff,\1auth=Bearer t\1\1") == NotText()


def test_the_reason_is_json() -> None:
    class Mine(OAuthBearer):
        scope = "mail"
        openid_configuration = "https://id.example/.well-known/openid-configuration"

    class Googles(XOAuth2):
        scope = "https://mail.google.com/"

    assert json.loads(Mine(FACTS).refused()) == {
        "status": "invalid_token",
        "scope": "mail",
        "openid-configuration": "https://id.example/.well-known/openid-configuration",
    }
    assert json.loads(Googles(FACTS).refused()) == {
        "status": "401",
        "schemes": "Bearer",
        "scope": "https://mail.google.com/",
    }
    assert json.loads(XOAuth2(FACTS).refused()) == {"status": "401", "schemes": "Bearer"}


def test_no_repr_shows_a_token() -> None:
    assert TOKEN not in repr(BearerToken(TOKEN, "h", 25, {"qs": "x"}))


@given(st.binary() | st.text().map(str.encode))
def test_nothing_that_is_sent_raises(message: bytes) -> None:
    for mechanism in (XOAuth2, OAuthBearer):
        assert isinstance(mechanism(FACTS).answer(message), Credentials | Malformed | NotText | Failed)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\1"), min_size=1).filter(str.isprintable)


@given(NAMES, st.text("abcXYZ019-._~+/=", min_size=1))
def test_what_a_client_may_send_is_read_as_meant(name: str, token: str) -> None:
    escaped = name.replace("=", "=3D").replace(",", "=2C")
    message = f"n,a={escaped},\1host=h.example\1port=587\1auth=Bearer {token}\1\1"
    step = OAuthBearer(FACTS).answer(message.encode())
    assert credentials(step) == (name, BearerToken(token, "h.example", 587), name)
    step = XOAuth2(FACTS).answer(f"user={name}\1auth=Bearer {token}\1\1".encode())
    assert credentials(step) == (name, BearerToken(token), None)
