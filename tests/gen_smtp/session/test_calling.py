"""The short ways around a callback come to the same as the long ones."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from gen_smtp.callbacks.results import Ok, WrongValue, accept_of, error, ok, stop, verdict_of
from gen_smtp.session import calling

CALLBACKS = tuple(f"handle_{verb}" for verb in ("HELO", "EHLO", "MAIL", "MAIL_extension", "DATA", "VRFY"))
VALUES = ("a text", "two\nlines", ["several", "texts"], 4711, math.inf, [("SIZE", "10"), ("X", True)], [])


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_ok_is_judged_alike_both_ways(callback: str, value: Any) -> None:
    try:
        judged = verdict_of(callback, Ok(value))
    except WrongValue:
        judged = None
    assert accept_of(callback, Ok(value)) == judged


@pytest.mark.parametrize("result", [ok, ok("251 yes"), error("550 no"), stop("why", "421 bye")], ids=repr)
def test_asking_is_calling_and_judging(result: Any) -> None:
    seen = []
    callback = SimpleNamespace(handle_MAIL=lambda sender: (seen.append(sender), result)[1])
    asked, called = (
        SimpleNamespace(callback=callback, blocking=(), commands=0, reason="normal") for _ in range(2)
    )
    verdict = calling.ask(asked, "handle_MAIL", "a@b.test")  # type: ignore[arg-type]
    long_way = calling.run(called, "handle_MAIL", "a@b.test")  # type: ignore[arg-type]
    assert verdict == calling.judge(called, "handle_MAIL", ("a@b.test",), long_way)  # type: ignore[arg-type]
    assert (seen, asked.commands, asked.reason) == (["a@b.test"] * 2, 1, called.reason)
