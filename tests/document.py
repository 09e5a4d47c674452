"""Run the Python of a document: `python tests/document.py README.md`.

The blocks of one document run in order, in one namespace, as one script would. A block behind the comment
`<!-- not run: reason -->` is only compiled.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?P<mark><!-- not run: [^\n]+ -->\n+)?(?P<fence>`{3,})python\n(?P<code>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of Python.

    Attributes:
        code: its text, moved to the line where it stands in the document, so that tracebacks point there.
        runs: whether it is to be run.
    """

    code: str
    runs: bool


def blocks(text: str) -> list[Block]:
    """The blocks of a document's text, in order."""
    found = []
    for match in _BLOCK.finditer(text):
        lines_before = text.count("\n", 0, match.start("code"))
        found.append(Block("\n" * lines_before + match["code"], runs=match["mark"] is None))
    return found


def run(path: Path) -> None:
    """Run the blocks of a document; what one raises ends it."""
    namespace = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        code = compile(block.code, str(path), "exec", dont_inherit=True)
        if block.runs:
            exec(code, namespace)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
