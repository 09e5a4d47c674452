"""What the log says of a server's processes."""

from __future__ import annotations

import pytest

from gen_smtp.process import events as events

SHOWN = [
    (events.WorkerStarted(7), "worker 7 started"),
    (
        events.WorkerNotStarted(OSError("no process"), 0.1),
        "no worker started: OSError('no process'); the next try is in 0.1 s",
    ),
    (events.WorkerEnded(7, "exited with code 1"), "worker 7 ended: exited with code 1"),
    (events.Reloaded("certificates"), "certificates reloaded"),
    (events.ReloadSkipped("callback code", "no name"), "callback code not reloaded: no name"),
    (events.ReloadFailed("certificates", OSError("gone")), "certificates not reloaded: OSError('gone')"),
    (events.SessionKeptCode("urn:1", TypeError("no")), "urn:1 goes on with the old code: TypeError('no')"),
    (events.MetricsServed("127.0.0.1:9100"), "metrics at http://127.0.0.1:9100/metrics"),
    (events.SuccessorStarted(7), "process 7 was started to take over"),
    (events.SuccessorNotStarted("no memory"), "no process was started to take over: no memory"),
    (
        events.SuccessorFailed("process 7 exited with code 1"),
        "no other process takes over, this one goes on: process 7 exited with code 1",
    ),
    (events.HandedOver(7), "process 7 has taken over, this one ends with its last session"),
    (events.SocketDropped("[::]:25 (x)"), "no listener for [::]:25 (x), where the predecessor listened"),
    (events.CutShort(2.0), "something still runs 2.0 s after the second signal: ending without it"),
    (
        events.NotifyFailed("READY=1", OSError("no")),
        "the service manager was not told READY=1: OSError('no')",
    ),
    (
        events.AtEndFailed(OSError("no")),
        "what was to be called at the end failed: OSError('no')",
    ),
]


@pytest.mark.parametrize(("event", "text"), SHOWN, ids=lambda each: type(each).__name__)
def test_each_event_has_its_line(event: events.ProcessEvent, text: str) -> None:
    assert str(event) == text


def test_no_event_is_missing_here() -> None:
    here = {type(event).__name__ for event, _ in SHOWN}
    assert here == {kind.__name__ for kind in events.ProcessEvent.__subclasses__()}
