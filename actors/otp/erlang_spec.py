"""Child specifications in all their forms: OTP's tuples and maps beside `ChildSpec`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from actors.otp.child_spec import ChildSpec

AnySpec: TypeAlias = ChildSpec | Mapping[str, Any] | tuple[Any, ...]
"""A `ChildSpec`, a mapping of its arguments, or OTP's tuple of them."""

_FIELDS = ("id", "start", "restart", "shutdown", "type", "modules")
_MOST_SECONDS, _LEAST_MILLISECONDS = 100, 1000
"""Whole numbers in a mapping: below the first they are seconds, from the second on OTP's milliseconds."""


def as_child_spec(given: AnySpec) -> ChildSpec:
    """The specification meant.

    OTP's tuple `(id, start, restart, shutdown, type, modules)` has its shutdown in milliseconds, and so has a
    mapping with `modules`. Without that, a whole number from 1000 on is OTP's milliseconds, and one below 100
    is seconds, as every fraction is. What lies between might be either, and is refused. `modules` is for
    OTP's release handler and has no meaning here.

    Raises:
        ValueError: it is none, or one of its fields is wrong; says which.
    """
    if isinstance(given, ChildSpec):
        return given
    if isinstance(given, tuple):
        if len(given) != len(_FIELDS):
            raise ValueError(
                f"a child specification as a tuple is ({', '.join(_FIELDS)}), not of {len(given)}: {given!r}"
            )
        return _from_fields(dict(zip(_FIELDS, given, strict=True)), is_otp=True)
    if not isinstance(given, Mapping):
        raise ValueError(f"not a child specification: {given!r}")
    return _from_fields(dict(given), is_otp="modules" in given)


def _from_fields(fields: dict[str, Any], *, is_otp: bool) -> ChildSpec:
    fields.pop("modules", None)
    known = {*_FIELDS, "significant"}
    unknown = [name for name in fields if name not in known]
    missing = [name for name in ("id", "start") if name not in fields]
    if unknown or missing:
        wrong = f"no {missing[0]}" if missing else f"a field {unknown[0]!r}, which there is not"
        raise ValueError(f"the child specification has {wrong}: {fields!r}")
    shutdown = fields.get("shutdown")
    if isinstance(shutdown, int) and not isinstance(shutdown, bool):
        fields["shutdown"] = _seconds(fields["id"], shutdown, is_otp)
    return ChildSpec(**fields)


def _seconds(child_id: Any, shutdown: int, is_otp: bool) -> float:
    if is_otp or shutdown >= _LEAST_MILLISECONDS:
        return shutdown / 1000
    if shutdown >= _MOST_SECONDS:
        raise ValueError(
            f"shutdown of child {child_id!r} may be OTP's milliseconds, or seconds: instead of {shutdown} "
            f"write {shutdown / 1000} for milliseconds, {float(shutdown)} for seconds"
        )
    return shutdown


def started(result: Any) -> Any:
    """The reference that a start function's result stands for, in Python's form or OTP's; None for ignore.

    Raises:
        FailedStartError: it is `("error", reason)`.
    """
    match result:
        case ("ok", ref) | ("ok", ref, _):
            return ref
        case "ignore":
            return None
        case ("error", reason):
            raise FailedStartError(reason)
    return result


class FailedStartError(Exception):
    """A start function returned OTP's `{error, Reason}`.

    Attributes:
        reason: why.
    """

    def __init__(self, reason: Any) -> None:
        super().__init__(reason)
        self.reason = reason
