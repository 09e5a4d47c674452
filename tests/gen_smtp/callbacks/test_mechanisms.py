"""The mechanisms of a callback class: what is wrong with them is found at start."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.callbacks.mechanisms import announced_mechanisms
from gen_smtp.gen_smtp_server import OptionsError
from gen_smtp.gen_smtp_server_session import Behaviour, BehaviourError, ok
from gen_smtp.sasl import Challenge, Mechanism, XOAuth2
from tests.certificates import Certificates
from tests.gen_smtp.live import behaviour, listener

LISTENERS = [listener()]


class Mine(Mechanism):
    name = "X-MINE"

    def answer(self, response: bytes) -> Any:
        return Challenge(b"more")


class Nameless(Mechanism):
    def answer(self, response: bytes) -> Any:
        return Challenge(b"more")


class Dumb(Mechanism):
    name = "X-DUMB"


class Wrong(Mine):
    name = "x mine"


class Twin(XOAuth2):
    """With a scope of its own, under the name that it has."""

    scope = "mail"


@pytest.mark.parametrize(
    "mechanisms",
    [
        [],
        ["PLAIN"],
        ("xoauth2", "OAuthBearer", "ANONYMOUS"),
        {"PLAIN", "LOGIN"},
        ["PLAIN", Mine],
        [Twin],
    ],
)
def test_what_there_is_may_be_named(mechanisms: Any) -> None:
    gen_smtp_server.check(behaviour(mechanisms=mechanisms), LISTENERS)


@pytest.mark.parametrize(
    ("mechanisms", "message"),
    [
        (["XOATH2"], "Scripted.mechanisms names 'XOATH2', which is not built in; did you mean 'XOAUTH2'?"),
        (["NTLM"], "a mechanism of your own is a class derived from gen_smtp.sasl.Mechanism"),
        ("PLAIN", "mechanisms must be a list of mechanisms, not 'PLAIN'"),
        (None, "mechanisms must be a list of mechanisms, not None"),
        ([1], "mechanisms has 1: allowed are the names of built-in ones (PLAIN, LOGIN,"),
        ([str], "mechanisms has <class 'str'>: allowed are"),
        ([["PLAIN"]], "mechanisms has ['PLAIN']: allowed are"),
        ([Nameless], "Nameless, whose `name` must be 1 to 20 capitals"),
        ([Wrong], "Wrong, whose `name` must be 1 to 20 capitals"),
        ([Dumb], "Dumb, which has no answer(self, response)"),
        (["XOAUTH2", Twin], "mechanisms has XOAUTH2 twice"),
        (["PLAIN", "plain"], "mechanisms has PLAIN twice"),
    ],
)
def test_what_there_is_not_is_an_error_at_start(mechanisms: Any, message: str) -> None:
    with pytest.raises(BehaviourError, match=re.escape(message)):
        gen_smtp_server.check(behaviour(mechanisms=mechanisms), LISTENERS)


class Announcing(Behaviour):
    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        return ok([*extensions, ("STARTTLS", True), ("AUTH", "PLAIN XOAUTH2")])


class AnnouncingMore(Behaviour):
    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        def offers() -> Any:
            return [("8BITMIME", True), ("STARTTLS", True), ("auth", "PLAIN DIGEST-MD5")]

        return ok(offers())


class AnnouncingLess(Behaviour):
    mechanisms = ("PLAIN",)

    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        return ok([*extensions, ("AUTH", "PLAIN LOGIN") if self.session.tls else ("STARTTLS", True)])


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Announcing, "Announcing.handle_EHLO announces AUTH XOAUTH2, which mechanisms does not name"),
        (
            AnnouncingMore,
            "handle_EHLO announces AUTH DIGEST-MD5, which mechanisms does not name, and which is",
        ),
        (AnnouncingLess, "AnnouncingLess.handle_EHLO announces AUTH LOGIN, which mechanisms does not name"),
    ],
)
def test_what_is_announced_and_not_there_is_an_error_at_start(module: Any, message: str) -> None:
    with pytest.raises(BehaviourError, match=re.escape(message)):
        gen_smtp_server.check(module, LISTENERS)


def test_what_is_announced_and_there_is_none() -> None:
    class Fine(Announcing):
        mechanisms = ("PLAIN", "XOAUTH2")

    gen_smtp_server.check(Fine, LISTENERS)


def test_what_can_be_read_of_a_functions_code() -> None:
    assert list(announced_mechanisms(Announcing.handle_EHLO)) == ["PLAIN", "XOAUTH2"]
    assert list(announced_mechanisms(lambda: ("AUTH", "PLAIN"))) == ["PLAIN"]
    assert list(announced_mechanisms(lambda: ("AUTH", True))) == []
    assert list(announced_mechanisms(lambda value: {"AUTH": value, "STARTTLS": True})) == []
    assert list(announced_mechanisms(len)) == []
    assert list(announced_mechanisms(behaviour().handle_EHLO)) == []


class External(Behaviour):
    mechanisms = ("EXTERNAL",)


def test_external_needs_a_listener_that_asks_for_certificates(certificates: Certificates) -> None:
    pair = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
    without = listener(sessionoptions=pair)
    tls_options = {**pair, "cafile": certificates.cafile, "verify": "optional"}
    asking = listener(sessionoptions={"tls_options": tls_options})
    gen_smtp_server.check(External, [without, asking])
    for listeners in ([without], [listener()], []):
        with pytest.raises(OptionsError, match="no listener asks for client certificates") as raised:
            gen_smtp_server.check(External, listeners or LISTENERS)
        assert raised.value.option == "sessionoptions.tls_options.verify"
