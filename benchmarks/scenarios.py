"""The table of what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.certificates import KeyKind
from benchmarks.servers import AIOSMTPD, BASE, OURS, OURS_ASYNC, OURS_TWICE, OURS_TWICE_APART
from benchmarks.workloads import Fairness, IdleSessions, Own, SmtpSource, Workload

Group = Literal["compared", "load", "workers", "tls", "sessions", "sizes", "latency", "fairness"]

KIB, MIB = 1024, 1024 * 1024
SESSION_COUNTS = (10, 100, 1000, 10000)
MESSAGE_SIZES = (KIB, 32 * KIB, MIB, 5 * MIB, 50 * MIB)
CLIENT_PROCESSES = 4
"""Over which ten thousand connections are divided: a process may have 20,000 descriptors or fewer."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is measured, of each server.

    Attributes:
        name: unique.
        group: the table or curve it is part of.
        title: what is done.
        workload: the doing.
        figure: the figure that counts.
        unit: of that figure.
        x: its place on a curve.
        key: the kind of certificate, for TLS.
        reach: the ratio to the base server that is aimed at, of two workers that to one; for the memory of a
            session, KiB.
        servers: the names of those it is measured of; None is all that can.
    """

    name: str
    group: Group
    title: str
    workload: Workload
    figure: str = "rate"
    unit: str = "messages per CPU second"
    x: int | None = None
    key: KeyKind | None = None
    reach: float | None = None
    servers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done.

    Attributes:
        messages: part of the full number of messages and handshakes.
        sessions: idle sessions of the comparison.
        session_counts: the points of the curve by sessions.
        active: concurrent active sessions.
        seconds: of a measurement that lasts so long, such as of fairness.
        others: the servers that the scenarios beyond the comparison are measured of; None is all.
    """

    messages: float
    sessions: int
    session_counts: tuple[int, ...]
    active: int
    seconds: float
    others: frozenset[str] | None

    def of(self, messages: int, least: int = 1) -> int:
        """That part of a number, but not less than `least`."""
        return max(round(messages * self.messages), least)


FULL = Scale(1.0, 5000, SESSION_COUNTS, 10000, 10.0, None)
QUICK = Scale(0.15, 1000, (10, 1000), 2000, 2.0, frozenset({OURS, BASE}))


def all_scenarios(scale: Scale) -> list[Scenario]:
    """Every scenario, at a scale."""
    return [
        *_compared(scale),
        *_load(scale),
        *_workers(scale),
        *_tls(scale),
        *_by_sessions(scale),
        *_by_size(scale),
        *_replies(scale),
    ]


def pipelined(connections: int, rounds: int) -> Own:
    """Pipelined messages of 1 KiB."""
    return Own(
        "pipelined",
        {"connections": connections, "rounds": rounds},
        warm_up={"connections": min(connections, 20), "rounds": max(rounds // 20, 1)},
    )


def _compared(scale: Scale) -> Iterator[Scenario]:
    keep_alive = SmtpSource(("-d", "-s", "50", "-l", "1024"), scale.of(20000))
    yield Scenario("keep-alive", "compared", "1 KiB messages, 50 connections kept", keep_alive, reach=0.75)
    connect = SmtpSource(("-s", "50", "-l", "1024"), scale.of(5000))
    yield Scenario("connect", "compared", "1 KiB messages, a connection for each", connect, reach=0.9)
    bulk = SmtpSource(("-d", "-s", "10", "-l", str(5 * MIB)), scale.of(200), units=5.0)
    yield Scenario("bulk", "compared", "5 MiB messages", bulk, unit="MiB per CPU second", reach=1.5)
    pipes = pipelined(20, scale.of(1000))
    yield Scenario("pipelined", "compared", "1 KiB messages, MAIL RCPT DATA pipelined", pipes, reach=0.6)
    idle = IdleSessions(scale.sessions)
    yield Scenario(
        "idle",
        "compared",
        f"RSS of {scale.sessions} idle sessions",
        idle,
        "kib_per_session",
        "KiB",
        reach=2.0,
    )


def _load(scale: Scale) -> Iterator[Scenario]:
    large = SmtpSource(("-d", "-s", "20", "-l", str(100 * KIB)), scale.of(4000))
    yield Scenario("100-kib", "load", "100 KiB messages", large, servers=scale.others)
    many = SmtpSource(("-d", "-s", "20", "-l", "1024", "-r", "100"), scale.of(1000))
    yield Scenario("100-recipients", "load", "1 KiB messages for 100 recipients", many, servers=scale.others)
    kept = SmtpSource(("-d", "-s", "50", "-l", "1024"), scale.of(5000))
    who = frozenset({OURS, OURS_ASYNC, AIOSMTPD})
    yield Scenario("async", "load", "1 KiB messages to a callback that is async def", kept, servers=who)
    active = Own(
        "pipelined",
        {"connections": scale.active // CLIENT_PROCESSES, "rounds": 2},
        processes=CLIENT_PROCESSES,
    )
    title = f"1 KiB messages, {scale.active} sessions active at once"
    yield Scenario("active", "load", title, active, servers=scale.others)


def _workers(scale: Scale) -> Iterator[Scenario]:
    servers = frozenset({OURS, OURS_TWICE, OURS_TWICE_APART})
    kinds = (
        ("keep-alive", "50 connections kept", ("-d",), 20000),
        ("connect", "a connection for each", (), 5000),
    )
    for name, how, arguments, messages in kinds:
        yield Scenario(
            f"workers-{name}",
            "workers",
            f"1 KiB messages, {how}",
            SmtpSource((*arguments, "-s", "50", "-l", "1024"), scale.of(messages)),
            "rate_of_busiest",
            "messages per CPU second of the busiest worker",
            reach=1.8,
            servers=servers,
        )


def _tls(scale: Scale) -> Iterator[Scenario]:
    sessions = scale.of(2000)
    options = {"sessions": sessions, "seconds": scale.seconds, "tls": True}
    full = Own("sessions", options, warm_up={"sessions": 20})
    again = Own("sessions", {**options, "resume": True}, warm_up={"sessions": 20})
    bulk = Own(
        "transactions",
        {"size": 5 * MIB, "messages": scale.of(100), "tls": True},
        units=5.0,
        warm_up={"messages": 1},
    )
    unit = "sessions per CPU second"
    keys: tuple[tuple[KeyKind, str], ...] = (("ecdsa", "ECDSA P-256"), ("rsa", "RSA 2048"))
    for key, title in keys:
        yield Scenario(f"tls-{key}", "tls", f"full handshakes, {title}", full, unit=unit, key=key)
    yield Scenario("tls-resumed", "tls", "resumed handshakes, ECDSA P-256", again, unit=unit, key="ecdsa")
    yield Scenario("tls-bulk", "tls", "5 MiB messages", bulk, unit="MiB per CPU second", key="ecdsa")


def _by_sessions(scale: Scale) -> Iterator[Scenario]:
    options = {"sessions": scale.of(2000), "seconds": scale.seconds}
    for count in scale.session_counts:
        yield Scenario(
            f"fresh-beside-{count}",
            "sessions",
            f"fresh sessions beside {count} idle ones",
            Own("sessions", options, idle=count, warm_up={"sessions": 20}),
            unit="sessions per CPU second",
            x=count,
            servers=scale.others,
        )


def _by_size(scale: Scale) -> Iterator[Scenario]:
    for size in MESSAGE_SIZES:
        messages = scale.of(min(4000, 500 * MIB // size), least=2)
        yield Scenario(
            f"size-{size}",
            "sizes",
            f"messages of {size // KIB} KiB over one connection",
            Own("transactions", {"size": size, "messages": messages}),
            x=size,
            servers=scale.others,
        )


def _replies(scale: Scale) -> Iterator[Scenario]:
    messages = Own(
        "transactions", {"size": KIB, "messages": scale.of(5000)}, warm_up={"messages": scale.of(200)}
    )
    yield Scenario(
        "latency",
        "latency",
        "replies to MAIL, RCPT and DATA, one connection",
        messages,
        "p99_ms",
        "ms, p99",
    )
    for name, tls, how in (("two-writes", False, "in clear"), ("two-writes-tls", True, "under TLS")):
        yield Scenario(
            name,
            "latency",
            f"1 KiB messages whose dot is a write of its own, {how}",
            Own("transactions", {"size": KIB, "messages": scale.of(500), "writes": 2, "tls": tls}),
            "message_p99_ms",
            "ms from MAIL to 250, p99",
            key="ecdsa" if tls else None,
        )
    yield Scenario(
        "fairness",
        "fairness",
        "replies to NOOP beside a flood of commands and 50 MiB messages, against an idle server",
        Fairness(scale.seconds, 50 * MIB),
        "p99_ms_more",
        "ms more, p99",
        servers=scale.others,
    )
