"""What pyproject.toml can't say: the two small files in C, which are built where a compiler is.

`GEN_SMTP_PURE=1` goes without them: here, and in a process that finds them built.
"""

import os

from setuptools import Extension, setup

ABI = "3.11"
"""They use nothing but the stable ABI of this Python, so one build is good for all later ones."""

MODULES = {
    "actors.net.quick_socket": "actors/net/quick_socket.c",
    "gen_smtp.protocol.text.quick_newlines": "gen_smtp/protocol/text/quick_newlines.c",
}


def extension(name: str, source: str) -> Extension:
    """A module in C. Where it can't be built, the installation says so and goes on: there is a fallback."""
    major, minor = map(int, ABI.split("."))
    return Extension(
        name,
        [source],
        define_macros=[("Py_LIMITED_API", f"0x{major:02X}{minor:02X}0000")],
        extra_compile_args=["-O3", "-std=c99", "-Wall", "-Wextra", "-Wno-unused-parameter"],
        py_limited_api=True,
        optional=True,
    )


if os.environ.get("GEN_SMTP_PURE", "") in ("", "0"):
    setup(
        ext_modules=[extension(name, source) for name, source in MODULES.items()],
        options={"bdist_wheel": {"py_limited_api": f"cp{ABI.replace('.', '')}"}},
    )
else:
    setup()
