"""Kill -9 of broker, server and deliverers under load: nothing with its 250 is lost, and doubles are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.queue.broker import Broker
from benchmarks.queue.kills import BOTH, run_kills

VICTIMS = [*[BOTH] * 3, "server", "deliverer", "broker", *[BOTH] * 5, "broker"]


@pytest.mark.timeout(400)
def test_a_score_of_kills_loses_nothing(
    own_broker: Broker, require_tool: Callable[[str], str], tmp_path: Path
) -> None:
    ledger = run_kills(own_broker, tmp_path, VICTIMS)
    assert len(VICTIMS) + VICTIMS.count(BOTH) == 20
    assert len(ledger.promised) > 150
    assert ledger.lost() == set()
    assert ledger.unlike() == []
    assert ledger.exit_codes == [0, 0, 0]
