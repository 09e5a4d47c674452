import pytest

from gen_smtp.protocol.text.command import (
    Parameter,
    ascii_upper,
    has_control_characters,
    is_size,
    is_xtext,
    mask_control_characters,
    parse_command,
    parse_parameters,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"NOOP", ("NOOP", "")),
        (b"noop\r", ("NOOP", "")),
        (b"  Helo   My.Host  \r\r", ("HELO", "My.Host")),
        (b"", ("", "")),
        (b"   \r", ("", "")),
        (b"\tNOOP", ("NOOP", "")),
        (b"NOOP\t", ("NOOP", "")),
        (b" \tehlo\t my.host \t \r", ("EHLO", "my.host")),
        (b"X a\tb\t\tc", ("X", "a b  c")),
        (b'X "a\t\\"\tb"\t"c"\td "\te', ("X", '"a\t\\"\tb" "c" d "\te')),
        (b"NOOP \r \r", ("NOOP", "\r")),
        (b"X a  b", ("X", "a  b")),
        ("EHLO bücher".encode(), ("EHLO", "bücher")),
        ("r\u017fet \u017f".encode(), ("R\u017fET", "\u017f")),
    ],
)
def test_a_line_splits_at_its_first_space_or_tab(line: bytes, command: tuple[str, str]) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    "line", [b"\xff", b"NOOP \xe4", b"NOOP \xed\xa0\x80", b"NOOP \xc0\x80", b"\x16\x03\x01\x02\x00\xfc"]
)
def test_a_line_that_is_not_utf8_is_none(line: bytes) -> None:
    assert parse_command(line) is None


def test_only_ascii_letters_are_upper_cased() -> None:
    assert ascii_upper("az\u017f\u0131ß") == "AZ\u017f\u0131ß"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("plain", "plain"),
        ("a\x00b\x1f\x7f\x85\x9f", "a?b????"),
        ("\u00a0é\u3000", "\u00a0é\u3000"),
        ("a\tb", "a?b"),
    ],
)
def test_control_characters_are_found_and_masked(text: str, masked: str) -> None:
    assert mask_control_characters(text) == masked
    assert has_control_characters(text) == (text != masked)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", []),
        (" SIZE=10", [("SIZE", "10")]),
        (" size=1A body=8bitMime", [("SIZE", "1A"), ("BODY", "8bitMime")]),
        (" SMTPUTF8", [("SMTPUTF8", True)]),
        (" X-a= Y=b=c", [("X-A", ""), ("Y", "b=c")]),
        (" ", []),
        ("  SIZE=1   A  ", [("SIZE", "1"), ("A", True)]),
    ],
)
def test_parameters_keep_their_values_and_have_upper_case_keywords(
    text: str, parameters: list[object]
) -> None:
    assert parse_parameters(text) == parameters


@pytest.mark.parametrize(
    "text", ["  =x", " =x", " SIZE = 1", " A\u00a0B", " A\tB", " -A", " ü=1", " A_B", " >"]
)
def test_parameters_without_a_keyword_are_none(text: str) -> None:
    assert parse_parameters(text) is None


def test_a_parameter_reads_as_it_was_sent_but_for_its_keyword() -> None:
    assert [str(Parameter("A", "b=C")), str(Parameter("A", "")), str(Parameter("A", True))] == [
        "A=b=C",
        "A=",
        "A",
    ]


@pytest.mark.parametrize("value", ["0", "10", "00010", "9" * 20])
def test_a_size_is_1_to_20_digits(value: str) -> None:
    assert is_size(value)


@pytest.mark.parametrize("value", ["", True, "-1", "+1", "1_0", " 1", "٣", "²", "0x1", "9" * 21, "9" * 5000])
def test_nothing_else_is_a_size(value: str) -> None:
    assert not is_size(value)


@pytest.mark.parametrize("value", ["<>", "a@b", "e+3Dmc2@example.com", "!~*,"])
def test_xtext(value: str) -> None:
    assert is_xtext(value)


@pytest.mark.parametrize("value", ["", True, "a=b", "a+b", "a+3d", "a+3", "ü", "a b"])
def test_not_xtext(value: str) -> None:
    assert not is_xtext(value)
