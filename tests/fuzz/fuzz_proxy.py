"""Fuzz target: the header of the PROXY protocol.

python -m tests.fuzz.fuzz_proxy [libFuzzer's options, such as -max_total_time=600, or files to replay]
"""

import atheris

with atheris.instrument_imports(include=["gen_smtp"]):
    from tests.fuzz.rules.proxy_header import check_header

from tests.fuzz.corpus import PROXY_FOLDER
from tests.fuzz.fuzzing import run_libfuzzer

if __name__ == "__main__":
    run_libfuzzer("proxy", check_header, PROXY_FOLDER)
