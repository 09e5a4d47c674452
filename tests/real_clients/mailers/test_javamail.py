"""JavaMail (Jakarta Mail) sends its messages by BDAT where CHUNKING is offered and it is told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gen_smtp.transcript import Entry, Sink
from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

SOURCE = Path(__file__).parents[1] / "java/Send.java"
LIBRARIES = ":".join(f"/usr/share/java/{name}.jar" for name in ("jakarta-mail", "jakarta-activation"))
CHUNKING = {"announce": [("CHUNKING", True), ("SIZE", "104857600")]}

Run = Callable[..., str]


class Lines(Sink):
    """What the client says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def write(self, entry: Entry) -> None:
        if entry.speaker == "C":
            self.said.append(entry.text)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program is, once it is compiled."""
    return tmp_path_factory.mktemp("java")


@pytest.mark.parametrize(
    ("name", "octets", "chunks"),
    [("attachments", 1000, None), ("dots", 7, None), ("5 MiB", 1_000_000, 6), ("8-bit", 100_000, 1)],
)
def test_sends_a_message_in_chunks(
    serve: Serve,
    collector: Collector,
    run_client: Run,
    program: Path,
    tmp_path: Path,
    name: str,
    octets: int,
    chunks: int | None,
) -> None:
    if not (program / "Send.class").exists():
        run_client("ecj", "-proc:none", "-11", "-cp", LIBRARIES, "-d", str(program), str(SOURCE))
    message, lines = MESSAGES[name], Lines()
    # Jakarta Mail 2.0.0 stuffs dots in chunks, too, which RFC 3030 section 2 does not want: what has come is
    # what it has sent, and has a dot more.
    sent_as = message.replace(b"\r\n.", b"\r\n..")
    file = tmp_path / "message"
    file.write_bytes(message)
    served = serve({"callbackoptions": CHUNKING, "transcript": lines})
    where = (served.host, str(served.port), str(octets), str(file))
    said = run_client("java", "-cp", f"{LIBRARIES}:{program}", "Send", *where, SENDER, RECIPIENT)
    assert said.startswith("250 ")
    mail = collector.mail()
    assert (mail.sender, mail.recipients, mail.helo) == (SENDER, [RECIPIENT], "java.example")
    assert mail.data == sent_as
    sent = [line for line in lines.said if line.startswith("BDAT ")]
    assert "DATA" not in lines.said
    assert chunks in (None, len(sent))
    assert sum(int(line.split()[1]) for line in sent) == len(sent_as)
    assert [line.endswith(" LAST") for line in sent] == [False] * (len(sent) - 1) + [True]
