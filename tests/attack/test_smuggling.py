"""SMTP smuggling, on the wire: what only some servers take for the end of a message ends none here.

That each sequence may be cut anywhere is tested octet by octet in the core's tests of data and message.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.gen_smtp.live import DATA, Queue, everything, serving

# From the publications of 2023 on SMTP smuggling and what followed them; CRLF.CRLF alone is the end.
ENDS_ELSEWHERE = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n",
    b"\n\n.\n\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n\t.\r\n",
    b"\r\n. \r\n",
    b"\x0b.\x0b",
    b"\xc2\x85.\xc2\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
]
SMUGGLED = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<victim@y.test>\r\nDATA\r\nsmuggled\r\n.\r\nQUIT\r\n"


@pytest.mark.parametrize("end", ENDS_ELSEWHERE)
@pytest.mark.parametrize("mode", [False, "ignore", "fix", "strip"])
def test_no_other_end_lets_a_second_message_in(witness: Any, seen: Queue, mode: Any, end: bytes) -> None:
    with serving(witness, sessionoptions={"allow_bare_newlines": mode}) as server:
        with server.greeted(*DATA) as client:
            # smuggled\r\n.\r\n is the true end, and QUIT the one command behind it.
            client.send(b"Subject: first\r\n\r\nfirst" + end + SMUGGLED)
            replies = client.rest().split("\r\n")
        events = everything(seen)
    assert replies[1:] == ["221 Bye", ""]
    assert [event for event in events if event[0] == "MAIL"] == [("MAIL", "a@x.test")]
    taken = [event for event in events if event[0] == "DATA"]
    if replies[0].startswith("250"):
        ((_, sender, recipients, data),) = taken
        assert (sender, recipients) == ("a@x.test", ("b@y.test",))
        assert b"evil@x.test" in data
    else:
        assert replies[0].startswith("550 Bare newline detected: ")
        assert taken == []


@pytest.mark.parametrize("end", ENDS_ELSEWHERE)
@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.3"])
def test_neither_does_it_where_bare_newlines_are_for_some_clients_alone(
    witness: Any, seen: Queue, source: str, end: bytes
) -> None:
    options = {"allow_bare_newlines": "fix", "bare_newlines_from": ["127.0.0.2"]}
    with serving(witness, sessionoptions=options) as server:
        with server.client(source=source) as client:
            client.reply()
            client.say(*DATA)
            client.send(b"Subject: first\r\n\r\nfirst" + end + SMUGGLED)
            first, *rest = client.rest().split("\r\n")
        events = everything(seen)
    assert rest == ["221 Bye", ""]
    assert [event for event in events if event[0] == "MAIL"] == [("MAIL", "a@x.test")]
    is_bare = b"\r" in end.replace(b"\r\n", b"") or b"\n" in end.replace(b"\r\n", b"")
    refused = is_bare and source == "127.0.0.3"
    assert first.startswith("550 Bare newline detected: " if refused else "250")
    assert len([event for event in events if event[0] == "DATA"]) == (0 if refused else 1)


@pytest.mark.parametrize("mode", ["fix", "strip"])
def test_what_was_mended_is_stuffed_no_more_and_ends_nothing_for_a_relay(
    witness: Any, seen: Queue, mode: Any
) -> None:
    with serving(witness, sessionoptions={"allow_bare_newlines": mode}) as server:
        with server.greeted(*DATA) as client:
            client.send(b"a\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n")
            assert client.reply() == "250 taken"
        *_, (_, _, _, data) = everything(seen)
    # A line of one dot is content; whoever sends it on must stuff it (RFC 5321 4.5.2), as smtplib does.
    expected = {"fix": b"a\r\n.\r\nMAIL FROM:<evil@x.test>\r\n", "strip": b"a.MAIL FROM:<evil@x.test>\r\n"}
    assert data == expected[mode]
