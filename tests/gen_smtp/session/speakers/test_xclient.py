"""XCLIENT over a real connection: the session begins again with the client that is spoken for."""

from __future__ import annotations

import queue
import ssl
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, ClassVar

import pytest

from actors import events as actor_events
from gen_smtp import events, gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import Behaviour, SessionInfo, error, ok, stop
from gen_smtp.maildir.handler import MaildirHandler
from gen_smtp.protocol.questions import ClientFacts
from tests.actors.helpers import Gate
from tests.certificates import Certificates
from tests.gen_smtp.clock import Clock, exceeded, only
from tests.gen_smtp.live import (
    DATA,
    MAIL,
    MESSAGE,
    PATIENCE,
    Queue,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    serving,
    take,
)
from tests.gen_smtp.proxy_headers import LINE

HERE = ["127.0.0.1"]
ELSEWHERE = ["192.0.2.0/24"]
LOOPBACK = IPv4Address("127.0.0.1")
CLIENT = IPv4Address("198.51.100.9")
NAMED = "XCLIENT NAME=client.test ADDR=198.51.100.9 PORT=4711"
BANNER = "220 mx.test ESMTP"
DENIED = "550 Error: insufficient authorization"


def info_of(server: Server) -> SessionInfo:
    """The facts of the only session."""
    (ref,) = server.sessions
    return gen_smtp_server_session.info(ref)


class Witness(Behaviour):
    """Says what happens to it; each object has a number."""

    def __init__(self, told: queue.SimpleQueue[Any]) -> None:
        self.told = told
        self.seen: list[Any] = []

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.seen.append((session_count, peername, self.session.peer_port, self.session.user))
        if peername == IPv4Address("198.51.100.66"):
            return stop("unwanted", "554 Not you")
        if peername == IPv4Address("198.51.100.67"):
            raise RuntimeError("no")
        self.session.at_end(self.told.put, "at_end")
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        return ok("taken")

    def terminate(self, reason: Any) -> None:
        self.told.put((self.seen, reason, self.session.peername))


@pytest.fixture
def told() -> queue.SimpleQueue[Any]:
    """What the objects of `Witness` say at their ends."""
    return queue.SimpleQueue()


class TestTheSessionBeginsAgain:
    def test_a_new_object_is_asked_and_the_old_one_told(self, told: Queue) -> None:
        with (
            serving(lambda: Witness(told), xclient=HERE) as server,
            server.greeted("EHLO proxy.test") as client,
        ):
            own_port = client.socket.getsockname()[1]
            (ref,) = server.sessions
            assert client.say(NAMED) == BANNER
            assert server.sessions == [ref]
            assert take(told) == ([(1, LOOPBACK, own_port, None)], "xclient", LOOPBACK)
            assert client.say("RCPT TO:<a@x.test>") == "503 Error: need MAIL command"
            assert client.say("EHLO client.test").startswith("250-mx.test\n250-SIZE ")
            info = info_of(server)
            assert client.say(*DATA[1:]).startswith("354")
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            assert client.say("QUIT") == "221 Bye"
            ended(ref)
        assert (info.peername, info.peer_port, info.proxy) == (CLIENT, 4711, None)
        assert info.xclient == ClientFacts(name="client.test", address=CLIENT, port=4711)
        assert everything(told) == [([(1, CLIENT, 4711, None)], "normal", CLIENT), "at_end", "at_end"]

    def test_a_client_that_is_not_wanted_hears_so(self, told: Queue) -> None:
        with serving(lambda: Witness(told), xclient=HERE) as server, server.greeted() as client:
            (ref,) = server.sessions
            client.send("XCLIENT ADDR=198.51.100.66\r\nNOOP\r\n")
            assert client.rest() == "554 Not you\r\n"
            assert ended(ref) == "unwanted"
        (_, reason, peername), *rest = everything(told)
        assert (reason, peername, rest) == ("xclient", LOOPBACK, ["at_end"])

    def test_an_init_that_raises_ends_the_session(self, told: Queue) -> None:
        with serving(lambda: Witness(told), xclient=HERE) as server, server.greeted() as client:
            client.send("XCLIENT ADDR=198.51.100.67\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"

    def test_commands_may_be_pipelined_behind_it(self) -> None:
        with serving(behaviour(), xclient=HERE) as server, server.greeted() as client:
            client.send(f"{NAMED}\r\nHELO client.test\r\nMAIL FROM:<a@x.test>\r\nQUIT\r\n")
            assert client.rest().splitlines() == [BANNER, "250 mx.test", "250 sender Ok", "221 Bye"]

    def test_the_places_of_sessions_stay_as_they_are(self, told: Queue) -> None:
        with (
            serving(lambda: Witness(told), xclient=HERE) as server,
            server.greeted(),
            server.greeted(NAMED, NAMED, "QUIT") as client,
        ):
            assert client.rest() == ""
            counts = [take(told)[0][0][0] for _ in range(3)]
        assert counts == [2, 2, 2]

    def test_tls_stays(self, certificates: Certificates) -> None:
        trust = ssl.create_default_context(cafile=certificates.cafile)
        session = {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}
        module = behaviour(handle_EHLO=ok([("STARTTLS", True)]))
        with serving(module, xclient=HERE, sessionoptions=session) as server, server.greeted() as client:
            assert client.say("EHLO proxy.test", "STARTTLS") == "220 OK"
            with trust.wrap_socket(client.socket, server_hostname="localhost") as inside:
                inside.sendall(f"{NAMED}\r\nEHLO client.test\r\nSTARTTLS\r\n".encode())
                file = inside.makefile("rb")
                replies = [file.readline().decode().strip() for _ in range(3)]
                info = info_of(server)
                file.close()
        assert replies == [BANNER, "250 mx.test", "500 TLS already negotiated"]
        assert info.tls is not None
        assert info.peername == CLIENT

    def test_a_server_that_stops_says_so_afterwards_too(self) -> None:
        with serving(behaviour(), xclient=HERE) as server, server.greeted(NAMED) as client:
            gen_smtp_server.stop(server.ref)
            assert client.rest() == "421 mx.test Service shutting down\r\n"


class TestMailStraightBehindIt:
    def test_the_new_object_is_asked_about_the_hello_before(self) -> None:
        seen: list[Any] = []

        def tell(name: str, result: Any = ok) -> Any:
            def callback(self: Any, *args: Any) -> Any:
                seen.append((name, args[0], str(self.session.peername), self.session.helo))
                return result

            return callback

        names = ("handle_HELO", "handle_EHLO", "handle_MAIL", "handle_RCPT")
        module = behaviour(**{name: tell(name) for name in names}, handle_DATA=ok("taken"))
        with serving(module, xclient=HERE) as server, server.greeted("EHLO client.test") as client:
            seen.clear()
            client.send(f"{NAMED}\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n")
            replies = [client.reply() for _ in range(4)]
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
        assert replies[:3] == [BANNER, "250 sender Ok", "250 recipient Ok"]
        there = str(CLIENT)
        assert seen == [
            ("handle_EHLO", "client.test", there, None),
            ("handle_MAIL", "a@x.test", there, "client.test"),
            ("handle_RCPT", "b@y.test", there, "client.test"),
        ]

    def test_a_callback_may_refuse_it(self) -> None:
        def handle_ehlo(self: Any, hostname: str, extensions: Any) -> Any:
            return ok if self.session.peername == LOOPBACK else error("554 Not from there")

        module = behaviour(handle_EHLO=handle_ehlo)
        with serving(module, xclient=HERE) as server, server.greeted("EHLO client.test", NAMED) as client:
            assert client.say("MAIL FROM:<a@x.test>") == "554 Not from there"
            assert client.say("QUIT") == "221 Bye"

    def test_a_blocking_callback(self) -> None:
        module = behaviour(blocking=frozenset({"handle_EHLO", "handle_MAIL"}))
        with serving(module, xclient=HERE) as server, server.greeted("EHLO client.test", NAMED) as client:
            assert client.say("MAIL FROM:<a@x.test>") == "250 sender Ok"


class TestTlsThatEndsAtThePeer:
    def test_it_counts_once_the_peer_speaks_for_a_client(self) -> None:
        options = {"xclient": HERE, "trust_proxied_tls": True, "sessionoptions": {"require_tls": True}}
        module = behaviour(
            handle_EHLO=ok([("STARTTLS", True), ("AUTH", "PLAIN")]),
            handle_DATA=lambda self, *args: ok(f"{self.session.transmission_type} {self.session.tls}"),
        )
        with serving(module, **options) as server, server.greeted("EHLO proxy.test") as client:
            assert client.say("MAIL FROM:<a@x.test>") == "530 Must issue a STARTTLS command first"
            assert client.say(NAMED, "EHLO client.test") == "250-mx.test\n250 AUTH PLAIN"
            assert client.say("STARTTLS") == "500 TLS already negotiated"
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply() == "250 ESMTPS None"

    def test_without_the_option_it_does_not(self, certificates: Certificates) -> None:
        session = {
            "certfile": certificates.ecdsa.certfile,
            "keyfile": certificates.ecdsa.keyfile,
            "require_tls": True,
        }
        with (
            serving(behaviour(), xclient=HERE, sessionoptions=session) as server,
            server.greeted(NAMED, "EHLO client.test") as client,
        ):
            assert client.say("MAIL FROM:<a@x.test>") == "530 Must issue a STARTTLS command first"

    def test_others_bring_none(self) -> None:
        options = {"xclient": ELSEWHERE, "trust_proxied_tls": True, "sessionoptions": {"require_tls": True}}
        with serving(behaviour(), **options) as server, server.greeted(NAMED, "EHLO x") as client:
            assert client.say("MAIL FROM:<a@x.test>") == "530 Must issue a STARTTLS command first"


class TestTheTraceField:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ((NAMED, "EHLO client.test."), "Received: from client.test ([198.51.100.9])"),
            ((f"{NAMED} HELO=its.hello", "EHLO proxy.test"), "Received: from its.hello ([198.51.100.9])"),
            ((f"{NAMED} HELO=a+22b", "EHLO proxy.test"), "Received: from a?b ([198.51.100.9])"),
            (
                (f"{NAMED} HELO=[UNAVAILABLE]", "EHLO other.test"),
                "Received: from other.test ([198.51.100.9])",
            ),
            ((NAMED,), "Received: from proxy.test ([198.51.100.9])"),
        ],
    )
    def test_it_names_the_clients_hello_and_not_the_peers(
        self, lines: tuple[str, ...], expected: str, tmp_path: Path
    ) -> None:
        session = {"callbackoptions": {"maildir": tmp_path / "mail"}}
        with (
            serving(MaildirHandler, xclient=HERE, sessionoptions=session) as server,
            server.greeted("EHLO proxy.test", *lines) as client,
        ):
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply().startswith("250")
        (message,) = (tmp_path / "mail" / "new").iterdir()
        assert expected in message.read_text().splitlines()


class TestDeadlines:
    @staticmethod
    def slow_for_others(gate: Gate, name: str) -> type[Behaviour]:
        """A behaviour whose callback of this name waits when the client is not the peer itself."""

        def wait(self: Any, *args: Any) -> Any:
            if (self.session.peername == LOOPBACK) == (name == "terminate"):
                gate.wait()
            return ok

        return behaviour(**{name: wait})

    def test_the_greeting_of_the_new_client_has_its_time(self, clock: Clock) -> None:
        gate = Gate()
        options = {"xclient": HERE, "sessionoptions": only(timeout=20, banner=30)}
        with serving(self.slow_for_others(gate, "init"), **options) as server, server.greeted() as client:
            clock.advance(15)
            client.send(f"{NAMED}\r\n")
            gate.reached.get(timeout=PATIENCE)
            clock.advance(29)  # the time between commands is none that the server takes
            clock.advance(1)
            assert client.rest() == exceeded("banner")

    def test_the_whole_session_begins_anew(self, clock: Clock) -> None:
        with (
            serving(behaviour(), xclient=HERE, sessionoptions=only(session=100)) as server,
            server.greeted() as client,
        ):
            clock.advance(99)
            assert client.say("NOOP", NAMED) == BANNER
            clock.advance(99)
            assert client.say("NOOP") == "250 Ok"
            clock.advance(1)
            assert client.rest() == exceeded("session")

    def test_a_terminate_is_not_cut_off(self, clock: Clock) -> None:
        gate = Gate()
        options = {"xclient": HERE, "sessionoptions": only(timeout=20, banner=30, session=100)}
        with (
            serving(self.slow_for_others(gate, "terminate"), **options) as server,
            server.greeted() as client,
        ):
            client.send(f"{NAMED}\r\n")
            gate.reached.get(timeout=PATIENCE)
            clock.advance(1000)
            gate.open()
            assert client.reply() == BANNER


class TestWhoTheClientIs:
    @pytest.mark.parametrize(
        ("said", "peername", "port"),
        [
            (["ADDR=198.51.100.9"], CLIENT, None),
            (["ADDR=IPV6:2001:db8::9 PORT=1"], IPv6Address("2001:db8::9"), 1),
            (["ADDR=IPV6:::ffff:198.51.100.9"], CLIENT, None),
            (["ADDR=198.51.100.9 PORT=1", "PORT=2"], CLIENT, 2),
            (["ADDR=198.51.100.9 PORT=1", "ADDR=198.51.100.10"], IPv4Address("198.51.100.10"), None),
            (["ADDR=198.51.100.9 PORT=1", "NAME=x HELO=y PROTO=SMTP"], CLIENT, 1),
            (["ADDR=198.51.100.9 PORT=1", "ADDR=[UNAVAILABLE]"], None, None),
            (["ADDR=[UNAVAILABLE]", "PORT=7"], None, None),
            (["PORT=7"], LOOPBACK, 7),
            (["PORT=[UNAVAILABLE]"], LOOPBACK, None),
        ],
    )
    def test_address_and_port(self, said: list[str], peername: Any, port: int | None) -> None:
        with serving(behaviour(), xclient=HERE) as server, server.greeted() as client:
            for attributes in said:
                assert client.say(f"XCLIENT {attributes}") == BANNER
            info = info_of(server)
        assert (info.peername, info.peer_port) == (peername, port)

    def test_attributes_add_up_but_for_a_login(self) -> None:
        with serving(behaviour(), xclient=HERE) as server, server.greeted() as client:
            client.say(NAMED, "XCLIENT HELO=its.hello PROTO=ESMTP LOGIN=joe")
            first = info_of(server)
            client.say("XCLIENT DESTADDR=192.0.2.1 DESTPORT=25 NAME=[TEMPUNAVAIL]")
            second = info_of(server)
        known = ClientFacts(
            name="client.test", address=CLIENT, port=4711, protocol="ESMTP", helo="its.hello", login="joe"
        )
        assert (first.xclient, first.user, first.helo) == (known, "joe", None)
        assert second.xclient == ClientFacts(
            name_error="temporary",
            address=CLIENT,
            port=4711,
            protocol="ESMTP",
            helo="its.hello",
            destination=IPv4Address("192.0.2.1"),
            destination_port=25,
        )
        assert second.user is None

    def test_a_login_is_as_good_as_auth(self) -> None:
        session = {"require_auth": True, "allow_insecure_auth": True}
        with (
            serving(behaviour(), xclient=HERE, sessionoptions=session) as server,
            server.greeted() as client,
        ):
            assert client.say(*MAIL) == "530 Authentication required"
            assert client.say("XCLIENT LOGIN=joe", *MAIL) == "250 sender Ok"
            assert client.say("RSET", "XCLIENT PROTO=ESMTP", *MAIL) == "530 Authentication required"

    def test_events_tell_who_it_is_and_who_says_so(self) -> None:
        there = (str(CLIENT), 4711)
        with (
            collected(actor_events.Event) as told,
            serving(behaviour(), xclient=HERE) as server,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            client.say(f"{NAMED} LOGIN=joe", "XYZZY", "QUIT")
            ended(ref)
        by_type = {type(each): each for each in everything(told)}
        assert by_type[events.ClientReplaced] == events.ClientReplaced(ref.actor_urn, CLIENT, LOOPBACK, "joe")
        assert by_type[events.CommandRefused].peer == CLIENT
        assert by_type[actor_events.SessionClosed].peer == there
        assert str(by_type[events.ClientReplaced]) == (
            f"{ref.actor_urn} 198.51.100.9: is the client from now on, with login joe, 127.0.0.1 says"
        )


class TestWhoMaySayIt:
    def test_it_is_announced_to_them_alone(self) -> None:
        with serving(behaviour(), xclient=HERE) as server, server.greeted() as client:
            hello = client.say("EHLO x")
            assert "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" in hello
        with serving(behaviour(), xclient=ELSEWHERE) as server, server.greeted() as client:
            assert "XCLIENT" not in client.say("EHLO x")
            assert client.say(NAMED) == DENIED
            assert info_of(server).peername == LOOPBACK

    def test_who_says_that_it_is_somebody_else_is_still_who_it_was(self) -> None:
        """XCLIENT does not override its own access control: neither to lose the right nor to win it."""
        with serving(behaviour(), xclient=HERE) as server, server.greeted(NAMED) as client:
            assert client.say("XCLIENT ADDR=203.0.113.1") == BANNER
        with serving(behaviour(), xclient=ELSEWHERE) as server, server.greeted() as client:
            assert client.say("XCLIENT ADDR=192.0.2.1", "XCLIENT ADDR=192.0.2.1") == DENIED

    def test_behind_a_balancer_it_is_the_real_clients_right(self) -> None:
        """Or every client of the balancer could be anyone."""
        options = {"proxy_protocol": HERE, "xclient": HERE}
        with serving(behaviour(), **options) as server, server.client() as client:
            client.send(LINE)
            assert client.reply() == BANNER
            assert client.say(NAMED) == DENIED
        with serving(behaviour(), **options) as server, server.client() as client:
            client.send("PROXY UNKNOWN\r\n")
            assert client.reply() == BANNER
            assert client.say(NAMED) == DENIED
        options = {"proxy_protocol": HERE, "xclient": ELSEWHERE}
        with serving(behaviour(), **options) as server, server.client() as client:
            client.send(LINE)
            assert client.reply() == BANNER
            assert client.say(NAMED) == BANNER
            info = info_of(server)
        assert info.peername == CLIENT
        assert info.proxy is not None
        assert info.proxy.header.source == IPv4Address("192.0.2.7")

    def test_a_peer_at_a_unix_socket(self, short_path: Path) -> None:
        place = {"family": "unix", "address": str(short_path / "mail"), "port": None}
        with serving(behaviour(), xclient=["unix"], **place) as server, server.greeted() as client:
            assert client.say("XCLIENT PORT=5") == BANNER
            assert info_of(server).peer_port is None
            assert client.say(NAMED) == BANNER
            assert info_of(server).peername == CLIENT
        with serving(behaviour(), xclient=HERE, **place) as server, server.greeted() as client:
            assert client.say(NAMED) == DENIED

    def test_without_the_option_it_is_the_callbacks_command(self) -> None:
        with serving(behaviour()) as server, server.greeted() as client:
            assert client.say(NAMED) == "500 Error: command not recognized : 'XCLIENT'"
            assert info_of(server).xclient is None

    def test_lmtp(self) -> None:
        session = {"protocol": "lmtp"}
        with (
            serving(behaviour(), xclient=HERE, sessionoptions=session) as server,
            server.greeted("LHLO proxy.test") as client,
        ):
            assert client.say(NAMED) == "220 mx.test LMTP"
            assert "XCLIENT" in client.say("LHLO client.test")

    def test_a_new_class_serves_the_client_that_is_spoken_for(self) -> None:
        def init(self: Any, *args: Any) -> Any:
            return ok("new code")

        with serving(behaviour(), xclient=HERE) as server, server.greeted() as client:
            gen_smtp_server.change_code(server.ref, behaviour(init=init))
            assert client.say(NAMED) == "220 new code"


class TestLimitsOfAddresses:
    ONE_EACH: ClassVar[dict[str, Any]] = {"max_sessions_per_address": 1, "exempt": []}

    def test_the_new_client_is_counted_and_the_peer_no_more(self) -> None:
        with (
            serving(behaviour(), xclient=HERE, serveroptions=self.ONE_EACH) as server,
            server.greeted("XCLIENT ADDR=198.51.100.1") as first,
            server.greeted("XCLIENT ADDR=198.51.100.2"),
            server.greeted("XCLIENT NAME=x PORT=1") as third,
        ):
            (ref, *_) = server.sessions
            with server.client() as fourth:  # the third is still itself
                assert fourth.rest().startswith("421 mx.test Too many connections from your address")
            third.send("XCLIENT ADDR=198.51.100.1\r\nNOOP\r\n")
            assert third.rest() == "421 mx.test Too many connections from your address, try again later\r\n"
            first.say("QUIT")
            ended(ref)
            with server.greeted() as fifth:
                assert fifth.say("XCLIENT ADDR=198.51.100.1") == BANNER

    def test_a_client_without_a_known_address_is_not_counted(self) -> None:
        with (
            serving(behaviour(), xclient=HERE, serveroptions=self.ONE_EACH) as server,
            server.greeted("XCLIENT ADDR=[UNAVAILABLE]"),
            server.greeted("XCLIENT ADDR=[UNAVAILABLE]"),
        ):
            assert len(server.sessions) == 2
