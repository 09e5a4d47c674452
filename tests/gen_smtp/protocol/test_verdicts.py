import math
from typing import Any

import pytest

from gen_smtp.protocol.verdicts import Accept, Fail, NoReply, Reject, Reply, Results

FACTORIES: list[Any] = [
    Accept,
    Reject,
    Fail,
    NoReply,
    lambda **options: Reply("214 x", **options),
    lambda **options: Results([], **options),
]


@pytest.mark.parametrize("make", FACTORIES)
def test_a_verdict_closes_only_when_told_to(make: Any) -> None:
    assert make().close is False
    assert make(close=True).close is True


@pytest.mark.parametrize("size", [0, -1, math.nan, -math.inf])
def test_a_limit_is_positive(size: float) -> None:
    with pytest.raises(ValueError):
        Accept(max_size=size)


@pytest.mark.parametrize("size", [1, 655360, math.inf])
def test_a_limit_is_a_number_of_octets_or_infinite(size: float) -> None:
    assert Accept(max_size=size).max_size == size
