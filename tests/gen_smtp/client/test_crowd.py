"""A thousand deliveries under way at once, to a thousand servers that take their time."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

SERVERS = 1000
MOST_MEMORY = 100 * 1024
"""KiB."""
ROOT = Path(__file__).parents[3]

CLIENT = """
import re, sys
from gen_smtp.gen_smtp_client import Client, Envelope

MESSAGE = b"hello\\r\\n" * 100
port, count = int(sys.argv[1]), int(sys.argv[2])
with Client({"port": port, "hostname": "client.test", "tls": "never"}) as client:
    futures = [
        client.submit(Envelope("me@example.com", [f"you@[127.1.{n // 250}.{n % 250 + 1}]"]), MESSAGE)
        for n in range(count)
    ]
    taken = sum(future.get(timeout=50).ok for future in futures)
    with open("/proc/self/status") as status:  # ru_maxrss would begin with that of the process that forked
        print(taken, re.search("VmHWM:\\s+([0-9]+)", status.read())[1])
"""


class SlowServers:
    """None goes on before all have heard MAIL, nor answers before all have a message."""

    def __init__(self, count: int) -> None:
        self.mail, self.messages = asyncio.Barrier(count), asyncio.Barrier(count)
        self.addresses: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.addresses.add(writer.get_extra_info("sockname")[0])
        writer.write(b"220 there\r\n")
        await reader.readline()
        writer.write(b"250-there\r\n250 PIPELINING\r\n")
        for _ in range(3):
            await reader.readline()
        await self.mail.wait()
        writer.write(b"250 Ok\r\n250 Ok\r\n354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        await self.messages.wait()
        writer.write(b"250 taken\r\n")
        await reader.readline()
        writer.close()


async def deliver_to_all() -> tuple[int, int, int]:
    """How many were delivered, the client's memory in KiB, and how many servers there were."""
    servers = SlowServers(SERVERS)
    async with contextlib.AsyncExitStack() as stack:
        port = 0
        for number in range(SERVERS):
            address = f"127.1.{number // 250}.{number % 250 + 1}"
            listening = await asyncio.start_server(servers.serve, address, port)
            await stack.enter_async_context(listening)
            port = listening.sockets[0].getsockname()[1]
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, str(port), str(SERVERS), stdout=subprocess.PIPE, cwd=ROOT
        )
        printed, _ = await client.communicate()
        taken, memory = map(int, printed.split())
    return taken, memory, len(servers.addresses)


@pytest.fixture
def many_descriptors() -> Generator[None]:
    """Two descriptors for each server here; the client inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 3 * SERVERS
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"there may be {hard} descriptors, and {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_deliveries_are_under_way_at_once() -> None:
    taken, memory, addresses = asyncio.run(deliver_to_all())
    assert (taken, addresses) == (SERVERS, SERVERS)
    assert memory < MOST_MEMORY
    print(f"{memory} KiB for {SERVERS} deliveries")
