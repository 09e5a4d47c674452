import math
from typing import Any

import pytest

from gen_smtp.protocol.verdicts import Accept, Decline, Fail, PerRecipient, Silence, WholeReply
from tests.gen_smtp.protocol.client import Client

FACTORIES: list[Any] = [
    Accept,
    Decline,
    Fail,
    Silence,
    lambda **options: WholeReply("214 x", **options),
    lambda **options: PerRecipient([], **options),
]


@pytest.mark.parametrize("make", FACTORIES)
def test_a_verdict_closes_only_when_told_to(make: Any) -> None:
    assert make().close is False
    assert make(close=True).close is True


@pytest.mark.parametrize("size", [0, -1, math.nan, -math.inf])
def test_a_limit_is_positive(size: float) -> None:
    with pytest.raises(ValueError):
        Client(answer=lambda question: Accept(max_size=size), said=b"HELO client\r\n")


@pytest.mark.parametrize("size", [1, 655360, math.inf])
def test_a_limit_is_a_number_of_octets_or_infinite(size: float) -> None:
    client = Client(answer=lambda question: Accept(max_size=size), said=b"HELO client\r\n")
    assert client.protocol.max_size == size
