"""gevent's own HTTP server, on the hub beside the sessions."""

from __future__ import annotations

import logging
from typing import Any

from gevent.pywsgi import WSGIServer

from actors import spawn

_logger = logging.getLogger("gen_smtp.catch")


def start_http(app: Any, address: tuple[str, int]) -> WSGIServer:
    """Serve a WSGI application.

    Args:
        app: the application; it runs on the hub, so it must not block.
        address: host and port; port 0 lets the system choose, and `server_port` tells which.

    Raises:
        OSError: nothing can listen there.
    """

    def start() -> WSGIServer:
        server = WSGIServer(address, app, log=None, error_log=_logger)
        server.start()
        return server

    return spawn(start).get()


def stop_http(server: WSGIServer) -> None:
    """Serve no more, at once."""
    spawn(server.stop, 0).get()
