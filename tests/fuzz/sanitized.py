"""`make sanitize`: the parts in C on random input, with AddressSanitizer and UndefinedBehaviorSanitizer.

python -m tests.fuzz.sanitized [--minutes 1 | --cases 1000] [--seed 1]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.harnesses.parts_in_c import check_newlines, check_socket

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".fuzz" / "sanitized"
SOURCES = {
    "quick_socket": ROOT / "actors/net/quick_socket.c",
    "quick_newlines": ROOT / "gen_smtp/protocol/text/quick_newlines.c",
}
COMPILER = "gcc"
_FLAGS = ("-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-shared", "-fPIC")
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def build(folder: Path, sources: dict[str, Path] | None = None) -> None:
    """Compile the modules into a folder.

    Raises:
        CalledProcessError: that failed; the compiler has said why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    include = f"-I{sysconfig.get_path('include')}"
    for name, source in (sources or SOURCES).items():
        made = str(folder / f"{name}.so")
        abi = "-DPy_LIMITED_API=0x030B0000"
        subprocess.run([COMPILER, *_FLAGS, *_SANITIZERS, include, abi, str(source), "-o", made], check=True)


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this module on the modules of a folder, in a process that has the sanitizers' library."""
    asked = [COMPILER, "-print-file-name=libasan.so"]
    library = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        # CPython keeps what it has until the process ends, and has an allocator that nothing can look into.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-m", "tests.fuzz.sanitized", "--folder", str(folder), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


def load(folder: Path) -> tuple[Any, Any]:
    """The class of sockets and the look for bare newlines, of modules in a folder."""
    loaded = {}
    for name in SOURCES:
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.so")
        assert spec is not None
        assert spec.loader is not None
        loaded[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded[name])
    return loaded["quick_socket"].QuickSocket, loaded["quick_newlines"].has_bare_newline


def texts(dice: random.Random) -> Iterator[bytes]:
    """Octets with newlines of every kind, and most often only whole ones."""
    while True:
        rest = dice.choice((0, 3, 60))
        octets = bytes(dice.choices(b"\r\n.", weights=(3, 3, 1), k=dice.randrange(60))) + b"x" * rest
        if dice.random() < 0.7:
            octets = octets.replace(b"\r", b"").replace(b"\n", b"\r\n")
        yield octets * dice.choice((1, 1, 1, 70, 300))


def check(make_socket: Any, look: Any, seed: int, cases: float, seconds: float = float("inf")) -> int:
    """Compare C and Python on random input; how many cases that were."""
    dice = random.Random(seed)
    until = time.monotonic() + seconds
    octets = texts(dice)
    done = 0
    while done < cases and time.monotonic() < until:
        check_newlines(next(octets), look)
        check_socket(dice.randbytes(dice.randrange(80)), make_socket)
        done += 1
    return done


def main() -> int:
    """Build and run; the status of what ran."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.sanitized", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default 1)")
    parser.add_argument("--cases", type=float, default=float("inf"), help="or how many cases")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        done = check(*load(options.folder), options.seed, options.cases, 60 * options.minutes)
        print(f"seed {options.seed}: {done} cases, C and Python agree, and no sanitizer complains")
        return 0
    build(FOLDER)
    ended = run_in(FOLDER, *sys.argv[1:], f"--seed={options.seed}")
    print(ended.stdout + ended.stderr, end="")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
