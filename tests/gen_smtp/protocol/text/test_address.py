import time

import pytest

from gen_smtp.protocol.text.address import MAX_PATH, parse_path

GOOD = [
    ("<a@b>", "a@b", ""),
    ("a@b", "a@b", ""),
    ("<a@b> SIZE=10", "a@b", " SIZE=10"),
    ("a@b SIZE=10", "a@b", " SIZE=10"),
    ("<>", "", ""),
    ("<> SIZE=10", "", " SIZE=10"),
    ("<postmaster>", "postmaster", ""),
    ("Postmaster", "Postmaster", ""),
    ("<User.Name+tag@Mail.Example.COM>", "User.Name+tag@Mail.Example.COM", ""),
    ("<!#$%&'*+-/=?^_`{|}~@b>", "!#$%&'*+-/=?^_`{|}~@b", ""),
    ("<a@under_score.x-y.z>", "a@under_score.x-y.z", ""),
    ("<a@123.4>", "a@123.4", ""),
    # source routes are dropped
    ("<@relay:a@b>", "a@b", ""),
    ("<@r1,@r2.x:a@b> X", "a@b", " X"),
    # address literals
    ("<a@[1.2.3.4]>", "a@[1.2.3.4]", ""),
    ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""),
    ("<a@[ipv6:::ffff:1.2.3.4]>", "a@[ipv6:::ffff:1.2.3.4]", ""),
    # quoted strings: without quotes where a dot-string says the same, else kept
    ('<"God"@x>', "God@x", ""),
    ('<"a.b"@x>', "a.b@x", ""),
    ('<"\\G\\o\\d"@x>', "God@x", ""),
    ('<"a@b"@c>', '"a@b"@c', ""),
    ('<"a b"@c>', '"a b"@c', ""),
    ('"a b"@c X=1', '"a b"@c', " X=1"),
    ('<"a>b"@c>', '"a>b"@c', ""),
    ('<"a..b"@c>', '"a..b"@c', ""),
    ('<""@c>', '""@c', ""),
    ('<"a\\"b"@c>', '"a\\"b"@c', ""),
    ('<"a\\\\b"@c>', '"a\\\\b"@c', ""),
    ('<"a\\ b"@c>', '"a b"@c', ""),
    ('<"God">', "God", ""),
    # outside ASCII
    ("<jürgen@bücher.example>", "jürgen@bücher.example", ""),
    ('<"ü ü"@x>', '"ü ü"@x', ""),
    ("<" + "a" * 316 + "@b.c>", "a" * 316 + "@b.c", ""),
]

BAD = [
    "",
    " ",
    "<",
    ">",
    "<<a@b>>",
    "<a@b",
    "a@b>",
    "<a@b>>",
    "<a@b>SIZE=10",
    "<a b@c>",
    "< a@b>",
    "<a@b >",
    "<a@@b>",
    "<a@>",
    "<@b>",
    "@b",
    "<@r:>",
    "<@:a@b>",
    "<.a@b>",
    "<a.@b>",
    "<a..b@c>",
    "<a@.b>",
    "<a@b.>",
    "<a@b..c>",
    "<a@-b>",
    "<a@b->",
    "<a@b.-c>",
    "<a@b-.c>",
    "<a@b,c>",
    "<a(c)@b>",
    "<a:b@c>",
    "<a,b@c>",
    "<\\God@x>",
    "<Go\\d@x>",
    '<"God@x>',
    '<"God\\"@x>',
    '<"a"b@c>',
    '<a"b"@c>',
    '<"a""b"@c>',
    "<a@[1.2.3]>",
    "<a@[1.2.3.256]>",
    "<a@[01.2.3.4]>",
    "<a@[]>",
    "<a@[1.2.3.4>",
    "<a@1.2.3.4]>",
    "<a@[IPv6:zz]>",
    "<a@[IPv6:fe80::1%eth0]>",
    "<a@[X-tag:hello]>",
    "<a@[\u0661.2.3.4]>",
    "<" + "a" * 317 + "@b.c>",
]


@pytest.mark.parametrize(("text", "address", "rest"), GOOD)
def test_a_path_is_read_up_to_its_parameters(text: str, address: str, rest: str) -> None:
    assert parse_path(text) == (address, rest)


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_a_path_is_none(text: str) -> None:
    assert parse_path(text) is None


def test_the_longest_path_has_320_characters() -> None:
    assert parse_path("a" * MAX_PATH) is not None
    assert parse_path("a" * (MAX_PATH + 1)) is None


@pytest.mark.parametrize("text", [text for text, _, _ in GOOD])
def test_an_address_reads_as_itself(text: str) -> None:
    first = parse_path(text)
    assert first is not None
    if first.address:
        assert parse_path(f"<{first.address}>") == (first.address, "")


@pytest.mark.parametrize(
    "text", ["<" + "a." * 100_000, '<"' + '\\"' * 100_000, "<@" + "r," * 100_000, "a@" + "b." * 100_000]
)
def test_reading_takes_linear_time(text: str) -> None:
    start = time.perf_counter()
    assert parse_path(text) is None
    assert time.perf_counter() - start < 1  # a quadratic reader would need minutes
