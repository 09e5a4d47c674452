"""From `module:Class` on a command line to the class."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from actors.errors import StartError
from gen_smtp.server.starting import loading


class LoadError(Exception):
    """What was named could not be loaded; the text says why, in one line."""


def load_callback(name: str) -> Callable[[], Any]:
    """The class, or whatever else makes a callback object, that `module:Class` names.

    Modules in the current folder are found, as `python -m` finds them.

    Raises:
        LoadError: there is no such module, its import fails, or nothing callable in it has that name.
    """
    return load_named(name, "module:Class, such as mypackage.mymodule:MyServer", "no class")


def load_named(name: str, form: str, otherwise: str) -> Callable[..., Any]:
    """As `load_callback`, for anything that can be called.

    Args:
        name: the module and what it holds, with a colon between.
        form: what a name looks like, for an error.
        otherwise: what something is that can't be called.

    Raises:
        LoadError: as `load_callback`.
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise LoadError(f"{name!r} is not of the form {form}")
    found: Any = _import(module_name)
    for attribute in path.split("."):
        found = _attribute(found, attribute, name)
    if not callable(found):
        raise LoadError(f"{name!r} is {otherwise} but {type(found).__name__}")
    maker: Callable[..., Any] = found
    return maker


def _import(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        with loading(name):
            return importlib.import_module(name)
    except StartError as error:
        raise LoadError(str(error)) from error
    except (Exception, SystemExit) as error:
        # A module that is missing is one thing, a module that needs a missing one is another.
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise LoadError(
                f"there is no module {error.name!r}; looked in the current folder, too"
            ) from error
        raise LoadError(f"importing {name!r} failed: {_in_one_line(error)}") from error


def _attribute(holder: Any, attribute: str, name: str) -> Any:
    try:
        return getattr(holder, attribute)
    except AttributeError:
        close = difflib.get_close_matches(attribute, [known for known in dir(holder) if known[0] != "_"], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise LoadError(f"there is no {attribute!r} in {name.partition(':')[0]!r}{hint}") from None


def _in_one_line(error: BaseException) -> str:
    """Type and text of an exception, and where in the user's code it came from."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    return f"{text} ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else text
