import pytest

from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.replies import (
    MAX_ECHO,
    StandardReply,
    echo,
    encode_reply,
    encode_verbatim,
    is_success,
    parse_reply,
    sanitise,
    with_status,
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain text ~", "plain text ~"),
        ("", ""),
        ("a\x00b\x1bc\x7fd\te", "a?b?c?d?e"),
        ("a\r\n250 forged", "a??250 forged"),
        ("line end\r\n", "line end"),
        ("naïve \u2028", "na?ve ?"),
    ],
)
def test_only_printable_ascii_is_left(text: str, clean: str) -> None:
    assert sanitise(text) == clean


def test_an_echo_is_clean_and_cut() -> None:
    assert echo("\x00" + "x" * 100) == "?" + "x" * (MAX_ECHO - 1)


def test_a_reply_of_several_lines_has_hyphens_in_all_but_the_last() -> None:
    assert encode_reply("250", ("a", "b", "c")) == b"250-a\r\n250-b\r\n250 c\r\n"


def test_a_reply_of_no_text_is_still_a_reply() -> None:
    assert encode_reply("250", ()) == b"250 \r\n"


@pytest.mark.parametrize("length", [505, 506, 507, 5000])
def test_a_reply_line_has_at_most_512_octets_with_crlf(length: int) -> None:
    first, second = encode_reply("550", ("x" * length, "y" * length)).splitlines(keepends=True)
    assert len(first) == len(second) == min(length + 6, 512)
    assert first.endswith(b"x\r\n")
    assert second.endswith(b"y\r\n")


def test_lines_without_a_code_are_sent_as_they_are_but_clean_and_bounded() -> None:
    assert encode_verbatim(["go\naway", "z" * 600]) == b"go?away\r\n" + b"z" * 510 + b"\r\n"


@pytest.mark.parametrize(
    ("message", "code", "texts"),
    [
        ("550 No such user", "550", ("No such user",)),
        ("550", "550", ("",)),
        ("250-first", "250", ("first",)),
        (("214 a", "b"), "214", ("a", "b")),
        (("550-a", "550 b", "550"), "550", ("a", "b", "")),
        (["450 a", "550 b"], "450", ("a", "550 b")),
    ],
)
def test_a_message_splits_into_code_and_texts(
    message: str | list[str], code: str, texts: tuple[str, ...]
) -> None:
    assert parse_reply(message) == (code, texts)


@pytest.mark.parametrize(
    "message", ["", "no code", "5500 x", "55 x", "650 x", "150 x", "\u066550 x", " 550 x", ()]
)
def test_a_message_without_a_reply_code_is_none(message: str) -> None:
    assert parse_reply(message) is None


@pytest.mark.parametrize(
    ("text", "success"),
    [
        ("250 ok", True),
        ("252 maybe", True),
        ("2024 reports", False),
        ("550 no", False),
        ("", False),
        ("2xx a", False),
    ],
)
def test_a_text_with_a_code_of_class_2_is_a_whole_reply(text: str, success: bool) -> None:
    assert is_success(text) is success


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("550", "No", "5.0.0 No"),
        ("450", "No", "4.0.0 No"),
        ("250", "2.1.5 ok", "2.1.5 ok"),
        ("550", "2.1.5 is of another class", "5.0.0 2.1.5 is of another class"),
        ("550", "5.1 is no status", "5.0.0 5.1 is no status"),
        ("550", "5.7.999", "5.7.999"),
        ("550", "5.7.1000 x", "5.0.0 5.7.1000 x"),
        ("354", "go on", "go on"),
    ],
)
def test_every_text_gets_a_status_code_unless_it_has_one(code: str, text: str, expected: str) -> None:
    assert with_status(code, (text,)) == (expected,)


def test_a_standard_reply_is_encoded_with_and_without_its_status_code() -> None:
    reply = StandardReply("503", "5.5.1", "no {what}")(what="way")
    assert (reply.plain, reply.enhanced) == (b"503 no way\r\n", b"503 5.5.1 no way\r\n")


STANDARD_REPLIES = {name: value for name, value in vars(replies).items() if isinstance(value, StandardReply)}


@pytest.mark.parametrize("name", STANDARD_REPLIES)
def test_the_status_code_of_a_standard_reply_is_of_the_class_of_its_code(name: str) -> None:
    reply = STANDARD_REPLIES[name]
    assert reply.plain.startswith(reply.code.encode() + b" ")
    if reply.status:
        assert with_status(reply.code, (f"{reply.status} x",)) == (f"{reply.status} x",)
