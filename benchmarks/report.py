"""The results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.actor_rates import LIBRARIES, RATES
from benchmarks.cluster import FIGURES, REACHES
from benchmarks.results import Results
from benchmarks.run import shown
from benchmarks.scenarios import KIB, Scenario
from benchmarks.servers import BASE, OURS, OURS_TWICE, OURS_TWICE_APART

Cell = Callable[[Scenario, str], str]

NOTHING = "–"  # noqa: RUF001 - a dash in a table's empty cell

_HOW = (
    "Each server ran as one process on one core, the client on another; every round of every scenario had a "
    "fresh process. Rates are per second of the **server's CPU** (user and system, from /proc), the median "
    f"of the rounds. In brackets: the ratio to {BASE} in the same round, the median, and the range where "
    "there were several rounds."
)


def markdown(results: Results) -> str:
    """The whole report."""
    sections = [
        _heading(results),
        _section("Compared", _comparison(results)),
        _section("Is the client the bottleneck?", _busy(results)),
        _section("Load", _by_scenario(results, results.group("load"), _rate_cell(results))),
        _section("Workers", _workers(results)),
        _section("TLS", _by_scenario(results, results.group("tls"), _rate_cell(results))),
        _section("Beside idle sessions", _beside_idle(results)),
        _section("By size of the message", _by_size(results)),
        _section("Replies", _replies(results)),
        _section("Fairness", _fairness(results)),
        _section("Actors", _actors(results)),
        _section("A node in an Erlang cluster", _cluster(results)),
        _section(
            "Failed", [f"* {each.scenario}, {each.server}: {each.failure}" for each in results.failures()]
        ),
    ]
    return "\n".join(section for section in sections if section)


def _heading(results: Results) -> str:
    machine = [f"* {name}: {value}" for name, value in results.machine.items()]
    left_out = [f"* left out: {name}: {why}" for name, why in results.left_out.items()]
    return "\n".join(["# Benchmarks", "", _HOW, "", *machine, *left_out, ""])


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines, ""]) if lines else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    ruler = ["---", *(["---:"] * (len(header) - 1))]
    return ["| " + " | ".join(row) + " |" for row in [header, ruler, *rows]]


def _by_scenario(results: Results, scenarios: Sequence[Scenario], cell: Cell) -> list[str]:
    servers = [
        name for name in results.servers if any(results.median(each, name) is not None for each in scenarios)
    ]
    rows = [[f"{each.title}; {each.unit}", *(cell(each, server) for server in servers)] for each in scenarios]
    return _table(["", *servers], rows if servers else [])


def _rate_cell(results: Results) -> Cell:
    def cell(scenario: Scenario, server: str) -> str:
        value = results.median(scenario, server)
        if value is None:
            return NOTHING
        ratio = results.ratio(scenario, server)
        if server == BASE or ratio is None or scenario.figure != "rate":
            return shown(value)
        spread = f", {ratio.least:.2f} to {ratio.most:.2f}" if ratio.least != ratio.most else ""
        return f"{shown(value)} ({ratio.median:.2f}{spread})"

    return cell


def _comparison(results: Results) -> list[str]:
    scenarios = results.group("compared")
    table = _by_scenario(results, scenarios, _rate_cell(results))
    aims = []
    for each in scenarios:
        ratio = results.ratio(each, OURS)
        got = results.median(each, OURS) if each.figure != "rate" else ratio and ratio.median
        if got is not None and each.reach is not None:
            relation = "at most" if each.figure != "rate" else "at least"
            aims.append(f"* {each.name}: {relation} {each.reach} is aimed at, {got:.2f} was reached")
    return [*table, "", *aims]


def _busy(results: Results) -> list[str]:
    """How much of the wall clock the two cores worked: a server that is always busy is not waiting."""

    def cell(scenario: Scenario, server: str) -> str:
        parts = [results.median(scenario, server, figure) for figure in ("server_busy", "client_busy")]
        return NOTHING if None in parts else " / ".join(f"{part:.0%}" for part in parts if part is not None)

    scenarios = [each for each in results.group("compared") if each.figure == "rate"]
    table = _by_scenario(results, scenarios, cell)
    return ["CPU of server / client as parts of the wall clock.", "", *table] if table else []


def _beside_one(results: Results, scenario: Scenario, server: str) -> str:
    rate, ratio = results.median(scenario, server), results.ratio(scenario, server, to=OURS)
    if rate is None or ratio is None:
        return NOTHING
    return f"{shown(rate)} ({ratio.median:.2f}, {ratio.least:.2f} to {ratio.most:.2f})"


def _workers(results: Results) -> list[str]:
    """Two processes beside one: how much more gets done for each second of the busier one."""
    rows = []
    for scenario in results.group("workers"):
        alone = results.median(scenario, OURS)
        cells = [_beside_one(results, scenario, server) for server in (OURS_TWICE, OURS_TWICE_APART)]
        if alone is not None and any(cell != NOTHING for cell in cells):
            rows.append([scenario.title, shown(alone), *cells])
    table = _table(["", "1 worker", "2 workers", "2 workers on all cores, beside the client"], rows)
    intro = "Messages per second of the busiest worker's CPU. In brackets: the ratio to one worker."
    return [intro, "", *table] if table else []


def _beside_idle(results: Results) -> list[str]:
    def cell(scenario: Scenario, server: str) -> str:
        rate = results.median(scenario, server)
        ends = [results.median(scenario, server, figure) for figure in ("p50_ms", "p99_ms")]
        if rate is None or None in ends:
            return NOTHING
        return f"{shown(rate)}; " + " / ".join(f"{end:.2f}" for end in ends if end is not None) + " ms"

    table = _by_scenario(results, results.group("sessions"), cell)
    intro = "Fresh sessions, one after another: connect, EHLO, QUIT. Per CPU second; p50 / p99 of one's time."
    return [intro, "", *table] if table else []


def _by_size(results: Results) -> list[str]:
    def cell(scenario: Scenario, server: str) -> str:
        time = results.median(scenario, server, "message_p50_ms")
        more = results.median(scenario, server, "peak_kib_more")
        if time is None or more is None or scenario.x is None:
            return NOTHING
        return f"{shown(time)} ms; {more / KIB:,.1f} MiB"

    table = _by_scenario(results, results.group("sizes"), cell)
    return ["Time of one message (p50); peak memory above that before it.", "", *table] if table else []


def _replies(results: Results) -> list[str]:
    def cell(scenario: Scenario, server: str) -> str:
        of = scenario.figure.removesuffix("p99_ms")  # of a reply, or of a message
        ranks = [results.median(scenario, server, f"{of}{rank}_ms") for rank in ("p50", "p99", "p99.9")]
        return NOTHING if None in ranks else " / ".join(f"{rank:.3f}" for rank in ranks if rank is not None)

    table = _by_scenario(results, results.group("latency"), cell)
    return ["Milliseconds, p50 / p99 / p99.9.", "", *table] if table else []


_FAIRNESS = (
    ("p99 of replies on an idle server, ms", "idle_p99_ms"),
    ("p99 beside the flood, ms", "loaded_p99_ms"),
    ("longest reply beside the flood, ms", "loaded_max_ms"),
    ("replies to the flood", "flood_replies"),
    ("50 MiB messages", "large_messages"),
)


def _fairness(results: Results) -> list[str]:
    rows = []
    for scenario in results.group("fairness"):
        for title, figure in _FAIRNESS:
            values = [results.median(scenario, server, figure) for server in results.servers]
            rows.append([title, *(NOTHING if value is None else shown(value) for value in values)])
    return _table(["", *results.servers], rows)


def _cluster(results: Results) -> list[str]:
    figures = results.cluster
    rows = [[name, shown(figures[name]), REACHES.get(name, "")] for name in FIGURES if name in figures]
    return _table(["", "median", "reach"], rows)


def _actors(results: Results) -> list[str]:
    rates = results.actor_rates
    rows = [
        [name, *(shown(rates[library][name]) if name in rates[library] else NOTHING for library in rates)]
        for name in (RATES if rates else ())
    ]
    titles = dict(zip(LIBRARIES, ("this project", "Pykka's ThreadingActor"), strict=True))
    table = _table(["", *(titles[library] for library in rates)], rows)
    return ["Operations per second of the process's CPU.", "", *table] if table else []
