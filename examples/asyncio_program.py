"""A mail server inside an asyncio program: `python examples/asyncio_program.py`.

The server runs beside the event loop. A callback runs a coroutine of the loop with `actors.run_coroutine`,
and waits without keeping other sessions waiting; the loop awaits the server's futures.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import actors
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok


class Inbox(Behaviour):
    """Keeps mail in a store of the asyncio program."""

    def __init__(self, loop: asyncio.AbstractEventLoop, store: asyncio.Queue[bytes]) -> None:
        self.loop = loop
        self.store = store

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        actors.run_coroutine(self.store.put(data), self.loop)  # waits while the store is full
        return ok("stored")


async def send(host: str, port: int) -> None:
    """A client in asyncio's own way."""
    reader, writer = await asyncio.open_connection(host, port)
    mail = ["EHLO me", "MAIL FROM:<me@example.com>", "RCPT TO:<you@example.com>", "DATA"]
    for line in ["", *mail, "Subject: hello\r\n\r\nHello\r\n.", "QUIT"]:
        if line:
            writer.write(f"{line}\r\n".encode())
        while (reply := await reader.readline())[3:4] == b"-":
            pass
        print(f"client: {line[:40]!r} -> {reply.decode().strip()}")
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    store: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
    module = functools.partial(Inbox, asyncio.get_running_loop(), store)
    server = gen_smtp_server.start(module, [{"address": "127.0.0.1", "port": 0, "domain": "localhost"}])
    sending = asyncio.create_task(send(*gen_smtp_server.addresses(server)[0]))
    print(f"store: {len(await store.get())} octets")
    await sending
    await gen_smtp_server.stop(server, block=False)
    print("stopped")


if __name__ == "__main__":
    asyncio.run(main())
