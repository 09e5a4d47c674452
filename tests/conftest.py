"""What tests of every package share: certificates, commands of the system, and CI's rule on skipping."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates, make_certificates

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority and certificates, made for this run."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """`require_tool(name)`: the path of a command; without it the test is skipped, or fails in CI."""

    def require(name: str) -> str:
        found = shutil.which(name) or shutil.which(name, path=SYSTEM_FOLDERS)
        if found is None:
            pytest.skip(f"the command {name} is not installed")
        return found

    return require


@pytest.fixture
def short_path() -> Generator[Path]:
    """A folder whose path is short enough for a unix socket (107 octets), which tmp_path may not be."""
    with tempfile.TemporaryDirectory(prefix="gs-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def ipv6_loopback() -> str:
    """`::1`, where the machine has it."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return "::1"
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI everything is there that a test could need: a skipped test is a failed one."""
    report = yield
    return _failed_if_skipped_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module."""
    report = yield
    return _failed_if_skipped_in_ci(report)


def _failed_if_skipped_in_ci(report: Any) -> Any:
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {report.longrepr}"
    return report
