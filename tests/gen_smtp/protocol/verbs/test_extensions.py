import math
from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.extensions import EXTENSIONS, Doer
from gen_smtp.protocol.questions import Hello, Withheld
from gen_smtp.protocol.verbs.hello import (
    built_in_extensions,
    make_offer,
    normalise_extensions,
)
from tests.gen_smtp.protocol.client import CONFIG, EHLO, Client, announcing


def offer(*extensions: Any, tls: bool = False, starttls: bool = True, insecure: bool = False) -> Any:
    return make_offer(
        extensions, hostname="h", tls=tls, starttls_available=starttls, allow_insecure_auth=insecure
    )


@pytest.mark.parametrize(("limit", "size"), [(10485760, "10485760"), (1e6, "1000000"), (math.inf, "0")])
def test_the_built_in_list(limit: float, size: str) -> None:
    assert built_in_extensions(limit) == (
        ("SIZE", size),
        ("8BITMIME", True),
        ("PIPELINING", True),
        ("SMTPUTF8", True),
    )


def test_the_built_in_list_is_fresh_each_time() -> None:
    client = Client().sends(EHLO, EHLO)
    one, other = client.of_kind(Hello)
    one.extensions.clear()
    assert other.extensions == list(built_in_extensions(10485760))


def test_names_are_upper_cased_and_the_first_of_two_counts() -> None:
    assert normalise_extensions([("x-a", "1"), ("X-A", "2"), ("b", True)]) == {"X-A": "1", "B": True}


@pytest.mark.parametrize(
    "entry",
    [
        "SIZE",
        ("SIZE",),
        ("SIZE", "1", "2"),
        (1, True),
        ("A B", True),
        ("", True),
        ("-A", True),
        ("Ä", True),
        ("A", None),
        ("A", False),
        ("A", 1.5),
        ("A", "x\r\ny"),
        ("A", "ü"),
        ("SIZE", "abc"),
        ("SIZE", "-1"),
        ("SIZE", -1),
        ("A", []),
        ["A", True],
        "AB",
        7,
    ],
)
def test_what_can_not_be_announced_is_an_error(entry: Any) -> None:
    with pytest.raises(ValueError):
        normalise_extensions([entry])
    with pytest.raises(ValueError):
        offer(entry)


def test_the_lines_of_the_reply_keep_the_order() -> None:
    announced = offer(("SIZE", 5), ("X", True), ("AUTH", "PLAIN LOGIN"), ("ONE", 1), tls=True)
    assert announced.reply == b"250-h\r\n250-SIZE 5\r\n250-X\r\n250-AUTH PLAIN LOGIN\r\n250 ONE 1\r\n"


@pytest.mark.parametrize(
    ("value", "announced", "limit"),
    [
        ("100", {"SIZE": "100"}, 100),
        (100, {"SIZE": 100}, 100),
        ("0", {}, math.inf),
        (0, {}, math.inf),
        (True, {"SIZE": True}, None),
    ],
)
def test_size_sets_the_limit_and_zero_lifts_it(value: Any, announced: Any, limit: Any) -> None:
    got = offer(("SIZE", value))
    assert (got.extensions, got.max_size) == (announced, limit)


def test_equal_lists_are_kept_once_but_1_is_not_true() -> None:
    one, other = offer(("X", 1)).extensions, offer(("X", 1)).extensions
    assert one is other
    assert offer(("X", True)).extensions["X"] is True
    with pytest.raises(TypeError):
        one["Y"] = True


def test_without_size_the_limit_stays() -> None:
    assert offer(("8BITMIME", True)).max_size is None


@pytest.mark.parametrize(
    ("tls", "starttls", "insecure", "announced", "withheld"),
    [
        (False, True, False, ["STARTTLS"], [("AUTH", "allow_insecure_auth")]),
        (False, False, False, [], [("STARTTLS", "certfile"), ("AUTH", "allow_insecure_auth")]),
        (False, True, True, ["AUTH", "STARTTLS"], []),
        (True, True, False, ["AUTH"], []),
        (True, False, False, ["AUTH"], []),
    ],
)
def test_what_can_not_be_offered_is_withheld(
    tls: bool, starttls: bool, insecure: bool, announced: list[str], withheld: list[tuple[str, str]]
) -> None:
    got = offer(("AUTH", "PLAIN"), ("STARTTLS", True), tls=tls, starttls=starttls, insecure=insecure)
    assert (list(got.extensions), list(got.withheld)) == (announced, withheld)


IMPOSSIBLE = [name for name, doer in EXTENSIONS.items() if doer is Doer.NOBODY]
POSSIBLE = [name for name, doer in EXTENSIONS.items() if doer is not Doer.NOBODY]


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_nobody_can_do_is_withheld_and_no_option_would_allow_it(name: str) -> None:
    got = offer((name.lower(), True), ("X-OWN", "value"), tls=True)
    assert (list(got.extensions), got.withheld) == (["X-OWN"], ((name, ""),))
    assert got.reply == b"250-h\r\n250 X-OWN value\r\n"


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in POSSIBLE if name not in ("STARTTLS", "BINARYMIME", "LIMITS")),
        "X-OWN",
        "XFOO",
        "NEVER-HEARD-OF",
    ],
)
def test_what_the_protocol_or_a_callback_may_do_is_announced_as_it_is_listed(name: str) -> None:
    got = offer((name, True), tls=True, insecure=True)
    assert (list(got.extensions), got.withheld) == ([name], ())


def test_what_is_withheld_is_told_to_the_driver_and_not_to_the_client() -> None:
    client = Client(answer=announcing(("PRDR", True), ("SIZE", "9"), ("burl", "imap"))).sends(EHLO)
    assert client.hears() == b"250-mx.example\r\n250 SIZE 9\r\n"
    assert client.of_kind(Withheld) == [Withheld("PRDR", ""), Withheld("BURL", "")]


def test_binarymime_is_withheld_without_chunking() -> None:
    assert offer(("BINARYMIME", True)).withheld == (("BINARYMIME", "CHUNKING"),)
    got = offer(("BINARYMIME", True), ("CHUNKING", True))
    assert (list(got.extensions), got.withheld) == (["BINARYMIME", "CHUNKING"], ())


def test_each_extension_that_the_protocol_announces_by_itself_is_its_own_to_do() -> None:
    assert {EXTENSIONS[name] for name, _ in built_in_extensions(10, xclient=True)} == {Doer.PROTOCOL}


def test_requiretls_is_offered_inside_tls_alone() -> None:
    assert list(offer(("REQUIRETLS", True), tls=True).extensions) == ["REQUIRETLS"]
    got = offer(("REQUIRETLS", True), ("STARTTLS", True))
    assert (list(got.extensions), got.withheld) == (["STARTTLS"], (("REQUIRETLS", "certfile"),))


@pytest.mark.parametrize(
    ("starttls", "listed", "told"),
    [
        (True, [("REQUIRETLS", True), ("STARTTLS", True)], []),
        (True, [("REQUIRETLS", True)], [Withheld("REQUIRETLS", "STARTTLS")]),
        (False, [("REQUIRETLS", True)], [Withheld("REQUIRETLS", "certfile")]),
    ],
)
def test_that_requiretls_waits_for_tls_is_as_it_should_be(
    starttls: bool, listed: Any, told: list[Withheld]
) -> None:
    config = replace(CONFIG, starttls_available=starttls)
    assert Client(config, announcing(*listed)).sends(EHLO).of_kind(Withheld) == told


def test_limits_are_the_servers_own_or_as_they_are_listed() -> None:
    config = replace(CONFIG, max_recipients=100, max_messages=20)
    client = Client(config, announcing(("LIMITS", True))).sends(EHLO)
    assert client.hears() == b"250-mx.example\r\n250 LIMITS RCPTMAX=100 MAILMAX=20\r\n"
    client = Client(config, announcing(("LIMITS", "RCPTDOMAINMAX=1"))).sends(EHLO)
    assert client.hears() == b"250-mx.example\r\n250 LIMITS RCPTDOMAINMAX=1\r\n"
    client = Client(config, announcing(("LIMITS", "rcptmax=100 MAILMAX=20 X=y"))).sends(EHLO)
    assert client.hears() == b"250-mx.example\r\n250 LIMITS rcptmax=100 MAILMAX=20 X=y\r\n"


@pytest.mark.parametrize(
    "text", ["RCPTMAX=many", "RCPTMAX=99", "RCPTMAX=101", "MAILMAX=19", "RCPTMAX=100  X", ""]
)
def test_limits_that_do_not_hold_are_withheld(text: str) -> None:
    config = replace(CONFIG, max_recipients=100, max_messages=20)
    client = Client(config, announcing(("LIMITS", text))).sends(EHLO)
    assert client.hears() == b"250 mx.example\r\n"
    assert client.of_kind(Withheld) == [Withheld("LIMITS", "RFC 9422")]
