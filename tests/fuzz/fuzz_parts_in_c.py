"""Fuzz target: the parts in C beside those in Python. `make sanitize` has them under sanitizers.

python -m tests.fuzz.fuzz_parts_in_c [libFuzzer's options, such as -max_total_time=600, or files to replay]
"""

import atheris

with atheris.instrument_imports(include=["tests"]):
    from tests.fuzz.harnesses.parts_in_c import check_newlines, check_socket

from actors.net.quick_socket import QuickSocket
from gen_smtp.protocol.text.quick_newlines import has_bare_newline
from tests.fuzz.corpus import FOLDER
from tests.fuzz.fuzzing import run_libfuzzer


def check(data: bytes) -> None:
    """The same octets as text and as calls."""
    check_newlines(data, has_bare_newline)
    check_socket(data, QuickSocket)


if __name__ == "__main__":
    run_libfuzzer("parts_in_c", check, FOLDER)
