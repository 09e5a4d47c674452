"""Every deadline at its default, all the others at theirs: it is the one that strikes where it should.

A deadline that is tried alone may strike in its test and nowhere else, where another alarm comes before it.
Time stands still in these tests unless they move it (tests/gen_smtp/clock.py), but for `reply`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp.events import ProxyHeaderRefused
from gen_smtp.gen_smtp_server_session import ok, reply
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.listener import SessionOptions
from tests.actors.helpers import Gate
from tests.gen_smtp.clock import Clock, exceeded, sessions
from tests.gen_smtp.live import DATA, Client, Queue, behaviour, collected, everything, serving, take
from tests.gen_smtp.tls_client import Shake

HERE = ["127.0.0.1"]
DEFAULTS = {**asdict(Deadlines()), "timeout": SessionOptions().timeout}
PROXIED = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n"
ENOUGH = "x" * 98 + "\r\n"


@pytest.fixture
def at_defaults(tls_options: dict[str, Any]) -> dict[str, Any]:
    """Session options with a certificate, for any kind of connection, and no word of time."""
    return tls_options


def wait_until_due(clock: Clock, seconds: float) -> None:
    """Return when the next thing to strike, in the only session, does so in so many seconds."""
    while [_due_in(each, clock.now) for each in sessions()] != [seconds]:
        pass


def _due_in(session: Any, now: float) -> float | None:
    idle = session.alarm is not None and session.turn_greenlet is None
    return session.next_due() - now if idle else None


def strike(clock: Clock, name: str, seconds: float | None = None) -> None:
    """Let the time pass that a deadline gives, and see that nothing has struck before."""
    seconds = DEFAULTS[name] if seconds is None else seconds
    wait_until_due(clock, seconds)
    clock.advance(seconds - 1)
    assert len(sessions()) == 1, f"closed before {name}"
    clock.advance(1)


# -- before the greeting ------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tcp", "ssl"])
@pytest.mark.parametrize("said", [b"", b"PROXY TCP4 192.0.2.1"], ids=["nothing", "half of it"])
def test_proxy_header(said: bytes, protocol: Any, at_defaults: dict[str, Any], clock: Clock) -> None:
    with (
        collected(ProxyHeaderRefused) as refused,
        serving(proxy_protocol=HERE, protocol=protocol, sessionoptions=at_defaults) as server,
        server.client() as client,
    ):
        client.send(said)
        strike(clock, "proxy_header")
        assert client.rest() == ""
        assert take(refused).reason == "timeout"


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize("said", [b"", b"\x16\x03"], ids=["nothing", "half of it"])
def test_handshake_of_implicit_tls(
    said: bytes, proxied: bool, at_defaults: dict[str, Any], clock: Clock
) -> None:
    proxies = {"proxy_protocol": HERE} if proxied else {}
    with (
        collected(actor_events.TlsFailed) as failed,
        serving(**proxies, protocol="ssl", sessionoptions=at_defaults) as server,
        server.client() as client,
    ):
        client.send((PROXIED if proxied else b"") + said)
        strike(clock, "handshake")
        assert client.rest() == ""
        assert take(failed).reason == "timeout"


@pytest.mark.parametrize("said", [b"", b"\x16\x03"], ids=["nothing", "half of it"])
def test_handshake_of_starttls(
    said: bytes, at_defaults: dict[str, Any], clock: Clock, noting: Any, ends: Queue
) -> None:
    noting.handle_EHLO = lambda self, hostname, extensions: ok([*extensions, ("STARTTLS", True)])
    with serving(noting, sessionoptions=at_defaults) as server, server.greeted("EHLO c") as client:
        clock.advance(10)  # so that its deadline is no other's
        assert client.say("STARTTLS")[:3] == "220"
        client.send(said)
        while not sessions()[0].transport.shaking_hands:
            pass
        strike(clock, "handshake")
        assert client.rest() == ""
    assert everything(ends) == [("ssl_handshake_error", "timeout"), "normal"]


@pytest.mark.parametrize("proxied", [False, True])
def test_banner(proxied: bool, clock: Clock, struck: Queue) -> None:
    gate = Gate()

    def init(self: Any, *args: Any) -> Any:
        gate.wait()
        return ok

    with (
        serving(behaviour(init=init), **({"proxy_protocol": HERE} if proxied else {})) as server,
        server.client() as client,
    ):
        client.send(PROXIED if proxied else b"")
        gate.reached.get()
        clock.advance(DEFAULTS["banner"] - 1)
        assert struck.empty()
        clock.advance(1)
        assert client.rest() == exceeded("banner")
        assert take(struck).deadline == "banner"


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize("seconds", [3, 200, 299])
def test_greet_delay(seconds: float, proxied: bool, clock: Clock, struck: Queue) -> None:
    options = {"refuse_early_talkers": True, "greet_delay": seconds}
    proxies = {"proxy_protocol": HERE} if proxied else {}
    with serving(**proxies, sessionoptions=options) as server, server.client() as client:
        client.send(PROXIED if proxied else b"")
        wait_until_due(clock, seconds)
        clock.advance(seconds - 1)
        assert not sessions()[0].served
        clock.advance(1)
        assert client.reply()[:3] == "220"
        assert struck.empty()
        strike(clock, "timeout", DEFAULTS["timeout"])
        assert client.rest() == exceeded("timeout")


# -- after it -----------------------------------------------------------------------------------------


def under_tls(client: Client, context: ssl.SSLContext) -> None:
    assert Shake(client, context).finish()[:3] == b"220"


@pytest.mark.parametrize("options", [{}, {"protocol": "ssl"}, {"proxy_protocol": HERE}, {"xclient": HERE}])
@pytest.mark.parametrize("said", [(), DATA[:1], DATA[:3]], ids=["nothing", "a hello", "an envelope"])
def test_timeout(
    said: tuple[str, ...],
    options: dict[str, Any],
    at_defaults: dict[str, Any],
    client_tls: ssl.SSLContext,
    clock: Clock,
    struck: Queue,
) -> None:
    with serving(behaviour(), **options, sessionoptions=at_defaults) as server, server.client() as client:
        client.send(PROXIED if "proxy_protocol" in options else b"")
        if options.get("protocol") == "ssl":
            under_tls(client, client_tls)
        else:
            assert client.reply()[:3] == "220"
            client.say(*said)
            client.send("NOO")  # half a command counts for nothing
        strike(clock, "timeout")
        assert take(struck).deadline == "timeout"


READERS: dict[str, Callable[..., Any]] = {
    "handle_DATA": lambda self, sender, recipients, data: ok("taken"),
    "handle_DATA_stream": lambda self, sender, recipients, stream: ok(str(len(stream.read()))),
}


@pytest.mark.parametrize("name", READERS)
class TestAMessage:
    def test_minimum_rate(self, name: str, clock: Clock, struck: Queue) -> None:
        module = behaviour(**{name: READERS[name]})
        with serving(module) as server, server.greeted(*DATA) as client:
            strike(clock, "minimum_rate", DEFAULTS["rate_grace"])
            assert client.rest() == exceeded("minimum_rate")
            assert take(struck).deadline == "minimum_rate"

    def test_data_block(self, name: str, clock: Clock, struck: Queue) -> None:
        module = behaviour(**{name: READERS[name]})
        with serving(module) as server, server.greeted(*DATA) as client:
            clock.advance(10)
            client.send(ENOUGH * 200)
            strike(clock, "data_block")
            assert client.rest() == exceeded("data_block")
            assert take(struck).deadline == "data_block"

    def test_message(self, name: str, clock: Clock, struck: Queue) -> None:
        module = behaviour(**{name: READERS[name]})
        with serving(module) as server, server.greeted(*DATA) as client:
            for passed in range(0, 3600, 100):
                client.send(ENOUGH * 200)
                wait_until_due(clock, min(DEFAULTS["data_block"], DEFAULTS["message"] - passed))
                clock.advance(100 if passed < 3500 else 99)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("message")
            assert take(struck).deadline == "message"


def test_session(clock: Clock, struck: Queue) -> None:
    limits = {"limits": {"junk_commands": None}}
    with serving(sessionoptions=limits) as server, server.greeted() as client:
        left = DEFAULTS["session"]
        while left > DEFAULTS["timeout"]:
            clock.advance(270)
            left -= 270
            assert client.say("NOOP") == "250 Ok"
        assert struck.empty()
        wait_until_due(clock, left)
        clock.advance(left - 1)
        assert struck.empty()
        clock.advance(1)
        assert client.rest() == exceeded("session")
        assert take(struck).deadline == "session"


def test_reply(struck: Queue) -> None:
    """Real time: it is the kernel that says when no more fits in, and 60 seconds are too long for a test."""
    module = behaviour(handle_other=reply(["250 " + "x" * 500] * 100))
    options = {"deadlines": {"reply": 0.2}, "limits": {"junk_commands": None}}
    with serving(module, sessionoptions=options) as server, server.greeted() as client:
        with contextlib.suppress(ConnectionError):
            client.send("XYZZY\r\n" * 10_000)
        assert take(struck).deadline == "reply"


def test_all_are_tried() -> None:
    tried = {name.removeprefix("test_") for name in (*globals(), *vars(TestAMessage))}
    named = {each.split("_of_")[0] for each in tried}
    assert set(DEFAULTS) - {"rate_grace"} <= named
