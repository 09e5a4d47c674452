"""aiosmtpd, on asyncio in the main thread."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiosmtpd.smtp import SMTP

from benchmarks.peers.arguments import HOST, LARGEST_MESSAGE, Arguments, read_arguments


class Discard:
    """aiosmtpd's handler: takes every message and keeps none."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "250 queued as 1"


async def serve(arguments: Arguments) -> None:
    """Serve for ever."""
    context = None
    if arguments.certfile is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certfile, arguments.keyfile)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Discard(), data_size_limit=LARGEST_MESSAGE, hostname="bench.example"),
        HOST,
        arguments.port,
        ssl=context,
        backlog=1024,
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(read_arguments()))
