"""Behind a balancer: sessions on a listener with the option `proxy_protocol`."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Generator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from actors import events as actor_events
from gen_smtp import events, gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import SessionInfo, ok, stop
from gen_smtp.protocol.proxy.header import ProxiedTls, ProxyHeader
from tests.certificates import Certificates
from tests.gen_smtp.clock import Clock, only, sessions
from tests.gen_smtp.live import (
    DATA,
    MESSAGE,
    PATIENCE,
    Client,
    Queue,
    Server,
    behaviour,
    collected,
    ended,
    serving,
    take,
)
from tests.gen_smtp.proxy_headers import (
    CLIENT_CERT_CONN,
    CLIENT_SSL,
    LINE,
    LOCAL,
    PROXY,
    SSL_CIPHER,
    SSL_CN,
    SSL_VERSION,
    TCP4,
    TCP6,
    UNIX,
    block,
    inet,
    tls,
    unix,
)

BALANCERS = ["127.0.0.0/8"]
LOOPBACK = IPv4Address("127.0.0.1")
CLIENT = IPv4Address("192.0.2.7")
BLOCK = block(PROXY, TCP4, inet("192.0.2.7", 56324))
UNDER_TLS = block(
    PROXY,
    TCP4,
    inet("192.0.2.7", 56324),
    tls(
        CLIENT_SSL | CLIENT_CERT_CONN,
        0,
        *(
            bytes([kind, 0, len(text)]) + text
            for kind, text in [
                (SSL_VERSION, b"TLSv1.3"),
                (SSL_CIPHER, b"TLS_AES_256_GCM_SHA384"),
                (SSL_CN, b"client.test"),
            ]
        ),
    ),
)
ONE_EACH = {"max_sessions_per_address": 1, "exempt": []}
IN_CLEAR = block(PROXY, TCP4, inet("192.0.2.7", 56324), tls(0, 1))


@pytest.fixture
def refusals() -> Generator[Queue]:
    """The events of headers that were refused."""
    with collected(events.ProxyHeaderRefused) as told:
        yield told


@contextlib.contextmanager
def greeted(server: Server, header: bytes = LINE) -> Generator[Client]:
    """A connection that sent a header and has read its banner."""
    with server.client() as client:
        client.send(header)
        assert client.reply().startswith("220")
        yield client


def info_of(server: Server) -> SessionInfo:
    """The facts of the only session."""
    (ref,) = server.sessions
    return gen_smtp_server_session.info(ref)


def has_heard_nothing(server: Server, client: Client) -> bool:
    """Whether nothing was sent to a client when the hub has done all that was due before this."""
    for _ in range(2):
        with greeted(server, b"PROXY UNKNOWN\r\n"):
            pass
    client.socket.setblocking(False)
    try:
        client.socket.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        client.socket.settimeout(PATIENCE)
    return False


def begin_header(client: Client, part: bytes) -> None:
    """Send part of a header; returns when the session has read it."""
    client.send(part)
    while not any(read_of(session).endswith(part) for session in sessions()):
        pass


def read_of(session: Any) -> bytes:
    """What a session has read of its header."""
    reader = session.speaker.header
    return b"" if reader is None else reader._seen


class TestWhoTheClientIs:
    @pytest.mark.parametrize("header", [LINE, BLOCK])
    def test_the_callback_and_others_see_the_real_client_and_the_proxy(self, header: bytes) -> None:
        seen = []

        def init(self: Any, hostname: str, count: int, peername: Any, options: Any) -> Any:
            seen.append((count, peername, self.session.peername, self.session.peer_port, self.session.proxy))
            return ok

        module = behaviour(init=init)
        with serving(module, proxy_protocol=BALANCERS) as server, greeted(server, header) as client:
            own_port = client.socket.getsockname()[1]
            info = info_of(server)
        ((count, peername, fact, port, proxy),) = seen
        assert (count, peername, fact, port) == (1, CLIENT, CLIENT, 56324)
        assert (info.peername, info.peer_port, info.proxy) == (CLIENT, 56324, proxy)
        assert (proxy.address, proxy.port) == (LOOPBACK, own_port)
        assert proxy.header == ProxyHeader(
            2 if header is BLOCK else 1, "inet", CLIENT, 56324, IPv4Address("198.51.100.1"), 25
        )

    def test_events_tell_of_the_real_client(self) -> None:
        with (
            collected(actor_events.Event) as told,
            serving(behaviour(), proxy_protocol=BALANCERS) as server,
            greeted(server) as client,
        ):
            (ref,) = server.sessions
            client.say(*DATA)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            client.say("XYZZY", "QUIT")
            ended(ref)
        peers = {}
        while not told.empty():
            event = told.get_nowait()
            if hasattr(event, "peer"):
                peers[type(event).__name__] = event.peer
        there = (str(CLIENT), 56324)
        assert (
            peers.pop("ClientProxied") == peers.pop("MessageTaken") == peers.pop("CommandRefused") == CLIENT
        )
        assert peers == {"SessionOpened": there, "SessionClosed": there}

    def test_an_ipv6_client_of_an_ipv4_listener(self) -> None:
        header = block(PROXY, TCP6, inet("2001:db8::7", 1, "2001:db8::1"))
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, greeted(server, header):
            assert info_of(server).peername == IPv6Address("2001:db8::7")

    @pytest.mark.parametrize(
        "header",
        [
            b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 56324 25\r\n",
            block(PROXY, TCP6, inet("::ffff:192.0.2.7", 56324, "::1")),
        ],
    )
    def test_an_ipv4_client_of_an_ipv6_socket_has_its_ipv4_address(self, header: bytes) -> None:
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, greeted(server, header):
            assert info_of(server).peername == CLIENT

    def test_a_client_at_a_unix_socket_of_the_balancer_has_no_address(self) -> None:
        header = block(PROXY, UNIX, unix(b"", b"/run/mail"))
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, greeted(server, header):
            info = info_of(server)
        assert (info.peername, info.peer_port) == (None, None)
        assert info.proxy is not None
        assert info.proxy.address == LOOPBACK

    @pytest.mark.parametrize(
        "header", [b"PROXY UNKNOWN\r\n", block(LOCAL, 0), block(LOCAL, TCP4, b"?" * 99), block(PROXY, 0)]
    )
    def test_a_proxy_that_names_no_client_speaks_for_itself(self, header: bytes) -> None:
        """The specification's way with health checks."""
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, greeted(server, header) as client:
            info = info_of(server)
            assert (info.peername, info.peer_port) == (LOOPBACK, client.socket.getsockname()[1])
            assert info.proxy is not None
            assert info.proxy.header.family is None

    def test_the_callback_may_refuse_by_the_real_address(self) -> None:
        def init(self: Any, hostname: str, count: int, peername: Any, options: Any) -> Any:
            return stop("normal", f"554 Not you, {peername}")

        with serving(behaviour(init=init), proxy_protocol=BALANCERS) as server, server.client() as client:
            client.send(LINE)
            assert client.rest() == "554 Not you, 192.0.2.7\r\n"

    def test_a_balancer_may_come_by_a_unix_socket(self, short_path: Path) -> None:
        place = {"family": "unix", "address": str(short_path / "mail"), "port": None}
        with serving(behaviour(), proxy_protocol=["unix"], **place) as server, greeted(server):
            info = info_of(server)
        assert info.peername == CLIENT
        assert info.proxy is not None
        assert info.proxy.address is None

    def test_without_the_option_there_is_no_proxy_and_a_header_is_no_command(self) -> None:
        with serving(behaviour()) as server, server.greeted() as client:
            assert client.say(LINE.decode()[:-2]).startswith("500")
            info = info_of(server)
            assert (info.peername, info.proxy) == (LOOPBACK, None)


class TestTheHeader:
    @pytest.mark.parametrize("header", [LINE, UNDER_TLS], ids=["v1", "v2"])
    def test_nothing_is_said_before_it_is_complete_however_it_comes(self, header: bytes) -> None:
        served = []

        def init(self: Any, hostname: str, count: int, peername: Any, options: Any) -> Any:
            served.append(peername)
            return ok

        with serving(behaviour(init=init), proxy_protocol=BALANCERS) as server, server.client() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for cut in range(len(header) - 1):
                client.send(header[cut : cut + 1])
            assert has_heard_nothing(server, client)
            assert CLIENT not in served
            client.send(header[-1:])
            assert client.reply() == "220 mx.test ESMTP"
            assert served[-1] == CLIENT

    @pytest.mark.parametrize("header", [LINE, BLOCK], ids=["v1", "v2"])
    def test_what_follows_in_one_piece_is_the_clients(self, header: bytes) -> None:
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, server.client() as client:
            client.send(header + b"HELO client.test\r\nNOOP\r\n")
            assert [client.reply() for _ in range(3)] == ["220 mx.test ESMTP", "250 mx.test", "250 Ok"]

    @pytest.mark.parametrize("delay", [0, 0.05])
    def test_an_early_talker_is_one_who_talks_behind_it(self, delay: float) -> None:
        session = {"refuse_early_talkers": True, "greet_delay": delay}
        with serving(behaviour(), proxy_protocol=BALANCERS, sessionoptions=session) as server:
            with server.client() as client:
                client.send(LINE + b"EHLO client.test\r\n")
                assert client.rest().startswith("554 ")
            with greeted(server) as client:
                assert client.say("NOOP") == "250 Ok"

    @pytest.mark.parametrize(
        ("sent", "reason"),
        [
            (b"EHLO client.test\r\n", "no PROXY header"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "no PROXY header"),
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n", "neither TCP4 nor TCP6 "),
            (LINE.replace(b"\r", b""), "a CR or LF alone"),
            (b"PROXY UNKNOWN ".ljust(107, b"x"), "no CRLF in the first 107 octets"),
            (block(0x11, TCP4), "version 1"),
            (block(PROXY, 0x41), "family 4, protocol 1"),
            (block(PROXY, TCP4, length=4081), "more than 4096 octets"),
            (BLOCK[:12] + b"\x22" + BLOCK[13:], "command 2"),
        ],
    )
    def test_a_wrong_one_is_closed_without_a_word_and_told(
        self, refusals: Queue, sent: bytes, reason: str
    ) -> None:
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, server.client() as client:
            with contextlib.suppress(ConnectionError):  # octets unread at a close make it a reset
                client.send(sent)
                assert client.rest() == ""
            refused = take(refusals)
            assert refused.peer == LOOPBACK
            assert refused.reason.startswith(reason)
            assert refusals.empty()
            with greeted(server):
                assert len(server.sessions) == 1

    @pytest.mark.parametrize("header", [LINE, BLOCK, b"EHLO client.test\r\n"])
    def test_from_anybody_else_even_a_good_one_is_closed(self, refusals: Queue, header: bytes) -> None:
        others = ["192.0.2.0/24", "::1", "unix"]
        with serving(behaviour(), proxy_protocol=others) as server, server.client() as client:
            with contextlib.suppress(ConnectionError):
                client.send(header)
                assert client.rest() == ""
            assert take(refusals).reason == "the option proxy_protocol does not name this peer"

    def test_one_that_ends_in_the_middle_is_told(self, refusals: Queue) -> None:
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, server.client() as client:
            client.send(LINE[:-1])
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest() == ""
            assert take(refusals).reason == "closed in the middle of it"

    @pytest.mark.parametrize("end", [Client.close, Client.reset])
    def test_a_look_whether_somebody_answers_is_nothing_to_tell(self, refusals: Queue, end: Any) -> None:
        with collected(actor_events.SessionClosed) as closed:
            with serving(behaviour(), proxy_protocol=BALANCERS) as server:
                end(server.client())
                with greeted(server):
                    pass
                take(closed)
            assert closed.empty()
        assert refusals.empty()

    @pytest.mark.parametrize("name", ["proxy_header", "banner"])
    def test_it_must_be_there_in_time_and_no_octet_moves_that(
        self, refusals: Queue, clock: Clock, name: str
    ) -> None:
        options = only(**{name: 5})
        with serving(behaviour(), proxy_protocol=BALANCERS, sessionoptions=options) as server:
            for last_moment in (5, 6):
                with server.client() as client:
                    begin_header(client, LINE[:9])
                    clock.advance(4)
                    begin_header(client, LINE[9:20])
                    clock.advance(last_moment - 4)
                    assert take(refusals).reason == "timeout"
                    assert client.rest() == ""

    def test_its_deadline_ends_with_it(self, clock: Clock) -> None:
        options = only(proxy_header=5)
        with (
            serving(behaviour(), proxy_protocol=BALANCERS, sessionoptions=options) as server,
            server.client() as client,
        ):
            begin_header(client, LINE[:9])
            clock.advance(4)
            client.send(LINE[9:])
            assert client.reply() == "220 mx.test ESMTP"
            clock.advance(1000)
            assert client.say("NOOP") == "250 Ok"

    def test_a_server_that_stops_waits_for_none(self) -> None:
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, server.client() as client:
            client.send(LINE[:9])
            assert has_heard_nothing(server, client)
            gen_smtp_server.stop(server.ref)
            assert client.rest() == ""


class TestTls:
    def test_it_comes_before_implicit_tls(self, certificates: Certificates) -> None:
        trust = ssl.create_default_context(cafile=certificates.cafile)
        options = {"protocol": "ssl", "sessionoptions": certificate_of(certificates)}
        with (
            serving(behaviour(), proxy_protocol=BALANCERS, **options) as server,
            socket.create_connection(server.addresses[0], PATIENCE) as plain,
        ):
            plain.sendall(BLOCK)
            with trust.wrap_socket(plain, server_hostname="localhost") as client:
                assert client.recv(99) == b"220 mx.test ESMTP\r\n"
                info = info_of(server)
        assert info.peername == CLIENT
        assert info.tls is not None

    @pytest.mark.parametrize("header", [LINE, BLOCK], ids=["v1", "v2"])
    def test_a_client_hello_in_one_piece_with_it_is_not_lost(
        self, certificates: Certificates, header: bytes
    ) -> None:
        trust = ssl.create_default_context(cafile=certificates.cafile)
        options = {"protocol": "ssl", "sessionoptions": certificate_of(certificates)}
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        layer = trust.wrap_bio(incoming, outgoing, server_hostname="localhost")
        greeting = b""
        with (
            serving(behaviour(), proxy_protocol=BALANCERS, **options) as server,
            socket.create_connection(server.addresses[0], PATIENCE) as plain,
        ):
            sent = header
            while not greeting:
                try:
                    greeting = layer.read(99)
                except ssl.SSLWantReadError:
                    plain.sendall(sent + outgoing.read())
                    sent = b""
                    incoming.write(plain.recv(65536))
        assert greeting == b"220 mx.test ESMTP\r\n"

    def test_implicit_tls_without_it_is_closed(self, certificates: Certificates, refusals: Queue) -> None:
        trust = ssl.create_default_context(cafile=certificates.cafile)
        options = {"protocol": "ssl", "sessionoptions": certificate_of(certificates)}
        with serving(behaviour(), proxy_protocol=BALANCERS, **options) as server:
            with socket.create_connection(server.addresses[0], PATIENCE) as plain, pytest.raises(OSError):
                trust.wrap_socket(plain, server_hostname="localhost")
            assert take(refusals).reason == "no PROXY header"

    def test_a_handshake_that_fails_behind_it_is_the_clients(self, certificates: Certificates) -> None:
        options = {"protocol": "ssl", "sessionoptions": certificate_of(certificates)}
        with (
            collected(actor_events.TlsFailed) as failures,
            serving(behaviour(), proxy_protocol=BALANCERS, **options) as server,
            server.client() as client,
        ):
            client.send(BLOCK + b"EHLO client.test\r\n")
            assert take(failures).peer == (str(CLIENT), 56324)

    def test_starttls_is_the_clients_own(self, certificates: Certificates) -> None:
        trust = ssl.create_default_context(cafile=certificates.cafile)
        session = certificate_of(certificates)
        module = behaviour(handle_EHLO=ok([("STARTTLS", True)]))
        options = {"proxy_protocol": BALANCERS, "sessionoptions": session}
        with serving(module, **options) as server, greeted(server, UNDER_TLS) as client:
            assert client.say("EHLO x") == "250-mx.test\n250 STARTTLS"
            assert client.say("STARTTLS") == "220 OK"
            with trust.wrap_socket(client.socket, server_hostname="localhost") as inside:
                inside.sendall(b"NOOP\r\n")
                assert inside.recv(99) == b"250 Ok\r\n"

    def test_what_the_balancer_says_of_it_is_a_fact_of_its_own(self) -> None:
        with serving(behaviour(), proxy_protocol=BALANCERS) as server, greeted(server, UNDER_TLS):
            info = info_of(server)
        assert info.tls is None
        assert info.proxy is not None
        assert info.proxy.header.tls == ProxiedTls("TLSv1.3", "TLS_AES_256_GCM_SHA384", "client.test", True)

    @pytest.mark.parametrize("trusted", [False, True])
    @pytest.mark.parametrize(
        ("header", "says_tls"), [(UNDER_TLS, True), (IN_CLEAR, False), (BLOCK, False), (LINE, False)]
    )
    def test_it_counts_as_tls_where_the_balancer_says_so_and_is_trusted(
        self, certificates: Certificates, trusted: bool, header: bytes, says_tls: bool
    ) -> None:
        session = {**certificate_of(certificates), "require_tls": True}
        module = behaviour(handle_EHLO=ok([("STARTTLS", True), ("AUTH", "PLAIN")]))
        options = {"trust_proxied_tls": trusted, "sessionoptions": session}
        with (
            serving(module, proxy_protocol=BALANCERS, **options) as server,
            greeted(server, header) as client,
        ):
            hello = client.say("EHLO client.test")
            mail = client.say("MAIL FROM:<a@x.test>")
            if trusted and says_tls:
                assert (hello, mail) == ("250-mx.test\n250 AUTH PLAIN", "250 sender Ok")
                assert client.say("STARTTLS") == "500 TLS already negotiated"
            else:
                assert hello == "250-mx.test\n250 STARTTLS"
                assert mail == "530 Must issue a STARTTLS command first"
            assert info_of(server).tls is None

    def test_no_certificate_is_needed_to_require_the_balancers_tls(self) -> None:
        options = {"trust_proxied_tls": True, "sessionoptions": {"require_tls": True}}
        options["proxy_protocol"] = BALANCERS
        with serving(behaviour(), **options) as server, greeted(server, UNDER_TLS) as client:
            assert client.say("EHLO x", "MAIL FROM:<a@x.test>") == "250 sender Ok"


class TestOptions:
    def test_networks_are_kept_as_they_were_named(self) -> None:
        with serving(behaviour(), proxy_protocol=["127.0.0.1", "2001:db8::/32"]) as server:
            (listener,) = gen_smtp_server.listeners(server.ref)
        assert str(listener.listenoptions.proxy_protocol) == "127.0.0.1/32, 2001:db8::/32"
        assert ip_address("127.0.0.1") in (listener.listenoptions.proxy_protocol or ())

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (
                {"proxy_protocol": ["10.0.0.1/8"]},
                "listener 1, option proxy_protocol: not a network: 10.0.0.1/8 has",
            ),
            ({"proxy_protocol": []}, "listener 1, option proxy_protocol: no peer is named"),
            ({"proxy_protocl": ["::1"]}, "did you mean proxy_protocol?"),
            ({"trust_proxied_tls": True}, "allowed: together with proxy_protocol or xclient"),
            (
                {"trust_proxied_tls": 1, "proxy_protocol": ["::1"]},
                "option trust_proxied_tls: not a truth value",
            ),
            (
                {"trust_proxied_tls": True, "proxy_protocol": ["::1"], "protocol": "ssl"},
                "option protocol: 'ssl' needs a certificate",
            ),
        ],
    )
    def test_what_is_wrong_is_said_at_the_start(self, options: dict[str, Any], text: str) -> None:
        with pytest.raises(gen_smtp_server.OptionsError) as caught:
            gen_smtp_server.start(behaviour(), [{"port": 0, **options}])
        assert text in str(caught.value)


def certificate_of(certificates: Certificates) -> dict[str, Any]:
    """Session options with a certificate for localhost."""
    return {"certfile": certificates.ecdsa.certfile, "keyfile": certificates.ecdsa.keyfile}


class TestLimitsOfAddresses:
    """They are for the real client; connections of the balancer's own are not counted."""

    @staticmethod
    def header(address: str) -> bytes:
        return block(PROXY, TCP4, inet(address, 4711))

    def test_a_client_too_many_hears_so_and_leaves_its_place(self) -> None:
        with (
            serving(behaviour(), proxy_protocol=BALANCERS, serveroptions=ONE_EACH) as server,
            greeted(server, self.header("192.0.2.1")) as first,
            greeted(server, self.header("192.0.2.2")),
            server.client() as third,
        ):
            third.send(self.header("192.0.2.1") + b"EHLO client.test\r\n")
            text = "Too many connections from your address, try again later"
            assert third.rest() == f"421 mx.test {text}\r\n"
            (ref, _) = server.sessions
            first.say("QUIT")
            ended(ref)
            with greeted(server, self.header("192.0.2.1")):
                pass

    def test_the_balancers_own_connections_are_not_counted(self) -> None:
        with (
            serving(behaviour(), proxy_protocol=BALANCERS, serveroptions=ONE_EACH) as server,
            greeted(server, b"PROXY UNKNOWN\r\n"),
            greeted(server, block(LOCAL, 0)),
        ):
            assert len(server.sessions) == 2

    def test_before_tls_a_client_too_many_hears_nothing(self, certificates: Certificates) -> None:
        options = {"protocol": "ssl", "sessionoptions": certificate_of(certificates)}
        with (
            collected(events.ClientProxied) as told,
            serving(behaviour(), proxy_protocol=BALANCERS, serveroptions=ONE_EACH, **options) as server,
            server.client() as first,
            server.client() as second,
        ):
            first.send(self.header("192.0.2.1"))
            take(told)
            second.send(self.header("192.0.2.1"))
            assert second.rest() == ""
