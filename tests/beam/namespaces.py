"""Network namespaces: hosts of their own on this machine, whose cables can be pulled."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence

SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_numbers = itertools.count(1)


def run_ip(*arguments: str) -> None:
    """Run `ip`, which must succeed."""
    ip = shutil.which("ip", path=SYSTEM_PATH) or "ip"
    subprocess.run([ip, *arguments], check=True, capture_output=True)


def can_make_namespaces() -> bool:
    """Whether this machine lets us: it needs root with all its rights, which containers often take away."""
    unshare = shutil.which("unshare", path=SYSTEM_PATH)
    if unshare is None or shutil.which("ip", path=SYSTEM_PATH) is None:
        return False
    return subprocess.run([unshare, "--net", "--mount", "true"], capture_output=True).returncode == 0


class Network:
    """Hosts that are connected by a bridge.

    Args:
        hosts: how many.

    Attributes:
        addresses: the address of each host.
    """

    def __init__(self, hosts: int) -> None:
        mark = f"{os.getpid() % 10_000}x{next(_numbers)}"
        self._bridge = f"gs{mark}"
        self._names = [f"{self._bridge}h{number}" for number in range(hosts)]
        self._ends = [f"v{mark}c{number}" for number in range(hosts)]
        self.addresses = [f"10.213.{os.getpid() % 250}.{number + 1}" for number in range(hosts)]
        try:
            # The bridge is a namespace of its own too: the machine's own network sees nothing of all this.
            run_ip("netns", "add", self._bridge)
            run_ip("-n", self._bridge, "link", "add", "name", "br0", "type", "bridge")
            run_ip("-n", self._bridge, "link", "set", "br0", "up")
            for number, name in enumerate(self._names):
                self._add_host(name, self._ends[number], self.addresses[number])
        except BaseException:
            self.close()
            raise

    def prefix(self, host: int) -> Sequence[str]:
        """The command in front of one that is to run on a host."""
        return (shutil.which("ip", path=SYSTEM_PATH) or "ip", "netns", "exec", self._names[host])

    def cut(self, host: int) -> None:
        """Pull the cable of a host."""
        run_ip("-n", self._bridge, "link", "set", self._ends[host], "down")

    def heal(self, host: int) -> None:
        """Put the cable back in."""
        run_ip("-n", self._bridge, "link", "set", self._ends[host], "up")

    def close(self) -> None:
        """Take all of it down; what runs there must have ended."""
        for name in (*self._names, self._bridge):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, env={"PATH": SYSTEM_PATH})

    def _add_host(self, name: str, end: str, address: str) -> None:
        run_ip("netns", "add", name)
        run_ip("-n", name, "link", "set", "lo", "up")
        run_ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", self._bridge)
        run_ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        run_ip("-n", name, "link", "set", "eth0", "up")
        run_ip("-n", self._bridge, "link", "set", end, "master", "br0")
        run_ip("-n", self._bridge, "link", "set", end, "up")
