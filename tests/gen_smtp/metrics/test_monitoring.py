"""The dashboard and the alerts: promtool takes them, and every metric that they name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gen_smtp.metrics import names_exposed
from gen_smtp.metrics.instruments import COUNTERS, GAUGES, HISTOGRAMS, PREFIX, make_instruments
from tests.gen_smtp.live import PATIENCE

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "examples" / "monitoring"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def promtool(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, timeout=PATIENCE, input=text
    )
    assert done.returncode == 0, done.stdout + done.stderr


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bgen_smtp_\w+", text))


@needs_promtool
def test_promtool_takes_the_configuration_and_the_alerts() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "alerts_test.yml")


@needs_promtool
def test_promtool_has_nothing_against_the_names() -> None:
    registry = CollectorRegistry()
    made = make_instruments(registry)
    for each in (*COUNTERS, *HISTOGRAMS, *GAUGES):
        if each.labels:
            made[each.name].labels(*("x" for _ in each.labels))
    lines = generate_latest(registry).decode().splitlines()
    # The library's own, which promtool has something against.
    promtool("check", "metrics", text="\n".join(line for line in lines if "_created" not in line) + "\n")


def test_every_metric_of_the_dashboard_exists_and_each_is_shown() -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = set().union(*map(named_in, queries))
    assert named - names_exposed() == set()
    # The dashboard leaves out what is of use in few installations.
    stems = {re.sub(r"_(bucket|sum|count)$", "", each) for each in named}
    left_out = {PREFIX + each.name for each in (*COUNTERS, *HISTOGRAMS, *GAUGES)} - stems - named
    assert len(left_out) <= 12, left_out
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize("name", ["alerts.yml", "alerts_test.yml"])
def test_every_metric_of_the_alerts_exists(name: str) -> None:
    named = named_in((MONITORING / name).read_text())
    assert named
    assert named - names_exposed() - {"gen_smtp"} == set()


def test_docs_name_every_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = dict(re.findall(r"^\| `(gen_smtp_\w+)` \| ([^|]*) \|", page, re.MULTILINE))
    instruments = (*COUNTERS, *HISTOGRAMS, *GAUGES)
    assert rows == {PREFIX + each.name: ", ".join(f"`{n}`" for n in each.labels) for each in instruments}
