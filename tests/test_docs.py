"""The Python in the documents runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.document import blocks

ROOT = Path(__file__).parents[1]
RUNNER = Path(__file__).with_name("document.py")
SECONDS = 50.0

DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.exists()]

SAMPLE = """
```python
one = 1
```

<!-- not run: it would end the world -->
```python
raise SystemExit("the world has ended")
```

```console
$ not python
```

```python
print(one + 1)
assert one == {expected}
```
"""


def run_document(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a document in a folder of its own."""
    return subprocess.run(
        [sys.executable, RUNNER, path],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_of_document_runs(document: Path, tmp_path: Path) -> None:
    done = run_document(document, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_has_python_to_run(document: Path) -> None:
    assert any(block.runs for block in blocks(document.read_text(encoding="utf-8")))


def test_blocks_run_in_order_in_one_namespace_but_not_those_marked(tmp_path: Path) -> None:
    document = tmp_path / "sample.md"
    document.write_text(SAMPLE.format(expected=1))
    done = run_document(document, tmp_path)
    assert (done.returncode, done.stdout) == (0, "2\n")


def test_failing_block_fails_its_document_and_names_its_line(tmp_path: Path) -> None:
    document = tmp_path / "sample.md"
    document.write_text(SAMPLE.format(expected=2))
    done = run_document(document, tmp_path)
    assert done.returncode == 1
    assert f'"{document}", line 17' in done.stderr


def test_block_that_is_not_run_must_still_be_python(tmp_path: Path) -> None:
    document = tmp_path / "sample.md"
    document.write_text("<!-- not run: whatever -->\n```python\nthis is no Python\n```\n")
    assert "SyntaxError" in run_document(document, tmp_path).stderr
