"""The pid file, in a folder where others may write as well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gen_smtp.cli.announcing import PidFile

OURS = f"{os.getpid()}\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that nobody may touch."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "victim"
    path.write_text("precious")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


class TestWriting:
    @pytest.mark.parametrize("name", ["pid", f".pid.{os.getpid()}"], ids=["its own name", "a guessed name"])
    def test_follows_no_link(self, folder: Path, victim: Path, name: str) -> None:
        (folder / name).symlink_to(victim)
        PidFile(folder / "pid").write()
        assert victim.read_text() == "precious"
        assert (folder / "pid").read_text() == OURS
        assert not (folder / "pid").is_symlink()

    def test_leaves_nothing_else(self, folder: Path) -> None:
        PidFile(folder / "pid").write()
        assert [path.name for path in folder.iterdir()] == ["pid"]
        assert (folder / "pid").stat().st_mode & 0o777 == 0o644

    def test_that_fails_leaves_nothing(self, folder: Path) -> None:
        (folder / "pid").mkdir()
        with pytest.raises(OSError, match="directory"):
            PidFile(folder / "pid").write()
        assert [path.name for path in folder.iterdir()] == ["pid"]


class TestRemoving:
    def test_takes_away_what_was_written(self, folder: Path) -> None:
        file = PidFile(folder / "pid")
        file.write()
        file.remove()
        assert not file.path.exists()

    def test_leaves_what_speaks_of_another_process(self, folder: Path) -> None:
        file = PidFile(folder / "pid")
        file.path.write_text("1\n")
        file.remove()
        assert file.path.read_text() == "1\n"

    def test_follows_no_link(self, folder: Path, victim: Path) -> None:
        victim.write_text(OURS)
        file = PidFile(folder / "pid")
        file.path.symlink_to(victim)
        file.remove()
        assert file.path.is_symlink()
        assert victim.read_text() == OURS

    def test_waits_for_no_writer_of_a_pipe(self, folder: Path) -> None:
        file = PidFile(folder / "pid")
        os.mkfifo(file.path)
        file.remove()
        assert file.path.exists()
