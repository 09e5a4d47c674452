"""Fuzz target: the protocol core.

python -m tests.fuzz.fuzz_core [libFuzzer's options, such as -max_total_time=600, or files to replay]
"""

import atheris

with atheris.instrument_imports(include=["gen_smtp"]):
    from tests.fuzz.harnesses.harness import drive

from tests.fuzz.fuzzing import fuzz

if __name__ == "__main__":
    fuzz("core", drive)
