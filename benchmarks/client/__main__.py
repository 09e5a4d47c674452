"""The client's process: what the package's docstring says."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.client.commands import Flood, Noops
from benchmarks.client.pipelined import Pipelined
from benchmarks.client.sessions import Idle, Sessions
from benchmarks.client.transactions import Transactions


class Client(Protocol):
    """What each kind of client does."""

    def work(self) -> dict[str, Any]:
        """Do what it is for; says how often, as `count`, and what else it saw."""

    def close(self) -> None:
        """Hang up."""


KINDS: dict[str, Callable[..., Client]] = {
    "pipelined": Pipelined,
    "transactions": Transactions,
    "sessions": Sessions,
    "idle": Idle,
    "noops": Noops,
    "flood": Flood,
}


def main() -> None:
    """Connect, then work at each line of the standard input."""
    kind, options = sys.argv[1], json.loads(sys.argv[2])
    options["address"] = tuple(options["address"])
    client = KINDS[kind](**options)
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        found = client.work()
        found |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(found), flush=True)
    client.close()


if __name__ == "__main__":
    main()
