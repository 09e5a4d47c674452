import time

import pytest

from gen_smtp.protocol.text.address import MAX_PATH, parse_path, without_final_dot

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
    # a final dot of the domain is dropped
    ("<a@example.com.>", "a@example.com", ""),
    ("<a@b.> SIZE=10", "a@b", " SIZE=10"),
    ("a@example.com. SIZE=10", "a@example.com", " SIZE=10"),
    ('<"a b"@c.d.>', '"a b"@c.d', ""),
    ("<@relay.:a@b.>", "a@b", ""),
    ("<jürgen@bücher.example.>", "jürgen@bücher.example", ""),
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
    "<a@b..>",
    "<a@.>",
    "<a@b-.>",
    "<a@[1.2.3.4].>",
    "<a.>",
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


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<ilo.@x.test>", '"ilo."@x.test'),
        ("<a..b@x>", '"a..b"@x'),
        ("<.a@x.>", '".a"@x'),
        ("<...@x>", '"..."@x'),
        ("<.>", '"."'),
        ("a.@[192.0.2.1] SIZE=1", '"a."@[192.0.2.1]'),
        ("<@relay:a.@x>", '"a."@x'),
        ("<ü.@x>", '"ü."@x'),
    ],
)
def test_dots_at_odd_places_need_leniency_and_get_quotes(text: str, address: str) -> None:
    assert parse_path(text) is None
    lenient = parse_path(text, lenient=True)
    assert lenient is not None
    assert lenient.address == address
    assert parse_path(f"<{address}>") == (address, "")  # as any server takes it


@pytest.mark.parametrize(("text", "address", "rest"), GOOD)
def test_leniency_changes_no_address_in_order(text: str, address: str, rest: str) -> None:
    assert parse_path(text, lenient=True) == (address, rest)


@pytest.mark.parametrize(
    "text", [text for text in BAD if text not in ("<.a@b>", "<a.@b>", "<a..b@c>", "<a.>")]
)
def test_leniency_takes_nothing_else(text: str) -> None:
    assert parse_path(text, lenient=True) is None


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("a.b.", "a.b"),
        ("a.", "a"),
        ("a", "a"),
        (".", "."),
        ("a..", "a.."),
        ("", ""),
        ("[1.2.3.4]", "[1.2.3.4]"),
    ],
)
def test_the_final_dot_of_a_name_is_dropped(name: str, without: str) -> None:
    assert without_final_dot(name) == without


@pytest.mark.parametrize("text", [text for text, _, _ in GOOD])
def test_an_address_reads_as_itself(text: str) -> None:
    first = parse_path(text)
    assert first is not None
    if first.address:
        assert parse_path(f"<{first.address}>") == (first.address, "")


@pytest.mark.parametrize(
    "text", ["<" + "a." * 100_000, '<"' + '\\"' * 100_000, "<@" + "r," * 100_000, "a@" + "b." * 100_000 + "."]
)
@pytest.mark.parametrize("lenient", [False, True])
def test_reading_takes_linear_time(text: str, lenient: bool) -> None:
    start = time.perf_counter()
    assert parse_path(text, lenient=lenient) is None
    assert time.perf_counter() - start < 1  # a quadratic reader would need minutes
