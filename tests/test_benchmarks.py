"""The benchmarks' machinery with the project's own server alone; no figure is judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import chunks, cluster, report, run
from benchmarks.client.connection import message
from benchmarks.measure import percentiles
from benchmarks.results import Results
from benchmarks.run import Result
from benchmarks.scenarios import FULL, Scenario, all_scenarios, pipelined
from benchmarks.servers import BASE, OURS, OURS_TWICE, SERVERS, Server
from benchmarks.workloads import Own


def own_server() -> Server:
    return next(server for server in SERVERS if server.name == OURS)


def scenario(name: str = "tiny", workload: Own | None = None) -> Scenario:
    return Scenario(name, "compared", "messages", workload or pipelined(3, 4), reach=0.5)


def result(server: str, number: int, rate: float) -> Result:
    return Result("tiny", server, number, {"rate": rate, "server_busy": 1.0, "client_busy": 0.5})


def results_of(*measured: Result) -> Results:
    return Results([scenario()], [OURS, BASE], {"cores": "2"}, {"peer": "not installed"}, list(measured))


def test_a_pipelined_run_counts_messages_and_the_servers_cpu_and_memory() -> None:
    planned = run.plan([scenario()], [own_server()], 1)
    said: list[str] = []
    (found,) = run.run(planned, said.append)
    assert found.failure is None
    assert found.figures["count"] == 3 * 4
    assert found.figures["cpu"] > 0
    assert found.figures["rss_kib"] > 0
    assert len(said) == 1


def test_each_message_of_a_transactions_run_is_timed() -> None:
    workload = Own("transactions", {"size": 1000, "messages": 5})
    found = run.measure(scenario(workload=workload), 1, own_server())
    assert found.failure is None
    assert found.figures["count"] == 5
    assert 0 < found.figures["p50_ms"] <= found.figures["message_p50_ms"]


def test_a_body_is_taken_in_chunks_of_all_sizes() -> None:
    assert list(chunks.measure(4, 1)) == list(chunks.CHUNKS)


def test_a_server_that_does_not_start_is_a_failure_that_says_so() -> None:
    broken = Server("broken", lambda port, certificate: ["false"])
    found = run.measure(scenario(), 1, broken)
    assert found.figures == {}
    assert found.failure is not None
    assert "broken ended with 1" in found.failure


def test_rounds_are_interleaved_and_begin_with_another_server_each() -> None:
    servers = [server for server in SERVERS if server.name in (OURS, BASE)]
    planned = run.plan([scenario()], servers, 2)
    assert [(number, server.name) for _, number, server in planned] == [
        (1, OURS),
        (1, BASE),
        (2, BASE),
        (2, OURS),
    ]


def test_ratios_are_taken_within_a_round() -> None:
    results = results_of(
        result(OURS, 1, 50.0), result(BASE, 1, 100.0), result(OURS, 2, 30.0), result(BASE, 2, 40.0)
    )
    ratio = results.ratio(scenario(), OURS)
    assert ratio is not None
    assert (ratio.median, ratio.least, ratio.most) == (0.625, 0.5, 0.75)


def test_the_report_names_ratios_aims_failures_and_what_was_left_out(tmp_path: Path) -> None:
    results = results_of(
        result(OURS, 1, 50.0), result(BASE, 1, 100.0), Result("tiny", "other", 1, {}, "it fell over")
    )
    text = report.markdown(results)
    assert "| 50 (0.50) | 100 |" in text
    assert "at least 0.5 is aimed at, 0.50 was reached" in text
    assert "tiny, other: it fell over" in text
    assert "left out: peer: not installed" in text
    results.write_json(tmp_path / "raw.json")
    assert len(json.loads((tmp_path / "raw.json").read_text())["measured"]) == 3


@pytest.mark.parametrize("size", [72, 1024, 5 * 1024 * 1024])
def test_a_message_has_the_size_asked_for_and_ends_the_data(size: int) -> None:
    made = message(size)
    assert len(made) == size + len(b".\r\n")
    assert made.endswith(b"\r\n.\r\n")
    assert made.count(b"\r\n.\r\n") == 1


def test_percentiles_are_by_nearest_rank() -> None:
    found = percentiles([float(value) for value in range(100, 0, -1)])
    assert (found["min"], found["p50"], found["p99"], found["max"]) == (1.0, 50.0, 99.0, 100.0)
    assert percentiles([]) == {}


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [each.name for each in all_scenarios(FULL)]
    assert len(names) == len(set(names))


def test_two_workers_are_compared_with_one_by_the_busier_of_them() -> None:
    (keep_alive, _) = [each for each in all_scenarios(FULL) if each.group == "workers"]
    measured = [
        Result(keep_alive.name, server, 1, {"rate_of_busiest": rate})
        for server, rate in ((OURS, 1000.0), (OURS_TWICE, 1900.0))
    ]
    text = report.markdown(Results([keep_alive], [OURS], {}, {}, measured))
    assert "| 1,000 | 1,900 (1.90, 1.90 to 1.90) |" in text


def test_a_node_is_measured_beside_beams(require_tool: Callable[[str], str]) -> None:
    require_tool("erl")
    require_tool("epmd")
    figures = cluster.measured(0.02, idle=0.5)
    assert figures.keys() == set(cluster.FIGURES)
    assert all(figure > 0 for figure in figures.values())
    results = results_of()
    results.cluster.update(figures)
    assert "## A node in an Erlang cluster" in report.markdown(results)
