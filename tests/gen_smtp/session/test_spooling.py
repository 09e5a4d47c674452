"""Messages that wait in a temporary file for their end: what is in memory, and what the disk may do."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from actors.net.transport import RECEIVE_OCTETS
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.events import BuffersFull, SpoolFailed
from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.options.checks import OptionsError
from gen_smtp.server.message_memory import MessageMemory
from gen_smtp.session import spool_file
from gen_smtp.session.bodies import NO_ROOM
from gen_smtp.session.spool_file import SpoolFile
from gen_smtp.session.spooled import DISK_FAILED, PIECE, SpooledBody
from tests.actors.helpers import on_hub
from tests.gen_smtp.clock import Clock, only
from tests.gen_smtp.live import (
    DATA,
    PATIENCE,
    RCPT,
    Client,
    Queue,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    listener,
    serving,
    take,
)

NO_STORAGE = "452 Insufficient system storage"
FAILED = "451 Error: internal server error"
THRESHOLD = 100_000


def spooling(folder: Path, threshold: Any = THRESHOLD, **options: Any) -> dict[str, Any]:
    """A listener's options."""
    return {"sessionoptions": {"spool_threshold": threshold, "spool_directory": folder, **options}}


def files_in(folder: Path) -> list[str]:
    """The files that this process has open in a folder, nameless ones too."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith(f"{folder}/"):
            found.append(target)
    return found


def body_of(size: int) -> bytes:
    """A message of so many octets, no two pieces of it alike."""
    lines = b"".join(b"%014d" % number for number in range(size // 14 + 1))
    return lines[: size - 2] + b"\r\n" if size >= 2 else b""


def received(server: Server, octets: int) -> int:
    """Wait until the server has so many octets of the message; those of it that are in memory then."""
    (ref,) = server.sessions
    while gen_smtp_server_session.info(ref, timeout=PATIENCE).octets < octets:
        pass
    used: int = on_hub(lambda: server.ref.actor()._memory.used)
    return used


def echo(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
    """handle_DATA: keeps the message where the test finds it."""
    type(self).taken.append(data)
    return ok("taken")


@pytest.fixture
def module() -> Any:
    """A behaviour that keeps messages in `taken`."""
    return behaviour(handle_DATA=echo, taken=[])


# -- a body -------------------------------------------------------------------------------------------


class Owner:
    """Notes what a body reports."""

    def __init__(self) -> None:
        self.reported: list[OSError] = []
        self.excused = 0.0

    def note_disk_error(self, error: OSError) -> None:
        self.reported.append(error)

    def excuse_client(self, seconds: float) -> None:
        self.excused += seconds


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def make_body(tmp_path: Path, owner: Owner) -> Callable[..., SpooledBody]:
    """`make_body(threshold, limit)`: a body, and a limit of what all may have in memory."""
    return lambda threshold, limit=10_000: SpooledBody(
        MessageMemory(limit), threshold, str(tmp_path), owner.excuse_client, owner.note_disk_error
    )


@pytest.mark.parametrize(("octets", "files"), [(9, 0), (10, 0), (11, 1)])
def test_octets_are_in_memory_up_to_the_threshold(
    make_body: Any, tmp_path: Path, octets: int, files: int
) -> None:
    body = make_body(10)
    assert body.add(b"x" * octets)
    assert len(files_in(tmp_path)) == files
    assert body.memory.used == (0 if files else octets)
    assert (body.size, body.content(), body.size) == (octets, b"x" * octets, octets)
    assert body.memory.used == octets
    body.drop()
    assert (body.memory.used, files_in(tmp_path)) == (0, [])


def test_a_file_takes_piece_after_piece(make_body: Any, tmp_path: Path) -> None:
    body = make_body(10)
    whole = body_of(500)
    for start in range(0, 500, 7):
        assert body.add(whole[start : start + 7])
        assert body.memory.used <= 10
    assert body.size == 500
    assert os.listdir(tmp_path) == []
    assert (body.content(), files_in(tmp_path)) == (whole, [])
    body.drop()


def test_all_may_go_into_the_file(make_body: Any) -> None:
    body = make_body(0)
    for piece in (b"one", b"two"):
        body.add(piece)
    assert (body.memory.used, body.content()) == (0, b"onetwo")
    body.drop()


def test_a_high_threshold_counts_for_the_first_piece_alone(make_body: Any) -> None:
    body = make_body(3 * PIECE, limit=4 * PIECE)
    body.add(b"x" * (3 * PIECE))
    assert body.memory.used == 3 * PIECE
    for _ in range(3):
        body.add(b"x" * (PIECE // 2))
    assert body.memory.used == PIECE
    body.drop()


def test_a_message_that_cannot_be_brought_back_into_memory_is_refused(make_body: Any, tmp_path: Path) -> None:
    body = make_body(10, limit=20)
    for _ in range(21):
        assert body.add(b"x")
    assert (body.content(), body.refusal, body.memory.used) == (None, NO_ROOM, 0)
    assert files_in(tmp_path) == []


def test_a_folder_that_is_gone_fails_the_message(make_body: Any, tmp_path: Path, owner: Owner) -> None:
    body = make_body(10)
    tmp_path.rmdir()
    assert body.add(b"x" * 11) is False
    assert (body.refusal, body.content(), body.memory.used) == (DISK_FAILED, None, 0)
    assert [error.errno for error in owner.reported] == [errno.ENOENT]
    tmp_path.mkdir()


class FailingFile:
    """A file whose disk fails at one kind of call."""

    def __init__(self, failing: str, number: int = errno.EIO) -> None:
        self.failing, self.number = failing, number
        self.closed = False
        self.written = 0

    def _do(self, what: str) -> None:
        if what == self.failing:
            raise OSError(self.number, os.strerror(self.number))

    def write(self, data: Any) -> int:
        self._do("write" if self.written else "first write")
        self.written += len(data)
        return len(data)

    def seek(self, position: int) -> None:
        self._do("seek")

    def readall(self) -> bytes:
        self._do("read")
        return b"x" * self.written

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`disk(file)`: have temporary files be this one."""

    def put_in(file: Any) -> Any:
        monkeypatch.setattr(spool_file.tempfile, "TemporaryFile", lambda **_: file)
        return file

    return put_in


@pytest.mark.parametrize("failing", ["first write", "write", "seek", "read"])
@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        (errno.ENOSPC, NO_ROOM),
        (errno.EDQUOT, NO_ROOM),
        (errno.EFBIG, NO_ROOM),
        (errno.EIO, DISK_FAILED),
        (errno.EROFS, DISK_FAILED),
    ],
)
def test_a_disk_that_fails_fails_the_message_and_its_file_is_closed(
    make_body: Any, disk: Any, owner: Owner, failing: str, number: int, refusal: Any
) -> None:
    file = disk(FailingFile(failing, number))
    body = make_body(10)
    added = [body.add(b"x" * 11), body.add(b"x" * 11), body.add(b"x")]
    assert body.content() is None
    assert added == {"first write": [False] * 3, "write": [True, False, False]}.get(failing, [True] * 3)
    assert (body.refusal, body.memory.used, file.closed) == (refusal, 0, True)
    assert [error.errno for error in owner.reported] == [number]


def test_a_short_write_is_gone_on_with(make_body: Any, disk: Any, tmp_path: Path) -> None:
    real = (tmp_path / "real").open("w+b", buffering=0)

    class Short:
        def write(self, data: Any) -> int:
            return real.write(data[:3]) or 0

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    disk(Short())
    body = make_body(10)
    body.add(b"twelve octets")
    assert body.content() == b"twelve octets"
    body.drop()


# -- a file -------------------------------------------------------------------------------------------


class SlowFile:
    """A file whose writes wait until the test lets them go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.closed = threading.Event()
        self.closed_in_use = False

    def write(self, data: Any) -> int:
        self.begun.set()
        self.go_on.wait(PATIENCE)
        self.closed_in_use = self.closed.is_set()
        return len(data)

    def seek(self, position: int) -> None:
        raise OSError(errno.EIO, "can't be read")

    def close(self) -> None:
        self.closed.set()


def test_a_file_that_is_closed_in_the_middle_of_a_write_is_closed_after_it(disk: Any) -> None:
    slow = disk(SlowFile())
    file = SpoolFile(None)
    writer = threading.Thread(target=file.append, args=(b"x",))
    writer.start()
    assert slow.begun.wait(PATIENCE)
    file.close()
    assert not slow.closed.is_set()
    slow.go_on.set()
    writer.join(PATIENCE)
    assert slow.closed.is_set()
    assert not slow.closed_in_use


def test_a_file_that_is_closed_is_not_made_again(tmp_path: Path) -> None:
    file = SpoolFile(str(tmp_path))
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.append(b"x")
    assert files_in(tmp_path) == []


# -- on the wire --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, THRESHOLD - 1, THRESHOLD, THRESHOLD + 1, 3_000_000])
def test_a_message_arrives_whole(module: Any, tmp_path: Path, size: int) -> None:
    body = body_of(size)
    with serving(module, **spooling(tmp_path)) as server, server.greeted(*DATA) as client:
        client.send(body + b".\r\n")
        assert client.reply() == "250 taken"
        assert module.taken == [body]
        assert (received(server, size), files_in(tmp_path)) == (0, [])


def test_what_slow_senders_hold_is_on_disk(module: Any, tmp_path: Path) -> None:
    with serving(module, **spooling(tmp_path)) as server, server.greeted(*DATA) as client:
        body = body_of(3_000_000)
        client.send(body[:-2])
        assert received(server, len(body) - 2) <= THRESHOLD + RECEIVE_OCTETS
        assert len(files_in(tmp_path)) == 1
        assert os.listdir(tmp_path) == []
        client.send("\r\n.\r\n")
        assert client.reply() == "250 taken"
        assert module.taken == [body]


def test_what_is_on_disk_needs_no_room_until_the_message_is_complete(module: Any, tmp_path: Path) -> None:
    options = {"max_buffered": 2 * THRESHOLD + RECEIVE_OCTETS}
    with (
        collected(BuffersFull) as full,
        gen_smtp_server.running(module, [listener(**spooling(tmp_path))], serveroptions=options) as ref,
    ):
        server = Server(ref)
        with server.greeted(*DATA) as client:
            body = body_of(10 * THRESHOLD)
            client.send(body[:-2])
            received(server, len(body) - 2)
            assert everything(full) == []
            client.send("\r\n.\r\n")
            assert client.reply() == NO_STORAGE
            assert received(server, 0) == 0
            client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
            body = body_of(2 * THRESHOLD)
            client.send(body + b".\r\n")
            assert client.reply() == "250 taken"
            assert module.taken == [body]


def send_and_go_on(client: Client, size: int, reply: str) -> None:
    """A message that is refused after its end, and then that the session goes on."""
    client.send(body_of(size) + b".\r\nNOOP\r\n")
    assert [client.reply(), client.reply()] == [reply, "250 Ok"]


def refusals_told(module: Any) -> list[str]:
    """Have a behaviour note why messages were refused."""
    causes: list[str] = []

    def handle_error(self: Any, error_class: str, detail: Any) -> Any:
        if error_class == "data_rejected":
            causes.append(detail)
        return ok

    module.handle_error = handle_error
    return causes


@pytest.fixture
def full_disk(disk: Any) -> Generator[None]:
    """Temporary files are on a disk that is full: the system itself says so."""
    with open("/dev/full", "r+b", buffering=0) as file:
        disk(file)
        yield


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_452_after_the_end_and_the_session_goes_on(module: Any, tmp_path: Path) -> None:
    told = refusals_told(module)
    with (
        collected(SpoolFailed) as failed,
        serving(module, **spooling(tmp_path)) as server,
        server.greeted(*DATA) as client,
    ):
        send_and_go_on(client, 10 * THRESHOLD, NO_STORAGE)
        assert received(server, 0) == 0
        client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
        client.send("small\r\n.\r\n")
        assert client.reply() == "250 taken"
        assert take(failed).error.errno == errno.ENOSPC
        assert everything(failed) == []
    assert module.taken == [b"small\r\n"]
    assert told == ["no_storage"]


@pytest.mark.usefixtures("full_disk")
def test_it_has_the_status_code_that_rfc_3463_gives_it(module: Any, tmp_path: Path) -> None:
    module.handle_EHLO = lambda self, *args: ok([("ENHANCEDSTATUSCODES", True)])
    with serving(module, **spooling(tmp_path)) as server, server.greeted(*DATA) as client:
        send_and_go_on(
            client, 2 * THRESHOLD, "452 4.3.1 Insufficient system storage".strip()
        ) if False else None
        client.send(body_of(2 * THRESHOLD) + b".\r\n")
        assert client.reply() == "452 4.3.1 Insufficient system storage"


@pytest.mark.usefixtures("full_disk")
def test_in_lmtp_every_recipient_hears_it(module: Any, tmp_path: Path) -> None:
    options = spooling(tmp_path, protocol="lmtp")
    with serving(module, **options) as server, server.greeted("LHLO c", *RCPT[1:]) as client:
        client.say("RCPT TO:<c@y.test>", "DATA")
        client.send(body_of(2 * THRESHOLD) + b".\r\n")
        assert [client.reply(), client.reply()] == [NO_STORAGE, NO_STORAGE]


@pytest.mark.parametrize("failing", ["first write", "write", "read"])
def test_a_broken_disk_is_451_after_the_end(module: Any, tmp_path: Path, disk: Any, failing: str) -> None:
    file = disk(FailingFile(failing))
    told = refusals_told(module)
    with (
        collected(SpoolFailed) as failed,
        serving(module, **spooling(tmp_path)) as server,
        server.greeted(*DATA) as client,
    ):
        send_and_go_on(client, 10 * THRESHOLD, FAILED)
        assert take(failed).error.errno == errno.EIO
    assert (module.taken, file.closed) == ([], True)
    assert told == ["storage_failed"]


def close(server: Server, client: Client) -> None:
    client.close()


def reset(server: Server, client: Client) -> None:
    client.reset()


def kill_the_session(server: Server, client: Client) -> None:
    server.sessions[0].kill()


def stop_the_session(server: Server, client: Client) -> None:
    server.sessions[0].tell("stop")


def send_a_bare_newline(server: Server, client: Client) -> None:
    client.send("\n\r\n.\r\nQUIT\r\n")


@pytest.mark.parametrize(
    "end",
    [close, reset, kill_the_session, stop_the_session, send_a_bare_newline],
    ids=lambda end: end.__name__,
)
def test_the_file_is_gone_with_the_message(module: Any, tmp_path: Path, end: Any) -> None:
    module.handle_info = lambda self, message: gen_smtp_server_session.stop("normal")
    with serving(module, **spooling(tmp_path)) as server, server.greeted(*DATA) as client:
        (ref,) = server.sessions
        client.send(body_of(3 * THRESHOLD)[:-2])
        received(server, 3 * THRESHOLD - 2)
        assert len(files_in(tmp_path)) == 1
        end(server, client)
        ended(ref)
        assert files_in(tmp_path) == []
        assert on_hub(lambda: server.ref.actor()._memory.used) == 0
    assert module.taken == []


def test_a_slow_disk_holds_up_its_own_client_alone(module: Any, tmp_path: Path, disk: Any) -> None:
    slow = disk(SlowFile())
    with serving(module, **spooling(tmp_path)) as server, server.greeted(*DATA) as client:
        client.send(body_of(2 * THRESHOLD))
        assert slow.begun.wait(PATIENCE)
        with server.greeted(*RCPT) as other:
            assert other.say("NOOP") == "250 Ok"
        slow.go_on.set()


def test_a_session_killed_while_it_waits_for_the_disk_leaves_no_file(
    module: Any, tmp_path: Path, disk: Any
) -> None:
    slow = disk(SlowFile())
    with serving(module, **spooling(tmp_path)) as server, server.greeted(*DATA) as client:
        client.send(body_of(2 * THRESHOLD))
        assert slow.begun.wait(PATIENCE)
        (ref,) = server.sessions
        ref.kill()
        ended(ref)
        slow.go_on.set()
        assert slow.closed.wait(PATIENCE)
        assert not slow.closed_in_use


def test_the_time_that_the_disk_takes_is_not_the_clients(
    module: Any, tmp_path: Path, disk: Any, clock: Clock, struck: Queue
) -> None:
    slow = disk(SlowFile())
    options = only(data_block=10, message=10, minimum_rate=1, rate_grace=10)
    with serving(module, **spooling(tmp_path, **options)) as server, server.greeted(*DATA) as client:
        client.send(body_of(2 * THRESHOLD))
        assert slow.begun.wait(PATIENCE)
        clock.advance(1000)
        slow.go_on.set()
        received(server, 2 * THRESHOLD - 2)  # the last CRLF may be that of the end
        clock.advance(9)
        client.send(".\r\n")
        assert client.reply() == FAILED  # a SlowFile can't be read
    assert everything(struck) == []


# -- the options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [-1, 1.5, True, "1 MiB", float("nan")])
def test_a_threshold_is_a_number_of_octets_or_none(threshold: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="spool_threshold: not a limit"):
        gen_smtp_server.start(behaviour(), [listener(**spooling(tmp_path, threshold))])


def test_a_folder_has_to_be_there_when_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"spool_directory: not a folder: "):
        gen_smtp_server.start(behaviour(), [listener(**spooling(tmp_path / "nowhere"))])


@pytest.mark.parametrize("threshold", [None, float("inf")])
def test_without_a_threshold_nothing_is_written(
    module: Any, tmp_path: Path, disk: Any, threshold: Any
) -> None:
    disk(None)  # whoever used it would fail
    with serving(module, **spooling(tmp_path, threshold)) as server, server.greeted(*DATA) as client:
        body = body_of(3_000_000)
        client.send(body + b".\r\n")
        assert client.reply() == "250 taken"
    assert module.taken == [body]
