"""Erlang modules read by tree-sitter's grammar, which needs neither OTP nor the files that they include."""

from __future__ import annotations

import ast
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
from gen_smtp.porting.otp_reader import CannotReadError


def read(path: Path) -> ErlangModule:
    """Read a module.

    Raises:
        CannotReadError: the grammar is not installed.
    """
    try:
        from tree_sitter_language_pack import get_parser
    except ImportError:
        raise CannotReadError(
            "tree-sitter's Erlang grammar is not installed: pip install 'gen-smtp[port]'"
        ) from None
    source = path.read_bytes()
    root = get_parser("erlang").parse(source).root_node
    forms = root.children
    declared = [each for each in forms if each.type == "fun_decl"]
    return ErlangModule(
        next(iter(_names(forms, "module_attribute")), "unnamed"),
        tuple(_names(forms, "behaviour_attribute")),
        tuple(_functions(declared)),
        {
            _name(each.child_by_field_name("name")): dict(map(_field, each.children_by_field_name("fields")))
            for each in forms
            if each.type == "record_decl"
        },
        "tree-sitter",
        tuple(f"line {each.start_point[0] + 1}: can't be read" for each in forms if each.has_error),
    )


def _names(forms: list[Any], kind: str) -> list[str]:
    return [_name(each.child_by_field_name("name")) for each in forms if each.type == kind]


def _functions(declared: list[Any]) -> list[Function]:
    """The grammar has a declaration for each clause, or one for all of them."""
    clauses: dict[tuple[str, int], list[Clause]] = {}
    for form in declared:
        for node in form.children_by_field_name("clause"):
            if node.type != "function_clause":
                continue
            patterns = _all(_named(node.child_by_field_name("args")))
            key = _name(node.child_by_field_name("name")), len(patterns)
            clauses.setdefault(key, []).append(_clause(node, patterns))
    return [Function(*key, tuple(those)) for key, those in clauses.items()]


def _clause(node: Any, patterns: tuple[Expression, ...]) -> Clause:
    guard = node.child_by_field_name("guard")
    body = node.child_by_field_name("body")
    return Clause(
        _text(node),
        patterns,
        None if guard is None else _guard(guard),
        _all(_named(body)),
        node.start_point[0] + 1,
    )


def _guard(node: Any) -> Expression:
    clauses = _named(node)
    tests = [] if len(clauses) != 1 else _named(clauses[0])
    return _expression(tests[0]) if len(tests) == 1 else Other("guard")


def _field(node: Any) -> tuple[str, Expression | None]:
    value = node.child_by_field_name("expr")
    inner = _named(value) if value is not None else []
    return _name(node.child_by_field_name("name")), _expression(inner[0]) if inner else None


def _set_field(node: Any) -> tuple[str, Expression]:
    name, value = _field(node)
    return name, Other("nothing") if value is None else value


def _record_name(node: Any) -> str:
    return _text(node.child_by_field_name("name")).lstrip("#").strip("'")


def _named(node: Any) -> list[Any]:
    """What is in a node, but comments; the body of a clause counts as part of it."""
    inner = [] if node is None else [each for each in node.named_children if each.type != "comment"]
    return [part for each in inner for part in (_named(each) if each.type == "clause_body" else (each,))]


def _all(nodes: list[Any]) -> tuple[Expression, ...]:
    return tuple(map(_expression, nodes))


def _text(node: Any) -> str:
    return str(node.text.decode("utf-8", "replace"))


def _name(node: Any) -> str:
    return "" if node is None else _text(node).strip("'")


def _string(node: Any) -> str:
    try:
        return str(ast.literal_eval(_text(node)))
    except (SyntaxError, ValueError):
        return _text(node)[1:-1]


def _expression(node: Any) -> Expression:
    line = node.start_point[0] + 1
    match node.type:
        case "atom":
            return Atom(_name(node))
        case "var":
            return Variable(_text(node))
        case "string":
            return Text(_string(node))
        case "concatables":
            return Text("".join(map(_string, _named(node))))
        case "integer" | "float":
            return _number(node, line)
        case "binary":
            return _binary(node, line)
        case "tuple":
            return Tuple(_all(_named(node)))
        case "list" if not any(each.type == "|" for each in node.children):
            return List(_all(_named(node)))
        case "paren_expr":
            return _expression(_named(node)[0])
        case "call":
            return _call(node, line)
        case "record_expr" | "record_update_expr":
            of = node.child_by_field_name("expr")
            fields = node.children_by_field_name("fields")
            return Record(
                _record_name(node), tuple(map(_set_field, fields)), None if of is None else _expression(of)
            )
        case "record_field_expr":
            of, field = node.child_by_field_name("expr"), node.child_by_field_name("field")
            return Field(_expression(of), _text(field).lstrip(".").strip("'"))
        case "binary_op_expr":
            left, right = _named(node)
            operator = next(_text(each) for each in node.children if not each.is_named)
            return Call(None, operator, (_expression(left), _expression(right)), line)
    return Other(_KINDS.get(node.type, node.type), _all(_named(node)), line)


_KINDS = {
    "receive_expr": "receive",
    "case_expr": "case",
    "if_expr": "if",
    "try_expr": "try",
    "match_expr": "match",
    "anonymous_fun": "fun",
    "cr_clause": "clause",
    "if_clause": "clause",
    "fun_clause": "clause",
    "macro_call_expr": "macro",
}
"""The names that OTP's parser has for them."""


def _number(node: Any, line: int) -> Expression:
    try:
        return Number(ast.literal_eval(_text(node)))
    except (SyntaxError, ValueError):
        return Other("number", (), line)


def _binary(node: Any, line: int) -> Expression:
    elements = _named(node)
    if not elements:
        return Text("")
    inner = [each for element in elements for each in _named(element)]
    if len(elements) == 1 and len(inner) == 1 and inner[0].type in ("string", "concatables"):
        return _expression(inner[0])
    return Other("bin", _all(inner), line)


def _call(node: Any, line: int) -> Expression:
    callee, arguments = node.child_by_field_name("expr"), _all(_named(node.child_by_field_name("args")))
    if callee.type == "atom":
        return Call(None, _name(callee), arguments, line)
    if callee.type == "remote":
        names = _text(callee).split(":")
        if len(names) == 2:
            return Call(names[0].strip("'"), names[1].strip("'"), arguments, line)
    return Other("call", (_expression(callee), *arguments), line)
