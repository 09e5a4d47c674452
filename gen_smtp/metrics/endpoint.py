"""`/metrics` over HTTP, on gevent's own server on the hub, beside the sessions."""

from __future__ import annotations

import _socket
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.pywsgi import WSGIHandler, WSGIServer
from gevent.socket import socket as gevent_socket
from prometheus_client import CollectorRegistry, make_wsgi_app

PATH = "/metrics"
MOST_CLIENTS = 32
CLIENT_SECONDS = 60.0
"""So long a connection may last: a client that says nothing takes a place from no other for ever."""

_logger = logging.getLogger("gen_smtp.metrics")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Handler(WSGIHandler):  # type: ignore[misc]  # gevent has no types
    def handle(self) -> None:
        with gevent.Timeout(CLIENT_SECONDS, False):
            super().handle()


class Endpoint:
    """Answers scrapes at a listening socket, which other processes may share; on the hub.

    Args:
        listening: the socket; it stays the caller's.
        registry: what is told.
        before: called before each answer.
    """

    def __init__(
        self, listening: _socket.socket, registry: CollectorRegistry, before: Callable[[], object]
    ) -> None:
        self._application = make_wsgi_app(registry)
        self._before = before
        own = gevent_socket(fileno=os.dup(listening.fileno()))
        self._server = WSGIServer(
            own, self._answer, spawn=MOST_CLIENTS, log=None, error_log=_logger, handler_class=_Handler
        )
        self._server.start()

    def close(self) -> None:
        """Answer no more: those who connect from now on are another process's."""
        self._server.close()
        gevent.spawn(self._server.stop, 1)

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"the metrics are at /metrics\n"]
        self._before()
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer
