"""The authorization identity: whom a client wants to act as (RFC 4616 section 2, RFC 4422 section 2)."""

from __future__ import annotations

import base64
import queue
from typing import Any

import pytest

from gen_smtp import gen_smtp_server_session
from gen_smtp.events import AuthenticationFailed
from gen_smtp.gen_smtp_server_session import Behaviour, BehaviourError, error, ok
from tests.gen_smtp.live import Queue, behaviour, collected, serving, take

INSECURE = {"allow_insecure_auth": True}


def plain(authzid: str, user: str = "alice", password: str = "s3cret") -> str:
    return "AUTH PLAIN " + base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()


def asking(verdict: Any = ok, **attributes: Any) -> tuple[type[Behaviour], Queue]:
    """A class that offers AUTH, and a queue of what its handle_AUTH was given."""
    asked: Queue = queue.SimpleQueue()

    def handle_AUTH(self: Behaviour, mechanism: str, username: str, credential: Any) -> Any:
        asked.put((mechanism, username, credential, self.session.authzid))
        return verdict

    return (
        behaviour(
            handle_EHLO=lambda self, hostname, extensions: ok([("AUTH", "PLAIN LOGIN")]),
            handle_AUTH=handle_AUTH,
            **attributes,
        ),
        asked,
    )


@pytest.mark.parametrize(("authzid", "told"), [("", None), ("alice", "alice")])
def test_the_users_own_identity_is_taken(authzid: str, told: str | None) -> None:
    module, asked = asking()
    with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert client.say(plain(authzid)) == "235 Authentication successful."
        assert take(asked) == ("plain", "alice", "s3cret", told)
        (ref,) = server.sessions
        facts = gen_smtp_server_session.info(ref)
        assert (facts.user, facts.authzid) == ("alice", told)


@pytest.mark.parametrize("authzid", ["bob", "Alice", "alice ", "alice@example.com"])
def test_another_identity_is_refused_where_the_class_says_nothing_of_it(authzid: str) -> None:
    module, asked = asking()
    with (
        collected(AuthenticationFailed) as failures,
        serving(module, sessionoptions=INSECURE) as server,
        server.greeted("EHLO c.test") as client,
    ):
        assert client.say(plain(authzid)) == "535 Authentication failed."
        assert asked.empty()
        assert take(failures).username == "alice"
        (ref,) = server.sessions
        assert gen_smtp_server_session.info(ref).user is None
        assert client.say(plain("")) == "235 Authentication successful."


def test_it_counts_as_a_failure() -> None:
    module, _ = asking()
    options = {**INSECURE, "limits": {"auth_failures": 3}}
    with serving(module, sessionoptions=options) as server, server.greeted("EHLO c.test") as client:
        client.say(plain("bob"), plain("bob"))
        client.send(plain("bob") + "\r\n")
        assert [line[:3] for line in client.rest().splitlines()] == ["535", "421"]


def test_a_class_that_takes_it_decides() -> None:
    module, asked = asking(takes_authzid=True)
    with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert client.say(plain("bob")) == "235 Authentication successful."
        assert take(asked) == ("plain", "alice", "s3cret", "bob")
        (ref,) = server.sessions
        facts = gen_smtp_server_session.info(ref)
        assert (facts.user, facts.authzid) == ("alice", "bob")


def test_it_is_forgotten_when_the_credentials_are_refused() -> None:
    module, asked = asking(error, takes_authzid=True)
    with serving(module, sessionoptions=INSECURE) as server, server.greeted("EHLO c.test") as client:
        assert client.say(plain("bob")) == "535 Authentication failed."
        assert take(asked)[-1] == "bob"
        (ref,) = server.sessions
        assert gen_smtp_server_session.info(ref).authzid is None


@pytest.mark.parametrize("wrong", ["yes", None, 1])
def test_a_class_says_so_with_true(wrong: Any) -> None:
    module, _ = asking(takes_authzid=wrong)
    with pytest.raises(BehaviourError, match="takes_authzid must be True or False"), serving(module):
        pass
