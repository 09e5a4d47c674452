"""Fuzz target: whole sessions, with their server, callbacks and TLS, over connections in memory.

python -m tests.fuzz.fuzz_session [libFuzzer's options, such as -max_total_time=600, or files to replay]
"""

import logging
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gen_smtp", "actors"]):
    from tests.fuzz.harnesses.session_harness import harness, server_context

from tests.certificates import make_certificates
from tests.fuzz.fuzzing import fuzz


def main() -> None:
    """Make a certificate and fuzz."""
    for name in ("actors", "gen_smtp"):
        logging.getLogger(name).disabled = True
    with tempfile.TemporaryDirectory() as folder:
        context = server_context(make_certificates(Path(folder)).ecdsa)
    with harness(context) as made:
        fuzz("session", made.drive)


if __name__ == "__main__":
    main()
