"""A Python node in a process of its own: evaluates what comes in at standard input, a line of JSON at a time.

An expression is answered with its repr, statements with None's; an exception with its class and text.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def evaluate(text: str, bindings: dict[str, Any]) -> tuple[str, str]:
    """Kind and text of an answer."""
    try:
        try:
            code = compile(text, "<test>", "eval")
        except SyntaxError:
            exec(compile(text, "<test>", "exec"), bindings)
            return "value", "None"
        return "value", repr(eval(code, bindings))
    except BaseException as error:
        return type(error).__name__, str(error)


def main() -> None:
    bindings: dict[str, Any] = {}
    print(json.dumps(["0", "value", "'ready'"]), flush=True)
    for line in sys.stdin:
        number, text = json.loads(line)
        print(json.dumps([number, *evaluate(text, bindings)]), flush=True)


if __name__ == "__main__":
    main()
