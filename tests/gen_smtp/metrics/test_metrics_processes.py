"""`/metrics` of real processes: summed over workers, after a death, SIGHUP and SIGUSR2, scraped for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gen_smtp.live import PATIENCE
from tests.gen_smtp.served import Served, send_mail, served

MODULE = """
from gen_smtp.gen_smtp_server_session import Behaviour, ok
from mine import MAILS

class Server(Behaviour):
    def handle_DATA(self, sender, recipients, data):
        MAILS.inc()
        return ok("queued as 1")
"""
MINE = """
from prometheus_client import Counter

MAILS = Counter("my_mails_total", "Mails that my class has seen.")
"""


def metrics_url(server: Served, after: int = 0) -> str:
    """Where the log says that the metrics are, which it does before it serves."""
    return str(re.findall(r"metrics at (http\S+)", server.log())[after])


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def total(text: str, name: str, *parts: str) -> float:
    """The sum of all samples of a name whose labels have these parts."""
    lines = (line for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(part in line for part in parts))


def until(look: Callable[[], bool]) -> None:
    """Wait for what other processes do and tell nobody."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def mail(server: Served, count: int) -> None:
    """Send so many messages, each in a session of its own."""
    for _ in range(count):
        with server.connect() as client:
            send_mail(client)
            client.say("QUIT")


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "mymodule.py").write_text(MODULE)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_workers_are_summed_whatever_becomes_of_them(module: Path) -> None:
    arguments = ("--workers", "2", "--metrics", "0", "--drain", "0", "mymodule:Server")
    folders = set(Path("/dev/shm").glob("gen-smtp-metrics-*"))
    with served(module, *arguments) as server:
        url = metrics_url(server)
        mail(server, 4)
        until(lambda: total(scrape(url), "gen_smtp_sessions_ended_total") == 4)
        text = scrape(url)
        assert total(text, "gen_smtp_messages_total", 'verdict="taken"') == 4
        assert total(text, "my_mails_total") == 4  # the program's own
        until(lambda: total(scrape(url), "gen_smtp_processes") == 2)
        assert {f'worker="{n}"' for n in (0, 1)} <= set(re.findall(r'worker="\d"', scrape(url)))

        dead = children(server.process.pid)[0]
        os.kill(dead, signal.SIGKILL)
        until(lambda: dead not in children(server.process.pid) and len(children(server.process.pid)) == 2)
        until(lambda: total(scrape(url), "gen_smtp_worker_restarts_total") == 1)
        assert total(scrape(url), "gen_smtp_messages_total") == 4
        mail(server, 3)
        assert total(scrape(url), "gen_smtp_messages_total") == 7
        assert total(scrape(url), "my_mails_total") == 7

        server.signal(signal.SIGHUP)
        until(lambda: total(scrape(url), "gen_smtp_reloads_total", 'outcome="succeeded"') >= 2)
        mail(server, 1)
        text = scrape(url)
        assert total(text, "gen_smtp_messages_total") == 8
        assert total(text, "my_mails_total") == 8
        assert len(re.findall(r"^# TYPE gen_smtp_messages_total ", text, re.MULTILINE)) == 1

        server.signal(signal.SIGUSR2)
        until(lambda: "has taken over" in server.log())
        until(lambda: total(scrape(url), "gen_smtp_messages_total") == 0)  # the successor's, from the start
        mail(server, 2)
        until(lambda: total(scrape(url), "gen_smtp_messages_total") == 2)
        assert metrics_url(server, 1) == url
        assert server.process.wait(PATIENCE) == 0
        assert total(scrape(url), "my_mails_total") == 2
    assert "Traceback" not in server.log()
    # What is killed here leaves its folder; the first process has removed its own.
    left = set(Path("/dev/shm").glob("gen-smtp-metrics-*")) - folders
    assert len(left) == 1
    shutil.rmtree(left.pop())


def test_a_single_process_has_what_its_program_counts_too(module: Path) -> None:
    with served(module, "--metrics", "127.0.0.1:0", "--drain", "0", "mymodule:Server") as server:
        url = metrics_url(server)
        mail(server, 1)
        server.signal(signal.SIGHUP)
        until(lambda: total(scrape(url), "gen_smtp_reloads_total", 'outcome="succeeded"') >= 1)
        mail(server, 1)
        text = scrape(url)
        assert total(text, "gen_smtp_messages_total") == total(text, "my_mails_total") == 2
        assert "python_info" in text
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            scrape(url.removesuffix("metrics"))
        refused.value.close()  # it holds the connection
        server.signal(signal.SIGUSR2)
        until(lambda: "has taken over" in server.log())
        until(lambda: total(scrape(url), "gen_smtp_messages_total") == 0)
        mail(server, 1)
        assert total(scrape(url), "gen_smtp_messages_total") == 1


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", ":1"])
def test_an_address_that_is_none_names_the_flag(tmp_path: Path, address: str) -> None:
    with pytest.raises(AssertionError, match="--metrics"), served(tmp_path, "--metrics", address):
        pass


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    with served(tmp_path, "--metrics", "0") as server:
        target = metrics_url(server).removeprefix("http://").removesuffix("/metrics")
        mail(server, 2)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\nscrape_configs:\n"
            f"- job_name: gen_smtp\n  static_configs: [{{targets: ['{target}']}}]\n"
        )
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
        with (tmp_path / "prometheus.log").open("wb") as log:
            prometheus = subprocess.Popen(
                [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
            )
        try:
            query = f"http://127.0.0.1:{port}/api/v1/query?query=sum(gen_smtp_messages_total)"

            def found() -> list[str]:
                try:
                    results = json.loads(scrape(query))["data"]["result"]
                except OSError:  # it does not listen yet
                    return []
                return [each["value"][1] for each in results]

            until(lambda: found() == ["2"])
        finally:
            prometheus.kill()
            prometheus.wait(PATIENCE)
