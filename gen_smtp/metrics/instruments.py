"""All metrics: their names, what they mean, and their labels. docs/metrics.md is made of this table.

Names are as Prometheus and OpenTelemetry have them: base units, which the name ends with, and `_total` for
what counts. The library adds `_total`, and `_bucket`, `_sum` and `_count` of a histogram.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "gen_smtp_"

CALLBACK_SECONDS = (
    0.0001,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
MESSAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SESSION_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric.

    Attributes:
        name: without the prefix.
        meaning: what it is.
        labels: their names.
        buckets: of a histogram.
    """

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


COUNTERS = (
    Instrument("sessions_started_total", "Sessions that were greeted.", ("listener",)),
    Instrument("sessions_ended_total", "Sessions that ended, by why.", ("listener", "reason")),
    Instrument("messages_total", "Messages, by what became of them.", ("listener", "verdict")),
    Instrument("message_received_bytes_total", "Octets of the messages that were taken.", ("listener",)),
    Instrument("message_recipients_total", "Recipients of the messages that were taken.", ("listener",)),
    Instrument("refusals_total", "Replies 4yz and 5yz to commands and messages.", ("verb", "code")),
    Instrument("deadlines_exceeded_total", "Sessions and messages that ran out of time.", ("deadline",)),
    Instrument("limits_reached_total", "Sessions that ended at a limit.", ("limit",)),
    Instrument("clients_turned_away_total", "Connections that a limit of the server has closed.", ("limit",)),
    Instrument("tls_handshakes_total", "TLS handshakes that succeeded.", ("version",)),
    Instrument("tls_handshake_failures_total", "TLS handshakes that failed."),
    Instrument("auth_attempts_total", "AUTH, by its outcome.", ("mechanism", "outcome")),
    Instrument("callback_errors_total", "Callbacks that raised, or returned nonsense.", ("callback",)),
    Instrument("hub_stalls_total", "Times that something blocked the hub for a second or longer."),
    Instrument("buffers_full_total", "Times that the messages under way needed more than max_buffered."),
    Instrument("accept_pauses_total", "Times that accepting paused for want of descriptors or memory."),
    Instrument("server_full_total", "Times that a server had as many sessions as it may have."),
    Instrument("actor_crashes_total", "Actors that ended with an exception that nobody caught."),
    Instrument("child_restarts_total", "Children of supervisors that ended as they should not."),
    Instrument("worker_restarts_total", "Workers that ended though nobody stopped the server."),
    Instrument("reloads_total", "Certificates and code read again.", ("outcome",)),
    Instrument("queue_messages_total", "What became of messages behind a queue.", ("outcome",)),
    Instrument("forward_attempts_total", "Hand-overs of mail to the next host.", ("outcome",)),
    Instrument("turns_total", "Turns of actors."),
    Instrument("process_cpu_seconds_total", "Processor time.", ("worker",)),
)

HISTOGRAMS = (
    Instrument("callback_duration_seconds", "How long callbacks took.", ("callback",), CALLBACK_SECONDS),
    Instrument("message_duration_seconds", "From the 354 to the reply.", ("verdict",), MESSAGE_SECONDS),
    Instrument("session_duration_seconds", "How long sessions lasted.", (), SESSION_SECONDS),
    Instrument("hub_lag_seconds", "How late the hub was, looked at once a second.", (), LAG_SECONDS),
)

GAUGES = (
    Instrument("sessions", "Sessions now.", ("listener",)),
    Instrument("sessions_arriving", "Sessions that are not greeted yet, or end."),
    Instrument("sessions_limit", "How many sessions there may be; 0 for no limit."),
    Instrument("suspended", "How many processes accept nobody because they were told so."),
    Instrument("message_memory_bytes", "Octets of the messages under way."),
    Instrument("message_memory_limit_bytes", "How many there may be; 0 for no limit."),
    Instrument("actors", "Actors."),
    Instrument("mailbox_messages", "Messages that wait in mailboxes."),
    Instrument("mailbox_longest_messages", "Those that wait in the longest mailbox.", ("worker",)),
    Instrument("turn_greenlets", "Greenlets in the pool for turns.", ("state",)),
    Instrument("worker_threads", "Threads for callbacks that block.", ("state",)),
    Instrument("worker_tasks_waiting", "Calls of callbacks that wait for such a thread."),
    Instrument("processes", "Processes that serve."),
    Instrument("process_resident_memory_bytes", "Memory in use.", ("worker",)),
    Instrument("process_open_fds", "Open file descriptors.", ("worker",)),
    Instrument("process_start_time_seconds", "When it began, since the epoch.", ("worker",)),
)


def make_instruments(registry: CollectorRegistry) -> Mapping[str, Any]:
    """The metrics, by their names without the prefix.

    Raises:
        ValueError: the registry has one of them already.
    """
    made: dict[str, Any] = {}
    for each in COUNTERS:
        made[each.name] = Counter(PREFIX + each.name, each.meaning, each.labels, registry=registry)
    for each in HISTOGRAMS:
        made[each.name] = Histogram(
            PREFIX + each.name, each.meaning, each.labels, registry=registry, buckets=each.buckets
        )
    for each in GAUGES:
        made[each.name] = Gauge(
            PREFIX + each.name, each.meaning, each.labels, registry=registry, multiprocess_mode="livesum"
        )
    return made


def names_exposed() -> set[str]:
    """The names that a scrape has, those that the library makes of one histogram too."""
    plain = {PREFIX + each.name for each in (*COUNTERS, *GAUGES)}
    ends = ("_bucket", "_sum", "_count")
    return plain | {PREFIX + each.name + end for each in HISTOGRAMS for end in ends}
