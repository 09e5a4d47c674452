"""Scenarios of state machines: events that change states, are postponed, and come after a while."""

from __future__ import annotations

from typing import Any

from tests.otp.generator import deeds as d
from tests.otp.generator.words import LONG, Weighted, Writer
from tests.otp.language import Deed, Scenario, Step

STATES = ["red", "green", "blue"]


def machines(writer: Writer) -> Scenario:
    """State machines: postponed events, events of one's own, timeouts, states that are entered."""
    starts = [_start(writer, label) for label in "abc"[: writer.dice.randint(1, 2)]]
    return [("outside", starts), *(_step(writer) for _ in range(writer.dice.randint(4, 12)))]


def _start(writer: Writer, label: str) -> Deed:
    writer.servers.append(label)
    spec = (writer.chance(3), writer.dice.choice(STATES), _actions(writer) if writer.chance(3) else [])
    return ("start", label, "machine", "alone", None, "infinity", spec)


def _step(writer: Writer) -> Step:
    drawn: Weighted = [(12, _event), (1, d.suspend), (2, d.resume), (1, d.exit_to), (1, d.stop_server)]
    return ("outside", writer.deeds(drawn))


def _event(writer: Writer) -> Deed:
    how = writer.dice.choice(["call", "cast", "cast", "info"])
    return ("event", writer.server(), how, _content(writer))


def _content(writer: Writer, depth: int = 0) -> Any:
    """An event: its number, and what is to be done in which state."""
    states = writer.dice.sample(STATES, writer.dice.randint(0, 2)) + ["any"] * writer.chance(2)
    return ("event", writer.number(), [(state, _result(writer, depth)) for state in states])


def _result(writer: Writer, depth: int) -> Any:
    match writer.dice.randrange(9):
        case 0 | 1 | 2 | 3:
            return ("next", writer.dice.choice(STATES), _actions(writer, depth))
        case 4:
            return ("repeat", _actions(writer, depth))
        case 5 if writer.chance(3):
            return ("stop", writer.reason())
        case 6:
            return ("keep", [("postpone",)])
        case _:
            return ("keep", _actions(writer, depth))


def _actions(writer: Writer, depth: int = 0) -> list[Any]:
    return [_action(writer, depth) for _ in range(writer.dice.choice([0, 1, 1, 2]))]


def _action(writer: Writer, depth: int) -> Any:
    if depth >= 2:
        return ("reply", writer.number())
    match writer.dice.randrange(8):
        case 0:
            return ("next_event", _content(writer, depth + 1))
        case 1:
            return ("state_after", _time(writer, 2), _content(writer, depth + 1))
        case 2:
            return ("event_after", _time(writer, 4), _content(writer, depth + 1))
        case 3:
            name, time = writer.dice.choice([("m", 6), ("n", 8)])
            return ("named_after", name, _time(writer, time), _content(writer, depth + 1))
        case 4 if writer.chance(2):
            return ("state_after", "cancel")
        case 4:
            return ("named_after", writer.dice.choice(["m", "n"]), "cancel")
        case _:
            return ("reply", writer.number())


def _time(writer: Writer, short: int) -> int:
    """Milliseconds: one short time of each kind, as OTP has no order for what is due at once."""
    return LONG if writer.chance(2) else short
