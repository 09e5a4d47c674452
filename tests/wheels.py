"""`make wheel`: an sdist, a wheel with the parts in C and one without, each tried in an empty environment.

python -m tests.wheels, with `build` and `twine` installed. Everything is written to `dist/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"

BUILDS = {"c": "0", "python": "1"}
"""What runs of each wheel, and the value of GEN_SMTP_PURE that it is built with."""

SAYS = {"c": "with its parts in C", "python": "in Python alone"}

SEND_ONE = """
import smtplib, sys
import gen_smtp
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok

taken = []

class Server(Behaviour):
    def handle_DATA(self, sender, recipients, data):
        taken.append((sender, recipients, data))
        return ok("taken")

with gen_smtp_server.running(Server, [{"address": "127.0.0.1", "port": 0}]) as server:
    with smtplib.SMTP(*gen_smtp_server.addresses(server)[0][:2]) as client:
        client.sendmail("a@x.test", ["b@y.test"], b"Subject: hello\\r\\n\\r\\nhello\\r\\n")
assert taken == [("a@x.test", ["b@y.test"], b"Subject: hello\\r\\n\\r\\nhello\\r\\n")], taken
assert gen_smtp.compiled == sys.argv[1], gen_smtp.compiled
"""


def run(*command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it says; ends the program if it fails."""
    ended = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{ended.stdout}{ended.stderr}")
    return ended.stdout.strip()


def build(kind: str, source: Path) -> Path:
    """Build the wheel of a kind, from what is in the sdist."""
    before = set(DIST.glob("*.whl"))
    pure = {"GEN_SMTP_PURE": BUILDS[kind]}
    run(sys.executable, "-m", "build", "--wheel", "--outdir", DIST, cwd=source, environment=pure)
    (made,) = set(DIST.glob("*.whl")) - before
    return made


def try_out(kind: str, wheel: Path, folder: Path) -> None:
    """Install a wheel in an empty environment, and have its server take a mail."""
    venv.create(folder / "venv", with_pip=True)
    commands = folder / "venv" / "bin"
    run(commands / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    said = run(commands / "gen-smtp", "--version", cwd=folder)
    if not said.endswith(SAYS[kind]):
        raise SystemExit(f"{wheel.name}: it says: {said}; should have been: {SAYS[kind]}")
    run(commands / "python", "-W", "error", "-c", SEND_ONE, kind, cwd=folder)
    print(f"{wheel.name}: {said}; one mail sent and taken", flush=True)


def main() -> None:
    """Build, check and try."""
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="gen-smtp-wheels-") as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST, cwd=ROOT)
        (sdist,) = DIST.glob("*.tar.gz")
        shutil.unpack_archive(sdist, folder)
        source = folder / sdist.name.removesuffix(".tar.gz")
        wheels = {kind: build(kind, source) for kind in BUILDS}
        run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir(), cwd=ROOT)
        for kind, wheel in wheels.items():
            (folder / kind).mkdir()
            try_out(kind, wheel, folder / kind)
    print(f"{sdist.name}: complete; twine has nothing to say of all three")


if __name__ == "__main__":
    main()
