"""Who may come: limits of the whole server and of each client address."""

from __future__ import annotations

import contextlib
import ssl
import tracemalloc
from collections.abc import Callable, Generator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.events import ClientTurnedAway
from gen_smtp.gen_smtp_server_session import Behaviour, ok, stop
from gen_smtp.options.server import ServerOptions
from gen_smtp.server.client_limits import CROWDED, FULL, HASTY, MOST_ADDRESSES, ClientLimits
from gen_smtp.server.peer_address import peer_address
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    DOMAIN,
    Client,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    listener,
    serving,
)

FULL_REPLY = f"421 {DOMAIN} Too many connections, try again later\r\n"
CROWDED_REPLY = f"421 {DOMAIN} Too many connections from your address, try again later\r\n"
HASTY_REPLY = f"421 {DOMAIN} Too many connections a minute from your address, try again later\r\n"

HERE, THERE = ip_address("192.0.2.1"), ip_address("192.0.2.2")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admission(clock: Callable[[], float] | None = None, **options: Any) -> ClientLimits:
    """One whose limits are those given, and no others."""
    unlimited = {"max_sessions_per_address": None, "connections_per_minute": None}
    limits = ServerOptions(**{**unlimited, **options})
    return ClientLimits(limits) if clock is None else ClientLimits(limits, clock)


# -- sessions of an address ---------------------------------------------------------------------------


def test_an_address_has_so_many_sessions_and_gets_another_when_one_is_gone() -> None:
    places = admission(max_sessions_per_address=2)
    assert [places.enter(HERE), places.enter(HERE), places.enter(HERE)] == [None, None, CROWDED]
    assert places.enter(THERE) is None
    places.leave(HERE)
    assert [places.enter(HERE), places.enter(HERE)] == [None, CROWDED]


def test_what_nobody_uses_any_more_is_forgotten() -> None:
    places = admission(max_sessions_per_address=2)
    for _ in range(2):
        places.enter(HERE)
    for _ in range(2):
        places.leave(HERE)
    assert places._sessions == {}


@pytest.mark.parametrize(
    ("prefix", "other", "same"),
    [
        (64, "2001:db8:0:1:ffff::9", True),
        (64, "2001:db8:0:2::1", False),
        (48, "2001:db8:0:2::1", True),
        (128, "2001:db8:0:1::2", False),
        (64, "0.0.0.1", False),
    ],
)
def test_ipv6_addresses_of_one_prefix_are_one_client(prefix: int, other: str, same: bool) -> None:
    places = admission(max_sessions_per_address=1, ipv6_prefix=prefix)
    assert places.enter(ip_address("2001:db8:0:1::1")) is None
    assert places.enter(ip_address(other)) is (CROWDED if same else None)


def test_an_ipv4_address_is_not_the_ipv6_prefix_of_the_same_number() -> None:
    places = admission(max_sessions_per_address=1)
    assert places.enter(IPv6Address(7 << 64)) is None
    assert places.enter(IPv4Address(7)) is None


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("128.0.0.1", True),
        ("::2", True),
    ],
)
def test_loopback_is_exempt_unless_told_otherwise(address: str, counted: bool) -> None:
    for options, expected in (({}, counted), ({"exempt": ()}, True)):
        places = admission(max_sessions_per_address=1, connections_per_minute=1, **options)
        assert places.enter(ip_address(address)) is None
        assert (places.enter(ip_address(address)) is None) is not expected


def test_networks_of_ones_own_are_exempt_and_leave_as_they_came() -> None:
    places = admission(max_sessions_per_address=1, exempt=["192.0.2.0/31", "2001:db8::/32"])
    for address in (ip_address("192.0.2.1"), ip_address("2001:db8:ffff::1")):
        assert [places.enter(address), places.enter(address)] == [None, None]
        places.leave(address)
    assert [places.enter(THERE), places.enter(THERE)] == [None, CROWDED]


def test_clients_without_an_address_are_never_counted() -> None:
    places = admission(max_sessions_per_address=1, connections_per_minute=1)
    assert [places.enter(None), places.enter(None)] == [None, None]
    places.leave(None)


# -- connections a minute -----------------------------------------------------------------------------


def test_an_address_has_so_many_connections_in_the_minute_that_begins_with_the_first() -> None:
    clock = Clock()
    places = admission(clock, connections_per_minute=3)

    def connect() -> Any:
        refusal = places.enter(HERE)
        if refusal is None:
            places.leave(HERE)
        return refusal

    assert connect() is None
    clock.now += 59.9
    assert [connect(), connect(), connect(), connect()] == [None, None, HASTY, HASTY]
    assert places.enter(THERE) is None
    clock.now += 0.1
    assert [connect(), connect(), connect(), connect()] == [None, None, None, HASTY]


def test_connections_that_are_refused_for_their_number_are_counted_too() -> None:
    places = admission(Clock(), max_sessions_per_address=1, connections_per_minute=2)
    assert [places.enter(HERE) for _ in range(4)] == [None, CROWDED, HASTY, HASTY]


def test_connections_that_find_the_server_full_are_counted_too() -> None:
    places = admission(connections_per_minute=2)
    assert [places.enter(HERE, full=True) for _ in range(3)] == [FULL, FULL, HASTY]
    assert places.enter(HERE) is HASTY
    assert places.enter(None, full=True) is FULL
    assert places.enter(THERE) is None
    places.leave(THERE)


def test_a_full_server_lets_no_address_hold_a_place() -> None:
    places = admission(max_sessions_per_address=1)
    assert places.enter(HERE, full=True) is FULL
    assert places.enter(HERE) is None


def test_a_clock_that_jumps_is_not_looked_at() -> None:
    """Only one that never goes back is."""
    assert ClientLimits(ServerOptions())._recent.timer() > 0
    clock = Clock()
    places = admission(clock, connections_per_minute=1)
    places.enter(HERE)
    clock.now += 1e9
    assert places.enter(HERE) is None


def test_the_counts_of_a_hundred_thousand_addresses_take_a_bounded_memory() -> None:
    places = ClientLimits(ServerOptions())

    def come_and_go(numbers: range) -> None:
        for number in numbers:
            address = IPv4Address(number)
            assert places.enter(address) is None
            places.leave(address)

    come_and_go(range(80_000))
    tracemalloc.start()  # slow: from here on everything that is counted is counted anew
    try:
        come_and_go(range(80_000, 100_000))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(places._recent) == MOST_ADDRESSES
    assert places._sessions == {}
    assert taken < 16 * 1024 * 1024


def test_one_address_among_very_many_is_still_limited() -> None:
    places = admission(connections_per_minute=3)
    refusals = []
    for number in range(3 * MOST_ADDRESSES):
        places.enter(IPv4Address(number))
        if number % 1000 == 0:
            refusals.append(places.enter(HERE))
    assert refusals[:3] == [None] * 3
    assert set(refusals[3:]) == {HASTY}


# -- on the wire: the whole server --------------------------------------------------------------------


@contextlib.contextmanager
def two_listeners(module: Any = Behaviour, **serveroptions: Any) -> Generator[Server]:
    """A server with two listeners."""
    options = [listener(), listener(domain="other.test")]
    with gen_smtp_server.running(module, options, serveroptions=serveroptions) as ref:
        yield Server(ref)


def test_a_client_too_many_waits_until_one_is_gone() -> None:
    with two_listeners(max_sessions=2) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client(index)) for index in range(2)]
        assert [client.reply()[:3] for client in clients] == ["220", "220"]
        waiting = stack.enter_context(server.client())
        assert len(server.sessions) == 2
        assert clients[1].say("QUIT")[:3] == "221"
        assert waiting.reply()[:3] == "220"
        assert len(server.sessions) == 2


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_client_too_many_is_refused_where_that_is_wanted(most: int) -> None:
    with (
        collected(ClientTurnedAway) as told,
        two_listeners(max_sessions=most, refuse_when_full=True) as server,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(server.client(index % 2)) for index in range(most)]
        assert {client.reply()[:3] for client in clients} == {"220"}
        with server.client(0) as refused, server.client(1) as refused_too:
            assert refused.rest() == FULL_REPLY
            assert refused_too.rest() == FULL_REPLY.replace(DOMAIN, "other.test")
        assert len(server.sessions) == most
        assert clients[0].say("QUIT")[:3] == "221"
        with server.client() as client:
            assert client.reply()[:3] == "220"
    assert [(event.peer, event.limit) for event in everything(told)] == [
        (IPv4Address("127.0.0.1"), "max_sessions")
    ] * 2
    assert str(ClientTurnedAway(HERE, "max_sessions")) == "192.0.2.1 turned away: max_sessions"


def test_who_comes_again_and_again_to_a_full_server_is_told_so() -> None:
    limits = {"max_sessions": 1, "refuse_when_full": True, "connections_per_minute": 2, "exempt": []}
    with serving(serveroptions=limits) as server, server.greeted():
        for reply in (FULL_REPLY, HASTY_REPLY):
            with server.client() as client:
                assert client.rest() == reply


def test_the_session_count_of_init_is_that_of_the_sessions() -> None:
    counts: list[int] = []

    def init(self: Any, hostname: str, count: int, peername: Any, options: Any) -> Any:
        counts.append(count)
        return stop("normal", "554 No") if len(counts) == 2 else ok

    with serving(behaviour(init=init), serveroptions={"max_sessions": 2, "refuse_when_full": True}) as server:
        with server.client() as first:
            first.reply()
            with server.client() as second:
                assert second.rest() == "554 No\r\n"
            with server.client() as third, server.client() as fourth:
                assert third.reply()[:3] == "220"
                assert fourth.rest() == FULL_REPLY
        assert counts == [1, 2, 2]


def test_a_batch_of_connections_fills_the_places_and_the_rest_is_refused() -> None:
    with serving(serveroptions={"max_sessions": 3, "refuse_when_full": True}) as server:
        gen_smtp_server.suspend(server.ref)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.client()) for _ in range(20)]
            gen_smtp_server.resume(server.ref)
            replies = [client.reply() for client in clients]
            assert [reply[:3] for reply in replies] == ["220"] * 3 + ["421"] * 17


def test_a_client_that_talks_early_hears_why_all_the_same() -> None:
    with serving(serveroptions={"max_sessions": 1, "refuse_when_full": True}) as server, server.greeted():
        gen_smtp_server.suspend(server.ref)
        with server.client() as client:
            client.send("EHLO client.test\r\n" * 1000)
            gen_smtp_server.resume(server.ref)
            assert client.rest() == FULL_REPLY


# -- on the wire: each address ------------------------------------------------------------------------

ONE_SESSION = {"max_sessions_per_address": 1, "exempt": ()}


@pytest.mark.parametrize("most", [1, 2, 3])
def test_an_address_has_so_many_sessions_over_all_listeners(most: int) -> None:
    with (
        collected(ClientTurnedAway) as told,
        two_listeners(max_sessions_per_address=most, exempt=()) as server,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(server.client(index % 2)) for index in range(most)]
        assert {client.reply()[:3] for client in clients} == {"220"}
        with server.client() as refused, server.client(source="127.0.0.2") as other:
            assert refused.rest() == CROWDED_REPLY
            assert other.reply()[:3] == "220"
    assert [(str(event.peer), event.limit) for event in everything(told)] == [
        ("127.0.0.1", "max_sessions_per_address")
    ]


def test_an_address_has_so_many_connections_a_minute() -> None:
    with (
        collected(ClientTurnedAway) as told,
        two_listeners(connections_per_minute=3, exempt=()) as server,
    ):
        for index in range(3):
            with server.client(index % 2) as client:
                assert client.reply()[:3] == "220"
                assert client.say("QUIT")[:3] == "221"
        with server.client() as refused, server.client(source="127.0.0.2") as other:
            assert refused.rest() == HASTY_REPLY
            assert other.reply()[:3] == "220"
    assert [event.limit for event in everything(told)] == ["connections_per_minute"]


def test_the_limits_of_an_address_leave_loopback_alone() -> None:
    with (
        serving(serveroptions={"max_sessions_per_address": 1, "connections_per_minute": 1}) as server,
        server.greeted(),
        server.greeted(),
    ):
        assert len(server.sessions) == 2


def test_the_limits_of_an_address_leave_unix_sockets_alone(short_path: Path) -> None:
    path = str(short_path / "s")
    limits = {"max_sessions_per_address": 1, "connections_per_minute": 1}
    options = {"family": "unix", "address": path, "domain": DOMAIN}
    with gen_smtp_server.running(Behaviour, [options], serveroptions=limits), Client(path) as one:
        assert one.reply()[:3] == "220"
        with Client(path) as another:
            assert another.reply()[:3] == "220"


def test_an_ipv4_client_of_an_ipv6_listener_is_an_ipv4_client() -> None:
    assert peer_address(("::ffff:192.0.2.1", 1, 0, 0)) == HERE
    assert peer_address("") is None


ENDS: dict[str, Callable[[Client, Any], object]] = {
    "QUIT": lambda client, session: client.say("QUIT"),
    "FIN": lambda client, session: client.close(),
    "RST": lambda client, session: client.reset(),
    "kill": lambda client, session: session.kill(),
    "stop": lambda client, session: session.stop(block=False),
}


@pytest.mark.parametrize(
    ("end", "said"), [*((end, ()) for end in ENDS), *((end, DATA) for end in ("FIN", "RST", "kill"))]
)
def test_a_place_is_free_again_whatever_ended_the_session(end: str, said: tuple[str, ...]) -> None:
    with serving(serveroptions=ONE_SESSION) as server, server.greeted(*said) as client:
        (session,) = server.sessions
        with server.client() as refused:
            assert refused.rest() == CROWDED_REPLY
        ENDS[end](client, session)
        ended(session)
        with server.client() as another:
            assert another.reply()[:3] == "220"


@pytest.mark.parametrize(
    "module",
    [
        behaviour(init=stop("normal", "554 No")),
        behaviour(init=lambda self, *args: 1 / 0),
        behaviour(__init__=lambda self, *args: 1 / 0),
    ],
    ids=["refused", "crash in init", "crash in the constructor"],
)
def test_a_client_that_init_does_not_serve_leaves_its_place(module: Any) -> None:
    with serving(module, serveroptions=ONE_SESSION) as server:
        replies = []
        for _ in range(3):
            with server.client() as client:
                replies.append(client.rest())
        assert len(set(replies)) == 1
        assert replies[0] != CROWDED_REPLY


@pytest.fixture
def tls(certificates: Certificates) -> dict[str, Any]:
    """The options of a listener with TLS from the first octet."""
    files = {"certfile": str(certificates.ecdsa.certfile), "keyfile": str(certificates.ecdsa.keyfile)}
    return {"protocol": "ssl", "sessionoptions": files}


def test_a_failed_handshake_leaves_its_place(tls: dict[str, Any]) -> None:
    with serving(serveroptions=ONE_SESSION, **tls) as server:
        for _ in range(2):
            with server.client() as client:
                client.send("EHLO this is no TLS\r\n\r\n")
                client.socket.recv(100)
                assert client.rest() == ""
        assert shakes_hands(server)


@pytest.mark.parametrize(
    "limits", [ONE_SESSION, {"max_sessions": 1, "refuse_when_full": True}], ids=["address", "server"]
)
def test_where_tls_comes_first_the_connection_is_closed_without_a_word(
    tls: dict[str, Any], limits: dict[str, Any]
) -> None:
    with serving(serveroptions=limits, **tls) as server, server.client() as silent:
        with server.client() as refused:
            assert refused.rest() == ""
        silent.close()


def shakes_hands(server: Server) -> bool:
    """Tell whether a client is served."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        server.client() as client,
        context.wrap_socket(client.socket, do_handshake_on_connect=True) as wrapped,
    ):
        return wrapped.recv(3) == b"220"
