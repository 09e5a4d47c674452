"""A short piece of fuzzing of the PROXY protocol's header, and that its rules can be broken."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gen_smtp.protocol.proxy.reader import ProxyHeaderReader
from tests.fuzz.cases.mutations import mutate_octets
from tests.fuzz.corpus import PROXY_FOLDER
from tests.fuzz.rules.proxy_header import check_header
from tests.fuzz.rules.transcript import Violation

CORPUS = {path.name: path.read_bytes() for path in sorted(PROXY_FOLDER.iterdir())}
MUTATIONS = 4000


@pytest.mark.parametrize("name", CORPUS)
def test_a_header_of_the_corpus_breaks_no_rule(name: str) -> None:
    check_header(CORPUS[name])


def test_whatever_is_made_of_the_corpus_breaks_no_rule() -> None:
    dice = random.Random(1)
    headers = list(CORPUS.values())
    for _ in range(MUTATIONS):
        check_header(mutate_octets(dice.choice(headers), headers, dice))


class Greedy(ProxyHeaderReader):
    """Takes one octet more than the header has."""

    def feed(self, data: bytes) -> int:
        return super().feed(data) + 1


class Cut(ProxyHeaderReader):
    """Knows no header that comes in pieces."""

    def feed(self, data: bytes) -> int:
        self._seen = b""
        return super().feed(data)


class _Changed(ProxyHeaderReader):
    """Says something else than what it read."""

    changes: dict[str, Any] = {}  # noqa: RUF012

    def feed(self, data: bytes) -> int:
        taken = super().feed(data)
        if self.header is not None:
            self.header = replace(self.header, **self.changes)
        return taken


def saying(**changes: Any) -> Callable[[], ProxyHeaderReader]:
    """A reader that always says this."""
    return type("Changed", (_Changed,), {"changes": changes})


class Patient(ProxyHeaderReader):
    """Waits for ever."""

    def feed(self, data: bytes) -> int:
        return len(data)


@pytest.mark.parametrize(
    ("fault", "name", "rule"),
    [
        (Greedy, "line-tcp4", "cuts"),
        (Greedy, "block-local", "cuts"),
        (Cut, "line-tcp4", "cuts"),
        (Patient, "line-tcp4", "header"),
        (Patient, "block-tcp6", "header"),
        (saying(source_port=1), "line-tcp4", "header"),
        (saying(family=None), "block-tcp4", "header"),
        (saying(authority="a\x1b"), "block-values", "values"),
    ],
)
def test_a_planted_fault_is_caught(fault: Any, name: str, rule: str) -> None:
    with pytest.raises(Violation) as raised:
        check_header(CORPUS[name], fault)
    assert raised.value.rule == rule


def test_a_reader_that_never_has_enough_is_caught() -> None:
    with pytest.raises(Violation) as raised:
        check_header(b"PROXY " + b"x" * 5000, Patient)
    assert raised.value.rule == "memory"
