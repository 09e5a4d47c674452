"""slimta's SMTP engine, on gevent: a greenlet for each connection."""

from __future__ import annotations

import contextlib
import warnings
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

from benchmarks.peers.arguments import HOST, LARGEST_MESSAGE, read_arguments

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources, which says that it is going away
    from slimta.smtp import ConnectionLost
    from slimta.smtp.server import Server

from gevent.server import StreamServer
from gevent.ssl import PROTOCOL_TLS_SERVER, SSLContext


class Discard:
    """slimta's handlers: none refuses anything, and the message is dropped."""


def main() -> None:
    """Serve for ever."""
    arguments = read_arguments()
    context = None
    if arguments.certfile is not None:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certfile, arguments.keyfile)

    def serve(connection: Any, address: Any) -> None:
        # Left to itself a pipelined message waits 40 ms for a delayed ACK; that would measure no CPU.
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        session = Server(
            connection,
            Discard(),
            address,
            context=context,
            tls_immediately=context is not None,
            command_timeout=300.0,
        )
        session.extensions.add("SIZE", LARGEST_MESSAGE)
        with contextlib.suppress(ConnectionLost, OSError):
            session.handle()

    StreamServer((HOST, arguments.port), serve, backlog=1024).serve_forever()


if __name__ == "__main__":
    main()
