"""What an Erlang module says, as far as it is looked at, whichever parser has read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Atom:
    """An atom."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, `_` as well."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string or a binary of text."""

    value: str


@dataclass(frozen=True, slots=True)
class Number:
    """An integer or a float."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Tuple:
    """A tuple."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class List:
    """A list without a tail."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A record, or with `of` a copy of one in which fields differ."""

    name: str
    fields: tuple[tuple[str, Expression], ...]
    of: Expression | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record in a variable."""

    of: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call, or an operator such as `!`, which has two arguments."""

    module: str | None
    function: str
    arguments: tuple[Expression, ...]
    line: int

    def __str__(self) -> str:
        name = self.function if self.module is None else f"{self.module}:{self.function}"
        return f"{name}/{len(self.arguments)}"


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, with what is in it."""

    kind: str
    parts: tuple[Expression, ...] = ()
    line: int = 0


Expression: TypeAlias = Atom | Variable | Text | Number | Tuple | List | Record | Field | Call | Other


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of a function.

    Attributes:
        source: its text, with the comments in it.
        patterns: of its arguments.
        guard: None without one.
        body: its expressions.
        line: where it begins.
    """

    source: str
    patterns: tuple[Expression, ...]
    guard: Expression | None
    body: tuple[Expression, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function and its clauses."""

    name: str
    arity: int
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class ErlangModule:
    """A module.

    Attributes:
        name: as `-module` says.
        behaviours: as `-behaviour` says.
        functions: in their order.
        records: the fields of each, with the defaults that it has.
        reader: who has read it, and why, for the user.
        faults: what could not be read, each with its line.
    """

    name: str
    behaviours: tuple[str, ...]
    functions: tuple[Function, ...]
    records: dict[str, dict[str, Expression | None]] = field(default_factory=dict)
    reader: str = ""
    faults: tuple[str, ...] = ()


def all_in(expressions: tuple[Expression, ...]) -> Iterator[Expression]:
    """Expressions and all that is in them, outermost first."""
    for each in expressions:
        yield each
        match each:
            case Call():
                yield from all_in(each.arguments)
            case Tuple() | List():
                yield from all_in(each.items)
            case Record():
                yield from all_in(tuple(value for _, value in each.fields))
            case Other():
                yield from all_in(each.parts)


def calls_in(expressions: tuple[Expression, ...]) -> Iterator[Call]:
    """All calls in expressions, outermost first."""
    return (each for each in all_in(expressions) if isinstance(each, Call))
