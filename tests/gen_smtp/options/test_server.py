"""The options of a whole server: what is taken, what it becomes, and where it may be given."""

from __future__ import annotations

import math
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from actors import Supervisor, whereis
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server import OptionsError, ServerOptions
from gen_smtp.gen_smtp_server_session import Behaviour
from gen_smtp.options.parsing import parse_server_options
from tests.gen_smtp.live import listener


def refused(**options: Any) -> OptionsError:
    """The error that these options get."""
    with pytest.raises(OptionsError) as caught:
        parse_server_options(options)
    return caught.value


def test_the_defaults_are_safe() -> None:
    options = parse_server_options()
    assert options == ServerOptions()
    assert (options.max_sessions, options.refuse_when_full) == (10_000, False)
    assert (options.max_sessions_per_address, options.connections_per_minute) == (25, 600)
    assert (options.ipv6_prefix, options.max_buffered) == (64, 256 * 1024 * 1024)
    assert options.exempt == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    "given",
    [{"max_sessions": 5}, [("max_sessions", 5)], ServerOptions(max_sessions=5)],
    ids=["mapping", "pairs", "record"],
)
def test_options_are_a_mapping_pairs_or_a_record(given: Any) -> None:
    assert parse_server_options(given).max_sessions == 5


LIMITS = ["max_sessions", "max_sessions_per_address", "connections_per_minute", "max_buffered"]


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_a_whole_number_from_1_up_or_none_at_all(name: str) -> None:
    assert getattr(parse_server_options({name: 1}), name) == 1
    for unlimited in (None, math.inf):
        assert getattr(parse_server_options({name: unlimited}), name) == math.inf
    for wrong in (0, -1, 1.5, True, "1", math.nan, -math.inf):
        error = refused(**{name: wrong})
        assert error.option == f"serveroptions.{name}"
        assert error.allowed == "a whole number from 1 up, or None or math.inf for no limit"


@pytest.mark.parametrize("wrong", [0, 1, None, "yes"])
def test_refuse_when_full_is_true_or_false(wrong: Any) -> None:
    assert refused(refuse_when_full=wrong).option == "serveroptions.refuse_when_full"


@pytest.mark.parametrize(("prefix", "fits"), [(0, False), (1, True), (128, True), (129, False)])
def test_the_prefix_has_up_to_128_bits(prefix: int, fits: bool) -> None:
    if fits:
        assert parse_server_options({"ipv6_prefix": prefix}).ipv6_prefix == prefix
    else:
        assert refused(ipv6_prefix=prefix).allowed == "1 to 128"


@pytest.mark.parametrize(
    "given",
    [
        "192.0.2.0/24, 2001:db8::/32,198.51.100.7",
        ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"],
        (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), IPv4Address("198.51.100.7")),
    ],
)
def test_networks_are_texts_or_objects(given: Any) -> None:
    assert parse_server_options({"exempt": given}).exempt == (
        ip_network("192.0.2.0/24"),
        ip_network("2001:db8::/32"),
        ip_network("198.51.100.7/32"),
    )


@pytest.mark.parametrize("none", ["", [], ()])
def test_nobody_may_be_exempt(none: Any) -> None:
    assert parse_server_options({"exempt": none}).exempt == ()


@pytest.mark.parametrize("wrong", ["localhost", ["192.0.2.1/24"], ["10.0.0.0/33"], [7], 7, None, [b"\0" * 4]])
def test_what_is_no_network_is_named(wrong: Any) -> None:
    error = refused(exempt=wrong)
    assert error.option == "serveroptions.exempt"
    assert error.allowed is not None
    assert "192.0.2.0/24" in error.allowed


def test_an_unknown_option_is_asked_about() -> None:
    error = refused(max_session=5)
    assert str(error).startswith(
        "option serveroptions.max_session: there is no such option; did you mean serveroptions.max_sessions?"
    )


def limits_of(server: Any) -> Any:
    """How many sessions a server may have."""
    return server.actor()._capacity.size


def test_they_are_an_argument_of_every_way_to_start() -> None:
    options, limits = [listener()], {"max_sessions": 7}
    servers = [
        gen_smtp_server.start(Behaviour, options, serveroptions=limits),
        gen_smtp_server.start("mx", Behaviour, options, serveroptions=limits),
        gen_smtp_server.start_link(Behaviour, options, serveroptions=limits),
    ]
    assert [limits_of(server) for server in servers] == [7, 7, 7]
    for server in servers:
        server.stop()
    with gen_smtp_server.running(Behaviour, options, serveroptions=limits) as server:
        assert limits_of(server) == 7
    supervisor = Supervisor.start(
        [gen_smtp_server.child_spec("mx", Behaviour, options, serveroptions=limits)]
    )
    assert limits_of(whereis("mx")) == 7
    supervisor.stop()


@pytest.mark.parametrize(
    "start",
    [
        lambda wrong: gen_smtp_server.start(Behaviour, [listener()], serveroptions=wrong),
        lambda wrong: gen_smtp_server.start_link(Behaviour, [listener()], serveroptions=wrong),
        lambda wrong: gen_smtp_server.child_spec("mx", Behaviour, [listener()], serveroptions=wrong),
        lambda wrong: gen_smtp_server.serve_forever(Behaviour, [listener()], serveroptions=wrong),
        lambda wrong: gen_smtp_server.running(Behaviour, [listener()], serveroptions=wrong).__enter__(),
    ],
)
@pytest.mark.parametrize("wrong", [{"max_sessions": 0}, ["max_sessions"], 7])
def test_what_is_wrong_is_found_when_a_server_is_to_start(start: Any, wrong: Any) -> None:
    with pytest.raises(OptionsError, match=r"option serveroptions"):
        start(wrong)
