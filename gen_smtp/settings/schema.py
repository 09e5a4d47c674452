"""A JSON Schema of the configuration file, for editors; made from the types of the options."""

from __future__ import annotations

import dataclasses
import inspect
import re
import ssl
import types
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceType
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gen_smtp.options.addresses import IPNetwork, TrustedPeers
from gen_smtp.options.checks import option_names
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.node import NodeOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.transcript import TranscriptOptions
from gen_smtp.settings.table import LISTENER, NODE, OF_PROCESS, SERVER, Setting

Schema = dict[str, Any]

_ATTRIBUTES = re.compile(r"^Attributes:\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^    (\w++(?:, \w++)*): (.*?)(?=^    \w|\Z)", re.MULTILINE | re.DOTALL)

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_TEXT_OR_TEXTS: Schema = {"anyOf": [_TEXT, _TEXTS]}
_TEXT_OR_NUMBER: Schema = {"type": ["string", "integer"]}

# What a file may say where the record has another type: it is checked and made into that.
_IN_FILES: Mapping[str, Schema] = {
    "mode": _TEXT_OR_NUMBER,
    "group": _TEXT_OR_NUMBER,
    "callbackoptions": {"type": "object"},
    "name": _TEXT,
    "logger": _TEXT,
    "password": _TEXT,
}


def json_schema() -> Schema:
    """The schema, in the dialect of 2020-12."""
    properties: Schema = {
        LISTENER: {"type": "array", "minItems": 1, "items": _record(ListenerOptions)},
        SERVER: _record(ServerOptions),
        NODE: _record(NodeOptions),
    }
    for setting in OF_PROCESS:
        *tables, name = setting.place.split(".")
        holder = properties
        for table in tables:
            holder = holder.setdefault(table, _object({}))["properties"]
        holder[name] = _setting(setting)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gen-smtp serve --config",
        **_object(properties),
    }


def _object(properties: Schema, required: SequenceType[str] = ()) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **needed}


def _setting(setting: Setting) -> Schema:
    schema = dict(_SIMPLE.get(setting.type, _TEXTS), description=setting.help)
    if setting.choices is not None:
        schema["enum"] = list(setting.choices)
    if setting.default is not None:
        schema["default"] = setting.default
    return schema


def _record(record: type, within: tuple[type, ...] = ()) -> Schema:
    hints, texts = get_type_hints(record), attribute_texts(record)
    properties: Schema = {}
    required = []
    for field in dataclasses.fields(record):
        schema = _IN_FILES.get(field.name) or _of_type(hints[field.name], within)
        if field.name not in option_names(record) or schema is None:
            continue
        properties[field.name] = dict(schema)
        if field.name in texts:
            properties[field.name]["description"] = texts[field.name]
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    return _object(properties, required)


_SIMPLE: Mapping[Any, Schema] = {
    str: _TEXT,
    Path: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Any: {},
    TrustedPeers: _TEXT_OR_TEXTS,
    tuple[IPNetwork, ...]: _TEXT_OR_TEXTS,
    ssl.TLSVersion: {"enum": ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]},
}


def _of_type(hint: Any, within: tuple[type, ...] = ()) -> Schema | None:
    """The schema of a type; None for one that no file can hold, as a function."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if hint is TranscriptOptions:  # a path alone will do
        return {"anyOf": [_TEXT, _record(TranscriptOptions, within)]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        # A name of `sni_hosts` has the options of its listener's TLS once more: no deeper than that.
        return {"type": "object"} if hint in within else _record(hint, (*within, hint))
    make = _OF_ORIGIN.get(get_origin(hint))
    return None if make is None else make(get_args(hint), within)


def _choice(options: tuple[Any, ...], within: tuple[type, ...]) -> Schema | None:
    schemas = [schema for each in options if (schema := _of_type(each, within)) is not None]
    if {"type": "number"} in schemas and {"type": "integer"} in schemas:
        schemas.remove({"type": "integer"})
    if len(schemas) < 2:
        return schemas[0] if schemas else None
    return {"anyOf": schemas}


def _list(items: tuple[Any, ...], within: tuple[type, ...]) -> Schema | None:
    schema = _of_type(items[0], within)
    return None if schema is None else {"type": "array", "items": schema}


def _mapping(items: tuple[Any, ...], within: tuple[type, ...]) -> Schema | None:
    schema = _of_type(items[1], within)
    return None if schema is None else {"type": "object", "additionalProperties": schema}


_OF_ORIGIN: Mapping[Any, Callable[[tuple[Any, ...], tuple[type, ...]], Schema | None]] = {
    Union: _choice,
    types.UnionType: _choice,
    Literal: lambda values, _: {"enum": list(values)},
    tuple: _list,
    list: _list,
    SequenceType: _list,
    dict: _mapping,
    Mapping: _mapping,
}


def attribute_texts(record: type) -> dict[str, str]:
    """What the docstring of a record says of each attribute."""
    section = _ATTRIBUTES.search(inspect.getdoc(record) or "")
    found = [] if section is None else _ATTRIBUTE.findall(section[1])
    return {name: " ".join(said.split()) for names, said in found for name in names.split(", ")}
