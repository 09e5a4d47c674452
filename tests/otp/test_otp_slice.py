"""A slice of the comparison with the BEAM, the same every time; `make otp` runs as much as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import pytest

from tests.otp.generator.scenarios import KINDS, kind_of, scenario
from tests.otp.judge import Judge
from tests.otp.known import known_difference
from tests.otp.language import shown

SCENARIOS = 20
"""Of each kind."""


def seeds(kind: str) -> Iterator[int]:
    """The first seeds whose scenarios are of a kind, without those that may show a known difference."""
    every = count(list(KINDS).index(kind), len(KINDS))
    return islice((seed for seed in every if known_difference(scenario(seed)) is None), SCENARIOS)


@pytest.mark.parametrize("kind", KINDS)
def test_actors_do_what_otp_does(kind: str, judge: Judge) -> None:
    compared = 0
    for seed in seeds(kind):
        played = scenario(seed)
        found = judge.judge(played)
        assert found.difference is None, f"seed {seed}\n{judge.report(judge.shrink(played))}"
        compared += found.steps
    assert compared > 3 * SCENARIOS  # most of it is not left open by OTP


def test_a_seed_gives_the_same_scenario_every_time() -> None:
    assert [scenario(seed) for seed in range(50)] == [scenario(seed) for seed in range(50)]
    assert len({shown(scenario(seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_as_often(kind: str) -> None:
    assert [kind_of(seed) for seed in range(10 * len(KINDS))].count(kind) == 10
