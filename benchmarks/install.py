"""Installs the servers to compare with, each by itself: one that can't be had is named and left out."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import WORKSHOP, search_path
from benchmarks.servers import BASE, OURS, OURS_PURE, SERVERS, Server

NPM_PACKAGE = "smtp-server"
_PACKAGES = {"aiosmtpd": ["aiosmtpd"], "slimta": ["python-slimta", "setuptools>=77,<81"]}
"""What pip installs for a server. slimta imports pkg_resources: newer setuptools have none,
older ones can't find its dependencies."""


class NotAvailableError(Exception):
    """A server can't be had; says why."""


def available() -> tuple[list[Server], dict[str, str]]:
    """Install what is missing.

    Returns:
        the servers that can be started, and for each that can't, why.
    """
    found, left_out = [], {}
    for server in SERVERS:
        try:
            _INSTALLERS[server.name](server.name)
        except NotAvailableError as error:
            left_out[server.name] = str(error)
        else:
            found.append(server)
    return found, left_out


def version(name: str) -> str:
    """The version of a server that is installed, as far as it says so."""
    if name in (OURS, OURS_PURE):
        return importlib.metadata.version("gen-smtp")
    if name in _PACKAGES:
        return importlib.metadata.version(_PACKAGES[name][0])
    if name == NPM_PACKAGE:
        return str(json.loads(_npm_manifest().read_text())["version"])
    done = subprocess.run(
        ["postconf", "-dh", "mail_version"], capture_output=True, text=True, env={"PATH": search_path()}
    )
    return "Postfix " + done.stdout.strip()


def has_command(name: str) -> bool:
    """Whether a command is installed."""
    return shutil.which(name, path=search_path()) is not None


def _with_pip(name: str) -> None:
    try:
        importlib.metadata.version(_PACKAGES[name][0])
    except importlib.metadata.PackageNotFoundError:
        _run([sys.executable, "-m", "pip", "install", "--quiet", *_PACKAGES[name]])


def _with_npm(name: str) -> None:
    if not has_command("node") or not has_command("npm"):
        raise NotAvailableError("node and npm are not installed (Debian: apt-get install npm)")
    if not _npm_manifest().exists():
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(WORKSHOP), name])


def _from_postfix(name: str) -> None:
    if not has_command(name):
        raise NotAvailableError("Postfix is not installed (Debian: apt-get install postfix)")


_INSTALLERS: dict[str, Callable[[str], None]] = {
    OURS: lambda _: None,
    OURS_PURE: lambda _: None,
    BASE: _from_postfix,
    NPM_PACKAGE: _with_npm,
    "slimta": _with_pip,
    "aiosmtpd": _with_pip,
}


def _npm_manifest() -> Path:
    return WORKSHOP / "node_modules" / NPM_PACKAGE / "package.json"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise NotAvailableError(f"{command[0]} failed: {last[0]}")
