"""The command gen-smtp in processes that are forked from one which has imported it: it takes half a second.

For commands that end by themselves. What is served, restarted or started as another user is started whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PROGRAM = """
import contextlib, json, os, sys, tempfile
from gen_smtp.cli.commands import app

def run(arguments, folder, out, err):
    if folder:
        os.chdir(folder)
        sys.path[0] = folder
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file.fileno(), number)
    sys.argv = ["gen-smtp", *arguments]
    app(prog_name="gen-smtp")

def contents(file):
    file.seek(0)
    return file.read().decode()

answers = os.fdopen(os.dup(1), "w")
with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.suppress(SystemExit):
    app(["serve", "--port", "-1"])  # what the command imports when it is called
for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            sys.stdin.close()
            run(*json.loads(line), out, err)
            sys.exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([code, contents(out), contents(err)]), file=answers, flush=True)
"""


class Preloaded:
    """The process that forks, as a context manager."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        self._process: Any = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The command, run to its end."""
        print(json.dumps([arguments, os.fspath(cwd or "")]), file=self._process.stdin, flush=True)
        code, out, err = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(["gen-smtp", *arguments], code, out, err)
