"""The options of a control socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gen_smtp.options.addresses import file_group, file_mode, unix_path
from gen_smtp.options.checks import Check, OptionsError, check_fields, optional, read_record

ControlConfiguration: TypeAlias = (
    "ControlOptions | str | Mapping[str, Any] | Sequence[tuple[str, Any]] | None"
)
"""The path alone, the record, or a mapping or list of pairs of the same; None is no control socket."""


@dataclass(frozen=True, kw_only=True)
class ControlOptions:
    """Where a server is seen and steered from outside.

    Attributes:
        path: the path of a unix socket, or `@name` for a name in Linux's abstract namespace, to which every
            user of the machine may connect.
        mode: the permissions of its file, as of a listener. Who may connect may do all that a control socket
            can do, so the default is its owner alone.
        group: the group that the file belongs to, by name or number.

    Raises:
        OptionsError: for a value of the wrong type or out of range.
    """

    path: str
    mode: int | None = None
    group: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if self.path.startswith("@") and (self.mode is not None or self.group is not None):
            name = "mode" if self.mode is not None else "group"
            raise OptionsError(
                "an abstract name has no file", option=name, allowed="for the path of a file only"
            )


def parse_control(given: ControlConfiguration) -> ControlOptions | None:
    """The record of a control socket's options; None for none.

    Raises:
        OptionsError: what is wrong, with the option and what is allowed.
    """
    if given is None:
        return None
    try:
        return read_record(ControlOptions, {"path": given} if isinstance(given, str) else given)
    except OptionsError as error:
        raise error.within("control") from error.__cause__
    except TypeError as error:
        raise OptionsError("the path of the socket is needed", option="control.path") from error


_CHECKS: dict[str, Check] = {"path": unix_path, "mode": optional(file_mode), "group": optional(file_group)}
