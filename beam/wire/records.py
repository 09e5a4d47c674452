"""Records: tuples of Erlang that are a class in Python."""

from __future__ import annotations

import dataclasses
from typing import Any

from beam.wire.terms import TermError

CLASSES: dict[tuple[str, int], type[Any]] = {}
"""The classes, by the record's name and the size of its tuple."""

NAMES: dict[type[Any], tuple[str, tuple[str, ...]]] = {}
"""The name and fields of each class."""


def record(name: str, record_class: type[Any]) -> None:
    """Have a record of Erlang's, `-record(name, {...})`, be a dataclass here, in both directions.

    A tuple of another size, and one that the class refuses, stays a tuple.

    Args:
        name: the record's name.
        record_class: a dataclass with the record's fields, in its order.

    Raises:
        TypeError: the class is no dataclass.
        TermError: the name is no atom.
    """
    if not (isinstance(record_class, type) and dataclasses.is_dataclass(record_class)):
        raise TypeError(
            f"a record becomes a dataclass, and {record_class!r} is none: decorate it by @dataclass"
        )
    if not 0 < len(name) <= 255:
        raise TermError(f"a record's name has 1 to 255 characters, not {len(name)}")
    fields = tuple(field.name for field in dataclasses.fields(record_class) if field.init)
    CLASSES[name, 1 + len(fields)] = record_class
    NAMES[record_class] = (name, fields)
