"""The listening socket for scrapes: opened once, shared by the workers, and passed on to a successor."""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from socket import AF_INET, AF_INET6, SO_ACCEPTCONN, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, getaddrinfo

from gen_smtp.options.checks import OptionsError

HANDED = "GEN_SMTP_METRICS_SOCKET"
"""The variable that tells a successor the process that has handed a socket to it, and its descriptor."""

_FROM = 200
"""Descriptors below may become a successor's listening sockets."""

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:]+):)?(?P<port>\d{1,5})")


def parse_address(option: str, given: str | int) -> tuple[str, int]:
    """`9464`, which is a port of 127.0.0.1, or `HOST:PORT`.

    Raises:
        OptionsError: it is neither.
    """
    found = _ADDRESS.fullmatch(str(given))
    if found is None or int(found["port"]) > 65535 or isinstance(given, bool):
        raise OptionsError(
            f"no address: {given!r}",
            option=option,
            allowed="a port of 127.0.0.1, or HOST:PORT, [::1]:9464 say; port 0 lets the system choose",
        )
    return (found["host"] or "127.0.0.1").strip("[]"), int(found["port"])


@contextmanager
def listening_at(
    host: str, port: int, environment: MutableMapping[str, str] = os.environ
) -> Iterator[_socket.socket]:
    """A socket that listens there for the length of a `with` block: a predecessor's, if it has handed one on.

    Raises:
        OSError: nothing can listen there.
    """
    listening = _handed_over(host, port, environment) or _open(host, port)
    # A successor gets it by its number; `subprocess` closes all that is not said to be passed on.
    passed_on = fcntl.fcntl(listening.fileno(), fcntl.F_DUPFD, _FROM)
    environment[HANDED] = f"{os.getpid()}:{passed_on}"
    try:
        yield listening
    finally:
        environment.pop(HANDED, None)
        os.close(passed_on)
        listening.close()


def _open(host: str, port: int) -> _socket.socket:
    family, _, _, _, address = getaddrinfo(host, port, type=SOCK_STREAM)[0]
    opened = _socket.socket(family, SOCK_STREAM)
    try:
        opened.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        if family == AF_INET6:
            opened.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(64)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def _handed_over(host: str, port: int, environment: MutableMapping[str, str]) -> _socket.socket | None:
    """The socket of the predecessor, if there is one that listens where this is to listen."""
    parent, _, number = environment.pop(HANDED, "").partition(":")
    if parent != str(os.getppid()) or not number.isdecimal():
        return None
    with contextlib.suppress(OSError):
        os.set_inheritable(int(number), False)
        found = _socket.socket(fileno=int(number))
        if _is_there(found, host, port):
            found.setblocking(False)
            return found
        found.close()
    return None


def _is_there(found: _socket.socket, host: str, port: int) -> bool:
    if found.family not in (AF_INET, AF_INET6) or not found.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
        return False
    bound = found.getsockname()
    wanted = {each[4][0] for each in getaddrinfo(host, port, type=SOCK_STREAM)}
    return bound[0] in wanted and port in (0, bound[1])
