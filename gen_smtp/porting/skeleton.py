"""The Python class that stands for an Erlang module, and a list of what it could not bring over."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from gen_smtp.porting import python
from gen_smtp.porting.known import CALLBACKS, EXPRESSIONS, SAFE_RESULTS, VALUES_ALONE, here_for
from gen_smtp.porting.model import (
    Atom,
    Clause,
    ErlangModule,
    Expression,
    Function,
    List,
    Other,
    all_in,
    calls_in,
)

_RETURNED = re.compile(r"\breturn (\w+)")
_NO_LETTER = re.compile(r"[\W_]")
_RESULTS = ("error", "ignore", "multiple", "noreply", "ok", "reply", "stop")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What was made of a module.

    Attributes:
        text: the Python.
        left: what is to be brought over by hand, a line each.
    """

    text: str
    left: tuple[str, ...]


def skeleton_of(module: ErlangModule) -> Skeleton:
    """Write the class, with the clauses of each callback as comments."""
    callbacks = [each for each in module.functions if _is_callback(each)]
    written = [_method(each) for each in callbacks]
    bodies = "\n\n".join(text for text, _ in written)
    left = tuple(dict.fromkeys([*module.faults, *_left(module, callbacks, written)]))
    returned = set(_RETURNED.findall(bodies))
    used = [name for name in _RESULTS if name in returned]
    text = "\n".join(
        [
            f'"""Callbacks, made of {module.name}.erl by `gen-smtp port`."""',
            "",
            "from __future__ import annotations",
            "",
            *(("import logging", "") if "_logger." in bodies else ()),
            f"from gen_smtp.gen_smtp_server_session import {', '.join(['Behaviour', *used])}",
            *(("", "_logger = logging.getLogger(__name__)") if "_logger." in bodies else ()),
            "",
            "",
            f"class {_class_name(module.name)}(Behaviour):",
            *_documentation(module),
            *_attributes(module),
            "",
            bodies or "    pass",
            *_comment_list(left),
            "",
        ]
    )
    return Skeleton(text, left)


def _is_callback(function: Function) -> bool:
    known = CALLBACKS.get(function.name)
    return known is not None and known[0] == function.arity


def _class_name(name: str) -> str:
    camel = "".join(part.capitalize() for part in _NO_LETTER.split(name) if part)
    return camel if camel.isidentifier() and not keyword.iskeyword(camel) else f"Ported{camel}"


# -- the head -------------------------------------------------------------------------------------------


def _documentation(module: ErlangModule) -> Iterator[str]:
    options = dict(_options_read(module))
    if not options:
        yield f'    """The callbacks of {module.name}."""'
        return
    yield f'    """The callbacks of {module.name}.'
    yield ""
    yield "    Its callback options, which `init` gets as `options`:"
    yield ""
    for name, default in options.items():
        yield f"        {name}: {f'{default} if it is not given' if default is not None else 'see below'}"
    yield '    """'


def _options_read(module: ErlangModule) -> Iterator[tuple[str, str | None]]:
    """The options that a module asks its proplists for, with their defaults."""
    for function in module.functions:
        for clause in function.clauses:
            for call in calls_in(clause.body):
                if call.module == "proplists" and call.arguments and isinstance(call.arguments[0], Atom):
                    default = call.arguments[2] if len(call.arguments) > 2 else None
                    yield call.arguments[0].name, _value(default)


def _attributes(module: ErlangModule) -> Iterator[str]:
    """The fields of the record of the state."""
    fields = module.records.get("state", {})
    if fields:
        yield ""
        yield "    # -record(state, ...): the object is the state here."
    for name, default in fields.items():
        safe = f"{name}_" if keyword.iskeyword(name) else name
        yield f"    {safe} = {_shared(default)}"


def _shared(default: Expression | None) -> str:
    """A default that all sessions have: a list must not be one that they change."""
    return "()" if default == List(()) else _value(default) or "None"


def _value(expression: Expression | None) -> str | None:
    if expression is None:
        return None
    try:
        return python.value(expression, {})
    except python.NotWrittenError:
        return None


# -- the callbacks --------------------------------------------------------------------------------------


def _method(function: Function) -> tuple[str, bool]:
    """A callback, and whether all of it is there."""
    _, parameters = CALLBACKS[function.name]
    lines = [f"    def {function.name}({', '.join(['self', *parameters])}):"]
    whole = True
    for clause in function.clauses:
        lines += _as_comment(clause.source)
        if whole:  # what follows a clause that is missing would hold too often
            try:
                lines += _translated(function, clause, parameters)
            except python.NotWrittenError:
                whole = False
    if not whole:
        lines.append(f"        return {SAFE_RESULTS.get(function.name, 'None')}")
    elif not lines[-1].startswith("        return"):
        lines.append(f"        return super().{function.name}({', '.join(parameters)})")
    return "\n".join(lines), whole


def _translated(function: Function, clause: Clause, parameters: tuple[str, ...]) -> list[str]:
    conditions, names = python.conditions(clause, parameters)
    lines = python.body(function.name, clause.body, names)
    if not conditions:
        return [f"        {line}" for line in lines]
    return [f"        if {' and '.join(conditions)}:", *(f"            {line}" for line in lines)]


def _as_comment(source: str) -> list[str]:
    return [f"        # {line}".rstrip() for line in textwrap.dedent(source).splitlines()]


# -- what is left ---------------------------------------------------------------------------------------


def _left(module: ErlangModule, callbacks: list[Function], written: list[tuple[str, bool]]) -> Iterator[str]:
    done = {function.name for function, (_, whole) in zip(callbacks, written, strict=True) if whole}
    for function in module.functions:
        line = function.clauses[0].line
        if function not in callbacks:
            yield f"{function.name}/{function.arity}, line {line}: a function of the module's own"
        elif function.name in done:
            continue
        else:
            yield f"{function.name}, line {line}: its clauses are to be written in Python"
        for clause in function.clauses:
            yield from _foreign(module, function, clause)


def _foreign(module: ErlangModule, function: Function, clause: Clause) -> Iterator[str]:
    own = {(each.name, each.arity) for each in module.functions}
    for call in calls_in(clause.body):
        is_own = call.module in (None, module.name) and (call.function, len(call.arguments)) in own
        if is_own or (call.module is None and call.function in VALUES_ALONE):
            continue
        here = here_for(call.module, call.function)
        yield f"{call} in {function.name}, line {call.line}: {here or 'nothing here stands for it'}"
    for other in all_in(clause.body):
        if isinstance(other, Other) and other.kind in EXPRESSIONS:
            yield f"{other.kind} in {function.name}, line {other.line}: {EXPRESSIONS[other.kind]}"


def _comment_list(left: tuple[str, ...]) -> Iterator[str]:
    if left:
        yield ""
        yield ""
        yield "# What is left to bring over by hand, by the lines of the Erlang module:"
        yield "#"
        yield from (f"# * {each}" for each in left)
