"""The results as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.results import Results
from benchmarks.scenarios import KIB, MIB, Scenario
from benchmarks.servers import BASE

mpl.use("Agg")

import matplotlib.pyplot as plt

_COLOURS = ("#0b6e4f", "#7a7a7a", "#c8553d", "#588b8b", "#d9a441", "#7fb69f")


def draw(results: Results, path: Path) -> None:
    """Draw the comparison and the curves into a PNG."""
    figure, axes = plt.subplots(2, 2, figsize=(14, 9), layout="constrained")
    colours = dict(zip(results.servers, _COLOURS, strict=False))
    _ratios(axes[0][0], results, colours)
    _memory(axes[0][1], results, colours)
    _by_sessions(axes[1][0], results, colours)
    _by_size(axes[1][1], results, colours)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _ratios(axes: Any, results: Results, colours: dict[str, str]) -> None:
    """Bars, with the range over the rounds as whiskers."""
    scenarios = [each for each in results.group("compared") if each.figure == "rate"]
    width = 0.8 / max(len(results.servers), 1)
    for index, server in enumerate(results.servers):
        found = [(place, results.ratio(each, server)) for place, each in enumerate(scenarios)]
        bars = [(place + index * width, ratio) for place, ratio in found if ratio is not None]
        drawn = axes.bar(
            [place for place, _ in bars],
            [ratio.median for _, ratio in bars],
            width,
            yerr=[
                [ratio.median - ratio.least for _, ratio in bars],
                [ratio.most - ratio.median for _, ratio in bars],
            ],
            label=server,
            color=colours[server],
        )
        axes.bar_label(drawn, fmt="%.2f", fontsize=7, padding=2)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(scenarios))], [s.name for s in scenarios])
    axes.set_title(f"Per second of server CPU, ratio to {BASE}; more is better")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=len(results.servers), frameon=False)


def _memory(axes: Any, results: Results, colours: dict[str, str]) -> None:
    for scenario in results.group("compared"):
        if scenario.figure == "rate":
            continue
        found = [(server, results.median(scenario, server)) for server in results.servers]
        bars = [(server, value) for server, value in found if value is not None]
        drawn = axes.barh(
            [server for server, _ in bars],
            [value for _, value in bars],
            color=[colours[server] for server, _ in bars],
        )
        axes.bar_label(drawn, fmt="%.1f", padding=3)
        axes.set_xscale("log")
        axes.set_xlim(0.5, 3 * max(value for _, value in bars))
        axes.invert_yaxis()
    axes.set_title("KiB of RSS per idle session; less is better")


def _by_sessions(axes: Any, results: Results, colours: dict[str, str]) -> None:
    _curves(axes, results, colours, results.group("sessions"), "p50_ms", 1.0)
    axes.set(xscale="log", xlabel="idle sessions", ylabel="ms, p50")
    axes.set_ylim(bottom=0)
    axes.set_title("A fresh session beside idle ones; less is better")


def _by_size(axes: Any, results: Results, colours: dict[str, str]) -> None:
    _curves(axes, results, colours, results.group("sizes"), "peak_kib_more", 1.0 / KIB)
    sizes = [each.x for each in results.group("sizes") if each.x is not None]
    axes.plot(sizes, [size / MIB for size in sizes], ":", color="black", label="the message once")
    axes.set(xscale="log", xlabel="octets of the message", ylabel="MiB above the memory before")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=-0.05)
    axes.set_title("Peak memory by size of the message; less is better")
    axes.legend()


def _curves(
    axes: Any,
    results: Results,
    colours: dict[str, str],
    scenarios: list[Scenario],
    figure: str,
    factor: float,
) -> None:
    for server in results.servers:
        found = [(each.x, results.median(each, server, figure)) for each in scenarios]
        points = [(x, y * factor) for x, y in found if x is not None and y is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=server, color=colours[server])
