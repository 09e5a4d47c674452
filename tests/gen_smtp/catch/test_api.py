"""The API of `gen-smtp catch`, over HTTP: the calls that tests written for Mailpit make."""

from __future__ import annotations

import contextlib
import json
import smtplib
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from rich.console import Console

from gen_smtp import gen_smtp_server
from gen_smtp.catch.command import CatchOptions, listener_of, make_catch, make_store, serve_api

SECONDS = 10.0


class Catching:
    """A catcher that runs, and who asks it."""

    def __init__(self, http: tuple[str, int], smtp: tuple[str, int]) -> None:
        self._http = f"http://{http[0]}:{http[1]}"
        self.smtp = smtp

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """The JSON of an answer, or its octets."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._http + path, data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            content: bytes = response.read()
            return json.loads(content) if "json" in response.headers["Content-Type"] else content

    def refusal(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, str]:
        """The status and the text of an answer that is none."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.ask(path, method, body)
        with caught.value:
            return caught.value.code, json.loads(caught.value.read()).get("description", "")

    def send(self, subject: str = "Welcome", to: str = "jane@example.org", blind: str = "") -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, "The Shop <shop@example.com>", to
        message["Message-ID"] = f"<{len(subject)}@example.com>"
        message["Date"] = "Tue, 01 Dec 2026 12:00:00 +0100"
        message.set_content("Hello\nJane\n")
        message.add_alternative("<p>Hello</p>\n", subtype="html")
        message.add_attachment(b"\0\1", maintype="application", subtype="pdf", filename="bill.pdf")
        with smtplib.SMTP(*self.smtp, timeout=SECONDS) as client:
            client.send_message(message, to_addrs=[to, blind] if blind else [to])


@pytest.fixture
def catching() -> Iterator[Catching]:
    options = CatchOptions(port=0, http="0", quiet=True, console=Console(quiet=True))
    store = make_store(options)
    with (
        contextlib.ExitStack() as stack,
        gen_smtp_server.running(make_catch(options, store).make, [listener_of(options)], grace=0) as server,
    ):
        yield Catching(serve_api(options, store, stack), gen_smtp_server.addresses(server)[0])


def test_a_list_has_the_newest_first(catching: Catching) -> None:
    catching.send("First")
    catching.send("Second message", blind="hidden@example.org")
    listed = catching.ask("/api/v1/messages")
    counts = [listed[name] for name in ("total", "unread", "count", "messages_count", "start")]
    assert counts == [2, 2, 2, 2, 0]
    second, first = listed["messages"]
    assert (first["Subject"], second["Subject"]) == ("First", "Second message")
    assert second["From"] == {"Name": "The Shop", "Address": "shop@example.com"}
    assert second["To"] == [{"Name": "", "Address": "jane@example.org"}]
    assert second["Bcc"] == [{"Name": "", "Address": "hidden@example.org"}]
    assert (second["Read"], second["Attachments"], second["Snippet"]) == (False, 1, "Hello Jane")
    assert second["Created"].endswith("Z")
    page = catching.ask("/api/v1/messages?start=1&limit=1")
    assert [each["Subject"] for each in page["messages"]] == ["First"]


def test_one_message_whole(catching: Catching) -> None:
    catching.send()
    whole = catching.ask("/api/v1/message/latest")
    assert (whole["Subject"], whole["MessageID"], whole["ReturnPath"]) == (
        "Welcome",
        "7@example.com",
        "shop@example.com",
    )
    assert whole["Text"].split() == ["Hello", "Jane"]
    assert whole["HTML"].strip() == "<p>Hello</p>"
    assert whole["Date"] == "2026-12-01T11:00:00.000Z"
    assert whole["Envelope"] == {"Sender": "shop@example.com", "Recipients": ["jane@example.org"]}
    (attached,) = whole["Attachments"]
    assert (attached["FileName"], attached["ContentType"], attached["Size"]) == (
        "bill.pdf",
        "application/pdf",
        2,
    )
    path = f"/api/v1/message/{whole['ID']}"
    assert catching.ask(f"{path}/part/{attached['PartID']}") == b"\0\1"
    assert b"Subject: Welcome\r\n" in catching.ask(f"{path}/raw")
    assert catching.ask(f"{path}/headers")["Subject"] == ["Welcome"]
    assert catching.ask(f"/view/{whole['ID']}.txt").split() == [b"Hello", b"Jane"]
    assert catching.ask("/api/v1/messages")["unread"] == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("to:jane", ["Second", "First"]),
        ("subject:first", ["First"]),
        ('subject:"first" from:shop', ["First"]),
        ("second", ["Second"]),
        ("-second", ["First"]),
        ("!subject:first", ["Second"]),
        ("bcc:hidden", ["Second"]),
        ("message-id:5@example.com", ["First"]),
        ("nobody", []),
        ('"unended', []),
        ("hello jane", ["Second", "First"]),
    ],
)
def test_a_search_finds_what_has_all_words(catching: Catching, query: str, found: list[str]) -> None:
    catching.send("First")
    catching.send("Second", blind="hidden@example.org")
    answer = catching.ask(f"/api/v1/search?query={urllib.parse.quote(query)}")
    assert [each["Subject"] for each in answer["messages"]] == found
    assert (answer["messages_count"], answer["total"]) == (len(found), 2)


def test_messages_are_deleted(catching: Catching) -> None:
    for subject in ("First", "Second", "Third"):
        catching.send(subject)
    newest = catching.ask("/api/v1/messages")["messages"][0]["ID"]
    assert catching.ask("/api/v1/messages", "DELETE", {"IDs": [newest]}) == b"ok"
    catching.ask("/api/v1/search?query=first", "DELETE")
    assert [each["Subject"] for each in catching.ask("/api/v1/messages")["messages"]] == ["Second"]
    catching.ask("/api/v1/messages", "DELETE")
    assert catching.ask("/api/v1/messages")["total"] == 0


def test_messages_are_marked(catching: Catching) -> None:
    catching.send()
    catching.ask("/api/v1/messages", "PUT", {"Read": True})
    assert catching.ask("/api/v1/info")["Unread"] == 0
    catching.ask("/api/v1/messages", "PUT", {"Read": False})
    assert catching.ask("/api/v1/info")["Unread"] == 1


def test_a_wait_ends_when_the_message_comes(catching: Catching) -> None:
    catching.send("Other")
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(catching.ask("/api/v1/wait?query=subject:welcome&timeout=10"))
    )
    waiting.start()
    catching.send()
    waiting.join()
    assert [each["Subject"] for each in answers[0]["messages"]] == ["Welcome"]


def test_a_wait_that_is_over_says_what_is_missing(catching: Catching) -> None:
    catching.send()
    assert catching.refusal("/api/v1/wait?count=2&timeout=0.01") == (
        408,
        "1 of 2 messages came within 0.01 s",
    )


@pytest.mark.parametrize(
    ("path", "method", "body", "status", "said"),
    [
        ("/api/v1/message/none", "GET", None, 404, "there is no message none"),
        ("/api/v1/message/latest", "GET", None, 404, "there is no message latest"),
        ("/api/v1/search", "GET", None, 400, 'The "query" parameter is required.'),
        ("/api/v1/messages", "DELETE", ["id"], 400, 'the body is JSON such as {"IDs": ["..."]}'),
        ("/api/v1/messages", "DELETE", {"IDs": "id"}, 400, "IDs is a list of texts"),
        ("/api/v1/messages?start=-1", "GET", None, 400, None),
        ("/api/v1/nothing", "GET", None, 404, ""),
    ],
)
def test_wrong_requests_are_answered_in_words(
    catching: Catching, path: str, method: str, body: Any, status: int, said: str | None
) -> None:
    code, text = catching.refusal(path, method, body)
    assert code == status
    assert said is None or text == said


def test_it_is_alive(catching: Catching) -> None:
    assert catching.ask("/livez") == catching.ask("/readyz") == b"ok"
    assert catching.ask("/api/v1/info")["Messages"] == 0
