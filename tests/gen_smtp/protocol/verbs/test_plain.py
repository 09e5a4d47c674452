"""The fast path for plain commands comes to the same as the general way."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.questions import Step
from gen_smtp.protocol.verbs import plain
from gen_smtp.protocol.verdicts import Decline
from tests.gen_smtp.protocol.client import EHLO, TO_MAIL, Client, accept_all

NEVER = re.compile(rb"(?!)")
CONFIG = ProtocolConfig("mx.example", max_command_line=400, max_recipients=1)
CONFIGS = st.sampled_from(
    [
        CONFIG,
        CONFIG,
        replace(CONFIG, lmtp=True),
        replace(CONFIG, lenient=True),
        replace(CONFIG, require_tls=True),
        replace(CONFIG, require_auth=True),
    ]
)
PLAIN_WORD = st.sampled_from(["a", "A1", "x_y", "a-b", "a--b", "a" * 62, "b" * 63, "!#$%&'*+/=?^_`{|}~-"])
ODD_WORD = st.sampled_from(["-a", "a-", "", ".", "@", "ü", '"q"', "[127.0.0.1]", "\t", "\0", "<", ">"])
WORD = PLAIN_WORD | PLAIN_WORD | ODD_WORD
WORDS = st.lists(WORD, min_size=1, max_size=6).map(".".join)
PATH = st.builds("<{}@{}>".format, WORDS, WORDS) | st.builds("{}@{}".format, WORDS, WORDS) | st.just("<>")
VERB = st.sampled_from(
    [
        "MAIL FROM:",
        "RCPT TO:",
        "mail FROM:",
        "Rcpt To:",
        "MAIL  FROM:",
        "MAIL FROM: ",
        " MAIL FROM:",
        "RCPT\tTO:",
        "MAIL FROM:\t",
    ]
)
PARAMETER = st.sampled_from(
    [
        " SIZE=10",
        " SIZE=x",
        " SIZE=99999999",
        " BODY=8BITMIME",
        " SMTPUTF8",
        " X=1",
        " ",
        "  X",
        "\tSIZE=10",
        "  SIZE=10",
        " \t",
        " X=ü",
        " HTTP/1.1",
        " X HTTP/1.0",
        " HTTP/1.1x",
        " X=\x7f",
        "X",
    ]
)
PARAMETERS = st.lists(PARAMETER, max_size=3).map("".join)
END = st.sampled_from(["\r\n", "\n", "\r\r\n", " \r\n", "\t\r\n", " \r \r\n"])
ENVELOPE = st.builds("{}{}{}".format, VERB, PATH, PARAMETERS)
HELLO = st.builds(
    "{}{}{}".format,
    st.sampled_from(["EHLO ", "helo ", "LHLO ", "EHLO", "HELO  ", "EHLO\t"]),
    WORDS,
    PARAMETERS,
)
ALONE = st.sampled_from(
    ["DATA", "data", "QUIT", "Quit", "QUIT ", "QUIT\t", "DATA \t", "QUIT now", "EHLO", "RSET"]
)
LINE = st.builds(lambda *parts: "".join(parts).encode(), ENVELOPE | ENVELOPE | HELLO | ALONE, END)


def refuse_some(question: Any) -> Any:
    return Decline() if len(str(question)) % 3 == 0 else accept_all(question)


def transcript(config: ProtocolConfig, said: bytes, lines: list[bytes]) -> tuple[bytes, list[Step], Any]:
    client = Client(config, refuse_some, said=said).sends(*lines)
    transaction = client.protocol.transaction
    kept = transaction and (
        transaction.sender,
        transaction.mail_params,
        transaction.recipients,
        transaction.rcpt_params,
    )
    return client.hears(), [*client.steps, client.end], kept


@settings(max_examples=300, deadline=None)
@given(CONFIGS, st.sampled_from([b"", EHLO, TO_MAIL]), st.lists(LINE, min_size=1, max_size=4), st.booleans())
def test_both_ways_come_to_the_same(
    config: ProtocolConfig, said: bytes, lines: list[bytes], pipelined: bool
) -> None:
    lines = [b"".join(lines)] if pipelined else lines
    fast = transcript(config, said, lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_PLAIN", NEVER)
        general = transcript(config, said, lines)
    assert fast == general


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<a@b>\r\n",
        b"mail FROM:<first.last+tag@mail.some-host.example> SIZE=1024 BODY=8BITMIME\r\n",
        b"RCPT TO:<a@b>\r\n",
        b"DATA\r\n",
        b"EHLO client.example\r\n",
        b"helo [192.0.2.1]\r\n",
        b"QUIT\r\n",
    ],
)
def test_plain_lines_go_the_fast_way(line: bytes) -> None:
    assert plain._PLAIN.fullmatch(line)


def test_a_path_of_the_greatest_length_passes_and_no_longer_one() -> None:
    for length, code in ((320, b"250"), (321, b"501")):
        path = b"x" * 64 + b"@" + b"y" * (length - 65)
        client = Client(CONFIG, said=EHLO).sends(b"MAIL FROM:<" + path + b">\r\n")
        assert client.hears()[:3] == code
