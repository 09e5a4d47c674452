"""XFORWARD over a real connection: what callbacks and observers are told, and for how long."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from gen_smtp import events, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.protocol.questions import ForwardedFacts
from tests.gen_smtp.live import DATA, MAIL, MESSAGE, behaviour, collected, ended, everything, serving
from tests.gen_smtp.proxy_headers import LINE

HERE = ["127.0.0.1"]
ELSEWHERE = ["192.0.2.0/24"]
LOOPBACK = IPv4Address("127.0.0.1")
SAID = "XFORWARD NAME=client.test ADDR=198.51.100.9 IDENT=4Fx"
FACTS = ForwardedFacts(name="client.test", address=IPv4Address("198.51.100.9"), ident="4Fx")
DENIED = "550 Error: insufficient authorization"


def test_callbacks_know_it_for_one_transaction() -> None:
    seen: list[Any] = []

    def callback(self: Any, *args: Any) -> Any:
        seen.append(self.session.xforward)
        return ok

    names = ("handle_EHLO", "handle_MAIL", "handle_RCPT", "handle_DATA")
    with (
        serving(behaviour(**dict.fromkeys(names, callback)), xforward=HERE) as server,
        server.greeted("EHLO filter.test") as client,
    ):
        assert client.say(SAID) == "250 Ok"
        (ref,) = server.sessions
        assert gen_smtp_server_session.info(ref).xforward == FACTS
        for _ in range(2):
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply() == "250 Ok"
        info = gen_smtp_server_session.info(ref)
        assert (info.xforward, info.peername, info.xclient) == (None, LOOPBACK, None)
    assert seen == [None, *[FACTS] * 3, *[None] * 3]


def test_an_event_tells_who_it_was() -> None:
    with (
        collected(events.MessageForwarded) as told,
        serving(behaviour(), xforward=HERE) as server,
        server.greeted(SAID, "XFORWARD HELO=a+3Cb", "RSET", "XFORWARD NAME=[UNAVAILABLE]") as client,
    ):
        (ref,) = server.sessions
        client.say("QUIT")
        ended(ref)
    first, second, third = everything(told)
    assert first == events.MessageForwarded(ref.actor_urn, LOOPBACK, FACTS)
    who = f"{ref.actor_urn} 127.0.0.1: has the next message from"
    assert str(second) == f"{who} name=client.test address=198.51.100.9 helo=a?b ident=4Fx"
    assert str(third) == f"{who} somebody unknown"


class TestWhoMaySayIt:
    def test_it_is_announced_to_them_alone(self) -> None:
        with serving(behaviour(), xforward=HERE) as server, server.greeted() as client:
            assert "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE" in client.say("EHLO x")
            assert client.say("XCLIENT ADDR=192.0.2.1").startswith("500 ")
        with serving(behaviour(), xforward=ELSEWHERE) as server, server.greeted() as client:
            assert "XFORWARD" not in client.say("EHLO x")
            assert client.say(SAID) == DENIED
        with serving(behaviour()) as server, server.greeted() as client:
            assert client.say(SAID) == "500 Error: command not recognized : 'XFORWARD'"

    def test_behind_a_balancer_it_is_the_real_clients_right(self) -> None:
        for peers, reply in ((HERE, DENIED), (ELSEWHERE, "250 Ok")):
            options = {"proxy_protocol": HERE, "xforward": peers}
            with serving(behaviour(), **options) as server, server.client() as client:
                client.send(LINE)  # of 192.0.2.7
                client.reply()
                assert client.say(SAID) == reply

    def test_a_peer_at_a_unix_socket(self, short_path: Path) -> None:
        place = {"family": "unix", "address": str(short_path / "mail"), "port": None}
        with serving(behaviour(), xforward=["unix"], **place) as server, server.greeted() as client:
            assert client.say(SAID) == "250 Ok"

    def test_with_xclient_beside_it(self) -> None:
        options = {"xclient": HERE, "xforward": HERE}
        with serving(behaviour(), **options) as server, server.greeted("EHLO x", SAID) as client:
            (ref,) = server.sessions
            client.say("XCLIENT ADDR=203.0.113.9")
            assert gen_smtp_server_session.info(ref).xforward is None
            assert client.say(SAID, *MAIL) == "250 sender Ok"
            assert gen_smtp_server_session.info(ref).xforward is None  # MAIL's list begins with EHLO
            assert client.say("RSET", SAID, MAIL[1]) == "250 sender Ok"
            assert gen_smtp_server_session.info(ref).xforward == FACTS
