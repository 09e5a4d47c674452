"""What runs, the parts in C or Python alone, and who says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

import gen_smtp

ROOT = Path(__file__).parents[2]
IS_PURE = os.environ.get("GEN_SMTP_PURE", "") not in ("", "0")
LIGHT = "import sys, gen_smtp; assert 'actors' not in sys.modules and 'gevent' not in sys.modules"
SAY = "import gen_smtp; print(gen_smtp.compiled)"


def run(code: str, switch: str | None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "GEN_SMTP_PURE"}
    if switch is not None:
        environment["GEN_SMTP_PURE"] = switch
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


@pytest.mark.skipif(IS_PURE, reason="the switch says not to use them")
def test_where_a_compiler_is_the_parts_in_c_are_built(require_tool: Callable[[str], str]) -> None:
    """Else the tests do not test them: `pip install --editable .` builds them anew."""
    require_tool("gcc")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("Python's headers are not installed")
    assert gen_smtp.compiled == "c"


def test_a_switch_goes_without_them() -> None:
    assert run(SAY, "1") == "python"
    assert run(SAY, "0") == run(SAY, None) == run(SAY, "")


def test_without_the_built_modules_python_runs(tmp_path: Path) -> None:
    for package in ("actors", "gen_smtp", "beam"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.so", "__pycache__")
        )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {SAY}; print(gen_smtp.__file__)"
    assert run(code, None) == f"python\n{tmp_path}/gen_smtp/__init__.py"


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    run(LIGHT, None)


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'gen_smtp' has no attribute 'compile'"):
        gen_smtp.compile  # type: ignore[attr-defined]  # noqa: B018
