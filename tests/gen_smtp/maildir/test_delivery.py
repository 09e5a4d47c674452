"""Delivery to Maildirs: what is done in what order, what is left after a fault, and what is cleaned."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.maildir.delivery import (
    LEFT_BEHIND,
    Copy,
    Maildir,
    deliver,
    unique_name,
    with_unix_line_ends,
)

PROJECT = Path(__file__).parents[3]
PARTS = (b"Subject: hello\n", b"\nHello\n")


def deliver_to(*paths: Path, create: bool = True) -> list[str]:
    """Deliver `PARTS` to each; the names."""
    copies = [Copy(Maildir(path, create=create), unique_name(), PARTS) for path in paths]
    deliver(copies)
    return [copy.name for copy in copies]


def files_in(folder: Path) -> list[str]:
    """What there is in a Maildir, but for its own folders."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


class Calls:
    """The calls of the operating system that matter, in their order, as names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        self._paths: dict[int, str] = {}
        for name in ("open", "write", "fsync", "rename", "mkdir"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def _noting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            if name == "open":
                self._paths[result] = self._short(args[0])
            target = self._paths[args[0]] if isinstance(args[0], int) else self._short(args[0])
            self.made.append(f"{name} {target}")
            return result

        return noted

    @staticmethod
    def _short(path: Any) -> str:
        path = Path(path)
        return f"{path.parent.name}/*" if "." in path.name else path.name


def test_file_is_synced_before_it_is_renamed_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_to(tmp_path / "box")
    calls = Calls(monkeypatch)
    deliver_to(tmp_path / "box")
    assert calls.made == [
        "open tmp/*",
        "write tmp/*",
        "write tmp/*",
        "fsync tmp/*",
        "rename tmp/*",
        "open new",
        "fsync new",
    ]


def test_all_copies_are_on_the_disk_before_the_first_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_to(tmp_path / "one", tmp_path / "two")
    calls = Calls(monkeypatch)
    deliver_to(tmp_path / "one", tmp_path / "two")
    steps = [call for call in calls.made if not call.startswith(("open", "write"))]
    assert steps == ["fsync tmp/*"] * 2 + ["rename tmp/*", "fsync new"] * 2


def test_folders_that_lack_are_made_for_the_owner_alone_and_synced_into_their_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    [name] = deliver_to(tmp_path / "above" / "box")
    assert [call for call in calls.made if call.startswith(("mkdir", "fsync"))][:8] == [
        "mkdir above",
        f"fsync {tmp_path.name}",
        "mkdir box",
        "fsync above",
        "mkdir tmp",
        "fsync box",
        "mkdir new",
        "fsync box",
    ]
    made = [tmp_path / "above", *(tmp_path / "above").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
    assert (tmp_path / "above" / "box" / "new" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "above" / "box" / "cur").is_dir()


def test_a_maildir_that_is_there_is_made_whole_but_one_that_is_not_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    [name] = deliver_to(tmp_path / "there", create=False)
    assert files_in(tmp_path / "there") == [f"new/{name}"]
    assert Maildir(tmp_path / "there", create=False).takes_mail()
    with pytest.raises(FileNotFoundError):
        deliver_to(tmp_path / "not there", create=False)
    assert not (tmp_path / "not there").exists()
    assert not Maildir(tmp_path / "not there", create=False).takes_mail()
    assert Maildir(tmp_path / "not there", create=True).takes_mail()


def test_a_maildir_that_was_removed_takes_mail_again(tmp_path: Path) -> None:
    deliver_to(tmp_path / "box")
    (tmp_path / "box").rename(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        deliver_to(tmp_path / "box")
    [name] = deliver_to(tmp_path / "box")
    assert files_in(tmp_path / "box") == [f"new/{name}"]


def test_names_differ_within_a_moment_and_in_processes_with_the_same_number() -> None:
    names = {unique_name() for _ in range(1000)}
    assert len(names) == 1000
    assert len({name.split("R")[1] for name in names}) == 1000


def test_a_name_holds_no_slash_and_no_colon_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "a/b:c")
    assert unique_name().endswith(r".a\057b\072c")


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"a\r\nb", b"a\r\n" * 40, b"\r\r\n\n\r", b"x" * 99, b"\n" * 30]
)
@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_line_ends_are_the_same_in_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, data: bytes, piece: int
) -> None:
    monkeypatch.setattr("gen_smtp.maildir.delivery.PIECE_SIZE", piece)
    pieces = list(with_unix_line_ends(data))
    assert b"".join(pieces) == data.replace(b"\r\n", b"\n")
    assert b"" not in pieces


# -- faults ------------------------------------------------------------------------------------------


def failing(call: Callable[..., Any], number: int, at: int) -> Callable[..., Any]:
    """`call`, whose call number `at` (from 1) raises instead of being made."""
    made = 0

    def once(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += 1
        if made == at:
            raise OSError(number, os.strerror(number))
        return call(*args, **kwargs)

    return once


FAULTS = [("open", 1), ("write", 1), ("write", 2), ("fsync", 1), ("rename", 1), ("fsync", 2), ("open", 2)]
"""Each system call of a delivery, and which of them."""


@pytest.mark.parametrize(("name", "at"), FAULTS)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_nothing_is_left_where_a_call_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int, number: int
) -> None:
    [before] = deliver_to(tmp_path / "box")
    with monkeypatch.context() as patch, pytest.raises(OSError) as raised:
        patch.setattr(os, name, failing(getattr(os, name), number, at))
        deliver_to(tmp_path / "box")
    assert raised.value.errno == number
    assert files_in(tmp_path / "box") == [f"new/{before}"]
    [after] = deliver_to(tmp_path / "box")
    assert files_in(tmp_path / "box") == sorted([f"new/{before}", f"new/{after}"])


@pytest.mark.parametrize(("name", "at"), [*FAULTS, ("open", 3), ("rename", 2), ("fsync", 4)])
def test_of_several_copies_none_is_left_where_one_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    boxes = tmp_path / "one", tmp_path / "two"
    deliver_to(*boxes)
    before = [files_in(box) for box in boxes]
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, name, failing(getattr(os, name), errno.ENOSPC, at))
        deliver_to(*boxes)
    assert [files_in(box) for box in boxes] == before


def test_a_disk_that_is_full_only_when_the_file_is_closed_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_to(tmp_path / "box")
    before, close = files_in(tmp_path / "box"), os.close

    def closed(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EDQUOT, "on the file server")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="on the file server"):
        patch.setattr(os, "close", closed)
        deliver_to(tmp_path / "box")
    assert files_in(tmp_path / "box") == before


def test_a_message_that_a_reader_has_taken_meanwhile_stays_his(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = tmp_path / "box"
    deliver_to(box)
    rename = os.rename

    def renamed(source: Path, target: Path) -> None:
        rename(source, target)
        rename(target, box / "cur" / target.name)
        raise OSError(errno.EIO, "too late")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="too late"):
        patch.setattr(os, "rename", renamed)
        deliver_to(box)
    assert len(list((box / "cur").iterdir())) == 1
    assert list((box / "tmp").iterdir()) == []


def test_a_write_that_takes_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
        [name] = deliver_to(tmp_path / "box")
    assert (tmp_path / "box" / "new" / name).read_bytes() == b"".join(PARTS)


LIMITED = """
import resource, sys
from pathlib import Path
from gen_smtp.maildir.delivery import *
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
box = Maildir(Path(sys.argv[1]), create=True)
deliver([Copy(box, unique_name(), [b"small"])])
try:
    deliver([Copy(box, unique_name(), [b"x" * 4000, b"y" * 4000])])
except OSError as error:
    print(error.errno)
deliver([Copy(box, unique_name(), [b"small too"])])
"""


def test_a_file_that_the_kernel_really_refuses_to_let_grow_is_removed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "box"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
        timeout=30,
    )
    assert done.stdout == f"{errno.EFBIG}\n"
    found = [path.read_text() for path in sorted((tmp_path / "box").glob("*/*"))]
    assert sorted(found) == ["small", "small too"]


# -- cleaning ----------------------------------------------------------------------------------------


def test_what_was_left_in_tmp_long_ago_is_removed_at_the_first_delivery_alone(tmp_path: Path) -> None:
    box, now = tmp_path / "box", time.time()
    for name in ("tmp", "new", "cur"):
        (box / name).mkdir(parents=True)
    ages = {"old": LEFT_BEHIND + 60, "younger": LEFT_BEHIND - 60, "new": 0.0}
    for name, age in ages.items():
        for folder in ("tmp", "new", "cur"):
            (box / folder / name).touch()
            os.utime(box / folder / name, (now - age, now - age))
    (box / "tmp" / "folder").mkdir()
    os.utime(box / "tmp" / "folder", (0, 0))
    os.symlink("/etc/passwd", box / "tmp" / "link")
    [name] = deliver_to(box)
    assert {path.name for path in (box / "tmp").iterdir()} == {"younger", "new", "folder", "link"}
    assert {path.name for path in (box / "new").iterdir()} == {*ages, name}
    assert {path.name for path in (box / "cur").iterdir()} == {*ages}
    (box / "tmp" / "old").touch()
    os.utime(box / "tmp" / "old", (0, 0))
    deliver_to(box)
    assert (box / "tmp" / "old").exists()


def test_a_file_in_tmp_that_was_read_lately_stays(tmp_path: Path) -> None:
    box = tmp_path / "box"
    (box / "tmp").mkdir(parents=True)
    (box / "tmp" / "read").touch()
    os.utime(box / "tmp" / "read", (time.time(), 0))
    deliver_to(box)
    assert (box / "tmp" / "read").exists()
