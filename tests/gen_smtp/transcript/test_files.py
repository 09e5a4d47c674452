"""Transcripts in files: whole lines, bounds, rotation, disks that fail."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from gen_smtp.events import TranscriptFailed, TranscriptFull
from gen_smtp.transcript import Entry, FileSink
from gen_smtp.transcript.files import file_sink, has_files, reopen_files
from tests.gen_smtp.live import collected, everything


def entry(text: str = "NOOP") -> Entry:
    return Entry("5f:7", 0.25, "C", text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcript"


def test_an_entry_is_a_line(path: Path) -> None:
    FileSink(str(path), 1000).write(entry("MAIL FROM:<grüße@x.test>"))
    assert path.read_text() == "1970-01-01T00:00:00.250000Z 5f:7 C: MAIL FROM:<grüße@x.test>\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_is_appended_to_by_all_who_write(path: Path) -> None:
    path.write_text("before\n")
    sinks = [FileSink(str(path), 10**9) for _ in range(4)]

    def write(sink: FileSink, name: str) -> None:
        for _ in range(200):
            sink.write(entry(name * 500))

    threads = [
        threading.Thread(target=write, args=(sink, name)) for sink, name in zip(sinks, "abcd", strict=True)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    first, *lines = path.read_text().splitlines()
    assert (first, len(lines)) == ("before", 800)
    assert {line.partition(" C: ")[2] for line in lines} == {name * 500 for name in "abcd"}


def test_a_full_file_says_so_once_and_an_empty_one_goes_on(path: Path) -> None:
    sink = FileSink(str(path), 1000)
    with collected(TranscriptFull) as told:
        for _ in range(50):
            sink.write(entry())
        (event,) = everything(told)
    assert str(event) == f"the transcript {path} is full, with 1000 octets: rotate it, and send SIGHUP"
    *lines, last = path.read_text().splitlines()
    assert last == "- this file is full, with 1000 octets: nothing more is written to it"
    assert all(line.endswith("C: NOOP") for line in lines)
    assert 1000 <= path.stat().st_size < 1100
    path.write_text("")  # as logrotate's copytruncate does
    sink.write(entry())
    assert len(path.read_text().splitlines()) == 1


def test_a_rotated_file_is_left_when_the_sink_is_told(path: Path) -> None:
    sink = file_sink(str(path), 1000)
    assert has_files()
    sink.write(entry("first"))
    moved = path.with_suffix(".1")
    path.rename(moved)
    sink.write(entry("second"))
    reopen_files()
    assert path.read_text() == ""
    sink.write(entry("third"))
    assert [len(each.read_text().splitlines()) for each in (moved, path)] == [2, 1]
    assert os.get_inheritable(sink.open()) is False


def test_one_file_is_open_once_in_a_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert file_sink(str(path), 1000) is not file_sink(str(path), 2000)
    sink = file_sink(str(path), 1000)
    assert file_sink("transcript", 1000) is sink


def test_what_can_not_be_written_is_told_once_and_then_lost(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    sink = FileSink(str(folder / "transcript"), 1000)
    with collected(TranscriptFailed) as told:
        sink.write(entry())
        sink.write(entry())
        (event,) = everything(told)
        assert "No such file" in str(event)
        folder.mkdir()
        sink.write(entry())
        sink.close()
        (folder / "transcript").unlink()
        folder.rmdir()
        sink.write(entry())
        assert len(everything(told)) == 1  # anew, as it could be written between


def test_a_reopening_that_fails_keeps_the_file(path: Path) -> None:
    sink = FileSink(str(path), 1000)
    sink.write(entry())
    path.rename(path.with_suffix(".1"))
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        sink.reopen()
    sink.write(entry())
    assert len(path.with_suffix(".1").read_text().splitlines()) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_a_full_disk_ends_no_session() -> None:
    sink = FileSink("/dev/full", 1000)
    with collected(TranscriptFailed) as told:
        sink.write(entry())
        (event,) = everything(told)
    assert "No space left" in str(event)


def test_a_pipe_that_nobody_reads_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path)
    with collected(TranscriptFailed) as told:
        FileSink(str(path), 1000).write(entry())
        assert len(everything(told)) == 1


def test_closing_a_sink_leaves_no_descriptor(path: Path) -> None:
    sink = FileSink(str(path), 1000)
    descriptor = sink.open()
    del sink
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
