"""What the results were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.install import version
from benchmarks.processes import ROOT, client_core, server_core


def description(servers: Sequence[str], checkouts: Mapping[str, Path]) -> dict[str, str]:
    """The machine, the versions and the time.

    Args:
        servers: the names of the servers that are installed.
        checkouts: other checkouts of this project, by what they are called.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(ROOT),
        "processor": _processor(),
        "cores": f"{os.cpu_count()}; servers on {server_core()}, clients on {client_core()}",
        "kernel": platform.release(),
        "Python": f"{platform.python_version()}, {Path(sys.executable).resolve()}",
        **{name: version(name) for name in servers},
        **{name: _commit(tree) for name, tree in checkouts.items()},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit(tree: Path) -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=tree, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
