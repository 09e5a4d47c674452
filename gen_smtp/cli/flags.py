"""The flags of `gen-smtp serve` and `gen-smtp config`: a parameter for each row of the table of settings."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gen_smtp.settings.layers import Given
from gen_smtp.settings.table import MODULE, SETTINGS, Setting

CONFIG_VARIABLE = "GEN_SMTP_CONFIG"

ConfigFlag = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        show_envvar=False,
        help="TOML file with a [[listener]] table for each listener, and any other setting.",
    ),
]

_SHOWN_TYPES: Mapping[type, Any] = {list: list[str] | None}


def with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Have typer call a function with all settings.

    Args:
        function: has a parameter `context`, flags of its own, and `**values`: the settings by their names;
            None is one that was not given.
    """
    own = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(function, eval_str=True).parameters.values()
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    context, *others = own
    parameters = [context, *map(_parameter, SETTINGS), *others]

    def command(**values: Any) -> None:
        function(**values)

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def given_settings(context: typer.Context, values: Mapping[str, Any]) -> dict[str, Given]:
    """What flags and variables say, by the names of the settings.

    Args:
        context: knows which of the two it was.
        values: all settings by their names.
    """
    given: dict[str, Given] = {}
    for setting in SETTINGS:
        value = values[setting.name]
        # A list that was not given may be an empty one.
        if value is None or value == []:
            continue
        source = context.get_parameter_source(setting.name)
        is_variable = source is not None and source.name == "ENVIRONMENT"
        given[setting.name] = Given(value, setting.variable if is_variable else setting.flag)
    return given


def _number_parser(setting: Setting) -> Callable[[str], Any]:
    """What reads a number, and names the variable if the text is from there."""

    def parse(text: str) -> Any:
        try:
            return setting.type(text)
        except ValueError:
            name = setting.variable if os.environ.get(setting.variable) == text else setting.flag
            # Where a service is called gen-smtp, Kubernetes sets GEN_SMTP_PORT to the URL of it.
            hint = "; Kubernetes sets this: enableServiceLinks: false" if "://" in text else ""
            raise typer.BadParameter(f"{name}: {text!r} is no {_NUMBERS[setting.type]}{hint}") from None

    return parse


_NUMBERS: Mapping[type, str] = {int: "whole number", float: "number"}


def _parameter(setting: Setting) -> inspect.Parameter:
    shown = setting.help
    if setting.default is not None and setting.flag != MODULE:
        shown = f"{shown} [default: {setting.default}]"
    facts: dict[str, Any] = {"envvar": setting.variable, "show_envvar": False, "help": shown}
    if setting.metavar is not None:
        facts["metavar"] = setting.metavar
    if setting.type in _NUMBERS:
        facts["parser"] = _number_parser(setting)
    info = (
        typer.Argument(show_default=False, **facts)
        if setting.flag == MODULE
        else typer.Option(setting.flag, **facts)
    )
    value_type = _SHOWN_TYPES.get(setting.type, setting.type | None)
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[value_type, info],
    )
