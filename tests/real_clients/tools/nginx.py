"""An nginx of the tests' own as a mail proxy, with the HTTP server that it asks about each client."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.real_clients.tools.collector import PATIENCE

MAIL_MODULE = Path("/usr/lib/nginx/modules/ngx_mail_module.so")
_OWN = """\
load_module {module};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{ worker_connections 50; }}
"""


class AuthServer:
    """Says to nginx that a client may come, and where to. As a context manager.

    Args:
        address: of the server behind nginx.
        passwords: what users log in with; a client with another one is refused. One without any may come.

    Attributes:
        asked: the headers of each question.
    """

    def __init__(self, address: Any, passwords: dict[str, str]) -> None:
        self.asked: list[dict[str, str]] = []
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = dict(self.headers.items())
                own.asked.append(headers)
                user, password = headers.get("Auth-User"), headers.get("Auth-Pass")
                good = headers["Auth-Method"] == "none" or passwords.get(_unquoted(user)) == _unquoted(
                    password
                )
                self.send_response(200)
                self.send_header("Auth-Status", "OK" if good else "Invalid login or password")
                self.send_header("Auth-Server", str(address[0]))
                self.send_header("Auth-Port", str(address[1]))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing: it is no test's concern."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)


def _unquoted(value: str | None) -> str:
    """nginx writes blanks and percent signs of names and passwords as `%XX`."""
    return (value or "").replace("%20", " ").replace("%25", "%")


class Nginx:
    """A running nginx, as a context manager.

    Args:
        command: the path of the command nginx.
        folder: for its files.
        configuration: its `mail` block, with a port in `listen` that stands for the one that it will have.

    Attributes:
        address: where it listens.
    """

    def __init__(self, command: str, folder: Path, configuration: str) -> None:
        self._command = command
        self._folder = folder
        self._file = folder / "nginx.conf"
        with ExitStack() as stack:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self.address: Any = listening.getsockname()
            self._listening = listening
            stack.pop_all()
        place = f"127.0.0.1:{self.address[1]}"
        before, listen, behind = configuration.partition("listen ")
        assert listen
        text = f"{before}{listen}{place}{behind[behind.index(';') :]}"
        self._file.write_text(_OWN.format(module=MAIL_MODULE, folder=folder) + text)

    def __enter__(self) -> Self:
        descriptor = self._listening.fileno()
        with self._listening, (self._folder / "output.log").open("wb") as log:
            # The socket is opened here and inherited: no port to be taken by others, and no wait for a start.
            self._process = subprocess.Popen(
                [self._command, "-p", str(self._folder), "-c", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[descriptor],
                env={"NGINX": f"{descriptor};"},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()  # so that it ends its worker, too
        self._process.wait(PATIENCE)
        if error is not None:
            for name in ("nginx.log", "output.log"):
                if (self._folder / name).exists():
                    print((self._folder / name).read_text(errors="replace"))
