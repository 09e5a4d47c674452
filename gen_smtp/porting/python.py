"""Erlang's values, patterns and results, written in Python as far as that can be done word by word."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gen_smtp.porting.known import LOGGERS
from gen_smtp.porting.model import (
    Atom,
    Call,
    Clause,
    Expression,
    Field,
    List,
    Number,
    Other,
    Record,
    Text,
    Tuple,
    Variable,
)

_CONSTANTS = {"true": "True", "false": "False", "undefined": "None"}
_COMPARISONS = {"=<": "<=", "<": "<", ">": ">", ">=": ">=", "==": "==", "=:=": "==", "/=": "!=", "=/=": "!="}

_SHOWN = re.compile(r"~[spw]")
_SHOWN_WIDE = re.compile(r"~[0-9.]*[spw]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Names = Mapping[str, str]
"""Erlang's variables, and what they are called here."""


class NotWrittenError(Exception):
    """There is no Python for it, word by word."""


def value(expression: Expression, names: Names) -> str:
    """A value.

    Raises:
        NotWrittenError: it has something in it that is no value.
    """
    match expression:
        case Atom(name):
            return _CONSTANTS.get(name) or _quoted(name)
        case Text(text):
            return _quoted(text)
        case Number(number):
            return repr(number)
        case Variable(name) if name in names:
            return names[name]
        case Tuple(items):
            inner = ", ".join(value(each, names) for each in items)
            return f"({inner},)" if len(items) == 1 else f"({inner})"
        case List(items):
            return f"[{', '.join(value(each, names) for each in items)}]"
        case Call("proplists", "get_value", (Atom(name), given, *default)):
            rest = "".join(f", {value(each, names)}" for each in default)
            return f"dict({value(given, names)}).get({_quoted(name)}{rest})"
        case Field(Variable(of), name) if names.get(of) == "self":
            return f"self.{name}"
        case Call(None, "++", (left, right)):
            return f"{value(left, names)} + {value(right, names)}"
        case Call(None, "+" | "-" | "*" as operator, (left, right)):
            return f"{value(left, names)} {operator} {value(right, names)}"
    raise NotWrittenError


def changes(state: Expression, names: Names) -> list[str]:
    """What a new state changes: a statement for each field.

    Raises:
        NotWrittenError: it is neither the old state, nor a record of values.
    """
    match state:
        case Variable(name) if names.get(name) == "self":
            return []
        case Record(_, fields, None):
            return [f"self.{name} = {value(each, names)}" for name, each in fields]
        case Record(_, fields, Variable(of)) if names.get(of) == "self":
            return [f"self.{name} = {value(each, names)}" for name, each in fields]
    raise NotWrittenError


def words(expression: Expression, names: Names) -> str:
    """The text of a reply: a string, a binary, or an io list of these and of variables.

    Raises:
        NotWrittenError: it is none of them.
    """
    match expression:
        case Call(None, "++", (left, right)):
            expression = List((left, right))
        case Call("io_lib", "format", (Text(text), List(items))):
            expression = _formatted(text, items)
    if not isinstance(expression, List):
        return value(expression, names)
    if all(isinstance(each, Text) for each in expression.items):
        return _quoted("".join(each.value for each in expression.items if isinstance(each, Text)))
    text = "".join(_piece(each, names) for each in expression.items)
    if not text.isprintable() or "\\" in text or '"' in text:
        raise NotWrittenError
    return f'f"{text}"'


def _formatted(text: str, items: tuple[Expression, ...]) -> List:
    """The pieces of a text with `~s` and `~p` in it."""
    literal = _SHOWN.split(text)
    if len(literal) != len(items) + 1 or any("~" in each for each in literal):
        raise NotWrittenError
    pieces: list[Expression] = [Text(literal[0])]
    for item, following in zip(items, literal[1:], strict=True):
        pieces += [item, Text(following)]
    return List(tuple(pieces))


def _piece(expression: Expression, names: Names) -> str:
    match expression:
        case Text(text):
            return text.replace("{", "{{").replace("}", "}}")
        case Variable(name) if name in names:
            return f"{{{names[name]}}}"
    raise NotWrittenError


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else repr(text)


def conditions(clause: Clause, parameters: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """When a clause holds, and what its variables are.

    Raises:
        NotWrittenError: a pattern or the guard is more than a value or a comparison.
    """
    names: dict[str, str] = {}
    found: list[str] = []
    if len(clause.patterns) > len(parameters):  # behind the parameters is the state
        state = clause.patterns[-1]
        if not isinstance(state, Variable):
            raise NotWrittenError
        names[state.name] = "self"
    for pattern, parameter in zip(clause.patterns, parameters, strict=False):
        match pattern:
            case Variable("_"):
                continue
            case Variable(name) if name not in names:
                names[name] = parameter
            case _:
                found.append(f"{parameter} == {value(pattern, names)}")
    if clause.guard is not None:
        found.append(_comparison(clause.guard, names))
    return found, names


def _comparison(guard: Expression, names: Names) -> str:
    match guard:
        case Call(None, operator, (left, right)) if operator in _COMPARISONS:
            return f"{value(left, names)} {_COMPARISONS[operator]} {value(right, names)}"
    raise NotWrittenError


# -- results --------------------------------------------------------------------------------------------

NO_TEXT = ("handle_EHLO", "handle_HELO", "handle_info", "handle_error", "handle_STARTTLS", "handle_RSET")
"""Callbacks whose `ok` takes no text."""


def body(callback: str, expressions: tuple[Expression, ...], names: Names) -> list[str]:
    """What a callback does: variables that are bound, lines of the log, a choice by a comparison, a result.

    Raises:
        NotWrittenError: it does something else.
    """
    *before, last = expressions
    known, lines = dict(names), []
    for each in before:
        match each:
            case Other("match", (Variable(name), Record() as state)):
                lines += changes(state, known)
                known[name] = "self"
            case Other("match", (Variable(name), bound)) if name not in known:
                local = _HUMP.sub("_", name).lower()
                lines.append(f"{local} = {words(bound, known)}")
                known[name] = local
            case Other("case", (Call("logger", "allow"), Other("clause", (Atom("true"), logs)), *_)):
                lines.append(_log_of_macro(logs, known))
            case Call(module, function, (Text(text), *values)) if module in LOGGERS:
                lines.append(_log(LOGGERS[module], function, text, values, known))
            case _:
                raise NotWrittenError
    return [*lines, *_end(callback, last, known)]


def _end(callback: str, last: Expression, names: Names) -> list[str]:
    match last:
        case Other("case", (subject, Other("clause", one), Other("clause", other))):
            if {one[0], other[0]} != {Atom("true"), Atom("false")}:
                raise NotWrittenError
            if_true, if_false = (one, other) if one[0] == Atom("true") else (other, one)
            inner = [f"    {line}" for line in body(callback, if_true[1:], names)]
            return [f"if {_comparison(subject, names)}:", *inner, *body(callback, if_false[1:], names)]
    return statements(callback, last, names)


def _log_of_macro(logs: Expression, names: Names) -> str:
    """A line of the log by one of OTP's macros, as `?LOG_INFO`, of which the parser has made a call."""
    match logs:
        case Call(_, "apply", (_, _, List((_, Atom(level), Text(text), *values)))):
            return _log("", level, text, [each for each in values if isinstance(each, List)], names)
    raise NotWrittenError


def _log(kind: str, function: str, text: str, values: list[Expression], names: Names) -> str:
    """A line of the log; `~s`, `~p` and `~w` are all `%s` here."""
    level = kind or {"warning": "warning", "error": "error", "debug": "debug"}.get(function, "info")
    given = values[0].items if len(values) == 1 and isinstance(values[0], List) else ()
    template = _SHOWN_WIDE.sub("%s", text.replace("%", "%%").removesuffix("~n"))
    if "~" in template or template.count("%s") != len(given):
        raise NotWrittenError
    arguments = "".join(f", {value(each, names)}" for each in given)
    return f"_logger.{level}({_quoted(template)}{arguments})"


def statements(callback: str, expression: Expression, names: Names) -> list[str]:
    """What a callback does to return what it returns in Erlang, the state of which is the object here.

    Args:
        callback: its name.
        expression: what it returns in Erlang.
        names: the variables of the clause; that of the state is called self.

    Raises:
        NotWrittenError: it is not one of gen_smtp's results, word by word.
    """
    match expression:
        case Atom("error") if callback in ("handle_AUTH", "handle_MAIL_extension", "handle_RCPT_extension"):
            return ["return error"]
        case Atom("ignore") if callback == "init":
            return ["return ignore"]
        case Tuple((Atom("stop"), reason, text)) if callback == "init":
            return [f"return stop({value(reason, names)}, {words(text, names)})"]
        case Tuple((Atom("stop"), reason, text, _)):
            return [f"return stop({value(reason, names)}, {words(text, names)})"]
        case Tuple((Atom("stop"), reason, state)):
            return [*changes(state, names), f"return stop({value(reason, names)})"]
        case Tuple((Atom("ok"), _, state)) if callback == "terminate":
            return [*changes(state, names), "return None"]
        case Atom("ok") if callback == "terminate":
            return ["return None"]
        case Tuple((Atom("ok"), banner, state)) if callback == "init":
            return [*_start(state, names), f"return ok({words(banner, names)})"]
        case Tuple((Atom(word), *rest, state)):
            return [*changes(state, names), f"return {_tagged(callback, word, rest, names)}"]
        case Tuple((text, state)) if callback == "handle_other":
            return [*changes(state, names), f"return reply({words(text, names)})"]
        case _ if callback in ("handle_RSET", "handle_STARTTLS"):
            return [*changes(expression, names), "return None"]
    raise NotWrittenError


def _start(state: Expression, names: Names) -> list[str]:
    """A first state that says nothing needs nothing here."""
    return [] if isinstance(state, Atom | List | Tuple | Variable) else changes(state, names)


def _tagged(callback: str, word: str, rest: list[Expression], names: Names) -> str:
    match word, rest:
        case "ok", []:
            return "ok"
        case "ok", [size_or_extensions] if callback in ("handle_HELO", "handle_EHLO"):
            return f"ok({value(size_or_extensions, names)})"
        case "ok", [text] if callback not in NO_TEXT:
            return f"ok({words(text, names)})"
        case "error", [text]:
            return f"error({words(text, names)})"
        case "noreply", []:
            return "noreply"
    raise NotWrittenError
