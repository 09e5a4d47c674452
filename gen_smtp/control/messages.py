"""What goes over the control socket: one JSON object a line, each way.

A request is `{"version": 1, "request": "sessions", "arguments": {"limit": 10}}`. Its answer is
`{"version": 1, "answer": ...}`, or `{"version": 1, "error": {"code": "unknown_session", "message": "..."}}`.
Requests of one connection are answered in their order. An `id` in a request comes back in its answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

VERSION = 1

LONGEST_REQUEST = 64 * 1024
"""Octets of a request's line, at most."""

Message = dict[str, Any]


class ControlError(Exception):
    """A request can't be done.

    Args:
        code: a word for programs, such as `"unknown_session"`.
        message: one line for people: what is wrong, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def as_message(self) -> Message:
        """The answer that says so."""
        return {"version": VERSION, "error": {"code": self.code, "message": str(self)}}


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as a line."""
    # What comes from clients may hold half of a surrogate pair, which is no UTF-8: as \u it is.
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """A line as a message.

    Raises:
        ControlError: it is none.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("bad_request", f"not a line of JSON: {error}") from error
    if not isinstance(message, dict):
        raise ControlError("bad_request", "a request is a JSON object")
    return message


def answer_of(message: Mapping[str, Any]) -> Any:
    """What an answer holds.

    Raises:
        ControlError: the error that it holds.
    """
    error = message.get("error")
    if isinstance(error, Mapping):
        raise ControlError(str(error.get("code")), str(error.get("message")))
    if message.get("version") != VERSION or "answer" not in message:
        raise ControlError("bad_answer", "that is no answer of a control socket of this version")
    return message["answer"]
