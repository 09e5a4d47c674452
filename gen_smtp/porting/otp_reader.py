"""Erlang modules read by OTP's own preprocessor and parser, where `erl` is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gen_smtp.porting.model import (
    Atom,
    Call,
    Clause,
    ErlangModule,
    Expression,
    Field,
    Function,
    List,
    Number,
    Other,
    Record,
    Text,
    Tuple,
    Variable,
)

SCRIPT = Path(__file__).with_name("forms.escript")
SECONDS = 60.0


class CannotReadError(Exception):
    """This reader can't read a module; says why."""


class _Name(str):
    """An atom, as the script writes it."""

    __slots__ = ()


def read(path: Path, include: Sequence[Path] = ()) -> ErlangModule:
    """Read a module.

    Args:
        path: of the file.
        include: folders of its include files.

    Raises:
        CannotReadError: there is no OTP here, or it can't read the file.
    """
    command = shutil.which("escript")
    if command is None:
        raise CannotReadError("erl is not installed")
    ended = subprocess.run(
        [command, SCRIPT, path, *include], capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    if ended.returncode:
        raise CannotReadError(" ".join(ended.stderr.decode("utf-8", "replace").split()))
    release, forms = json.loads(ended.stdout, object_hook=_term)
    faults = [each for each in forms if each[0] == "error"]
    if faults:
        (line, _), why = faults[0][1:]
        raise CannotReadError(f"line {line}: {why}")
    source = path.read_text(encoding="utf-8", errors="replace")
    return _module(_own_forms(forms), source, f"OTP {release}'s epp")


def _term(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return {"a": _Name, "t": tuple, "s": str}[kind](content)


def _own_forms(forms: list[Any]) -> list[Any]:
    """Those of the file itself, and the records of its include files."""
    main = current = forms[0][3][0]
    own = []
    for form in forms:
        if form[0] == "attribute" and form[2] == "file":
            current = form[3][0]
        elif current == main or (form[:1] == ("attribute",) and form[2] == "record"):
            own.append(form)
    return own


def _module(forms: list[Any], source: str, reader: str) -> ErlangModule:
    attributes = [(form[2], form[3]) for form in forms if form[0] == "attribute"]
    functions = [form for form in forms if form[0] == "function"]
    starts = sorted(clause[1] for form in functions for clause in form[4])
    text = _Source(source, [*starts, *(form[1] for form in forms if form[0] != "function")])
    return ErlangModule(
        next((str(value) for name, value in attributes if name == "module"), "unnamed"),
        tuple(str(value) for name, value in attributes if name in ("behaviour", "behavior")),
        tuple(_function(form, text) for form in functions),
        {str(value[0]): dict(map(_field, value[1])) for name, value in attributes if name == "record"},
        reader,
    )


class _Source:
    """The text of a file, cut where clauses and other forms begin."""

    def __init__(self, text: str, starts: list[tuple[int, int]]) -> None:
        self._lines = text.splitlines(keepends=True)
        self._starts = sorted({tuple(each) for each in starts})

    def clause(self, start: tuple[int, int]) -> str:
        """From a place to the next one, without what is between them."""
        later = [each for each in self._starts if each > tuple(start)]
        end = later[0] if later else (len(self._lines) + 1, 1)
        lines = self._lines[start[0] - 1 : end[0] - 1]
        lines[0] = lines[0][start[1] - 1 :]
        while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("%")):
            lines.pop()
        text = "".join(lines).rstrip()
        return text if "%" in lines[-1] else text.rstrip(";.")


def _function(form: Any, text: _Source) -> Function:
    _, _, name, arity, clauses = form
    return Function(str(name), arity, tuple(_clause(each, text) for each in clauses))


def _clause(form: Any, text: _Source) -> Clause:
    _, start, patterns, guards, body = form
    single = guards[0][0] if len(guards) == 1 and len(guards[0]) == 1 else None
    guard = None if not guards else _expression(single) if single is not None else Other("guard")
    return Clause(text.clause(start), _all(patterns), guard, _all(body), start[0])


def _field(form: Any) -> tuple[str, Expression | None]:
    if form[0] == "typed_record_field":
        form = form[1]
    return str(form[2][2]), _expression(form[3]) if len(form) > 3 else None


def _set_field(form: Any) -> tuple[str, Expression]:
    _, _, name, value = form
    return str(name[2]), _expression(value)


def _all(forms: Any) -> tuple[Expression, ...]:
    return tuple(map(_expression, forms))


def _expression(form: Any) -> Expression:
    match form:
        case ("atom", _, name):
            return Atom(str(name))
        case ("var", _, name):
            return Variable(str(name))
        case ("string", _, value):
            return Text("" if value == [] else value)
        case ("integer" | "float" | "char", _, value):
            return Number(value)
        case ("bin", _, elements):
            return _binary(form, elements)
        case ("tuple", _, items):
            return Tuple(_all(items))
        case ("nil", _):
            return List(())
        case ("cons", _, head, tail):
            rest = _expression(tail)
            if isinstance(rest, List):
                return List((_expression(head), *rest.items))
            return Other("cons", (_expression(head), rest), _line(form))
        case ("call", (line, _), ("remote", _, ("atom", _, module), ("atom", _, function)), arguments):
            return Call(str(module), str(function), _all(arguments), line)
        case ("call", (line, _), ("atom", _, function), arguments):
            return Call(None, str(function), _all(arguments), line)
        case ("op", (line, _), operator, left, right):
            return Call(None, str(operator), (_expression(left), _expression(right)), line)
        case ("record", _, name, [*fields]):
            return Record(str(name), tuple(_set_field(each) for each in fields))
        case ("record", _, of, name, [*fields]):
            return Record(str(name), tuple(_set_field(each) for each in fields), _expression(of))
        case ("record_field", _, of, _, ("atom", _, name)):
            return Field(_expression(of), str(name))
        case (str(kind), (int(line), int()), *parts):
            return Other(kind, tuple(_parts(parts)), line)
    return Other("unknown")


def _binary(form: Any, elements: Any) -> Expression:
    match elements:
        case []:
            return Text("")
        case [("bin_element", _, ("string", _, value), _Name("default"), _)]:
            return Text("" if value == [] else value)
    return Other("bin", tuple(_parts(elements)), _line(form))


def _parts(parts: Any) -> list[Expression]:
    """The expressions somewhere in what is left of a form."""
    found: list[Expression] = []
    for part in parts:
        if isinstance(part, list):
            found += _parts(part)
        elif isinstance(part, tuple) and len(part) > 1 and isinstance(part[0], _Name):
            found.append(_expression(part))
    return found


def _line(form: Any) -> int:
    return int(form[1][0])
