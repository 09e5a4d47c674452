"""A successor that can't be started: nothing is left of the attempt."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.options.parsing import parse_options
from gen_smtp.process import successor
from gen_smtp.process.poll import PollLoop
from gen_smtp.process.successor import Successor


def refused(*args: Any, **kwargs: Any) -> Any:
    raise OSError(errno.EMFILE, "too many open files")


@pytest.mark.parametrize(
    "fail",
    [
        lambda patch: patch.setattr(os, "pipe", refused),
        lambda patch: patch.setattr(os, "posix_spawn", refused),
        lambda patch: patch.setattr(successor.fcntl, "fcntl", refused),
    ],
    ids=["no pipe", "no process", "no duplicate"],
)
def test_descriptors_are_closed(
    fail: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unused(*_: object) -> None:
        raise AssertionError("there is no successor to speak of")

    with socket.create_server(("127.0.0.1", 0)) as opened:
        before = descriptors()
        (options,) = parse_options([{"port": 1}])
        fail(monkeypatch)
        with pytest.raises(OSError, match="too many open files"):
            Successor([(options, os.dup(opened.fileno()))], False, PollLoop(), unused, unused)
        monkeypatch.undo()
        assert descriptors() == before


def descriptors() -> set[str]:
    """The descriptors that this process has open, but for the one to look with."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}
