"""The listening sockets that workers share: opened by their parent, before there is any worker."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from actors.listener import file_at, open_socket, remove_file
from gen_smtp.endpoints import endpoint_of
from gen_smtp.options import ListenerOptions

T = TypeVar("T")


class SharedSockets:
    """Opens a listening socket for each listener, or none at all.

    Connections wait in the kernel, in one queue for each socket, whichever worker takes them: none is lost
    with a worker that ends, as they are with SO_REUSEPORT, where each worker has a queue of its own.

    Args:
        configurations: the options of each listener.

    Attributes:
        sockets: in the order of the options.
        addresses: the addresses really bound.

    Raises:
        ListenError: one could not be opened; those opened before it are closed again.
    """

    def __init__(self, configurations: Sequence[ListenerOptions]) -> None:
        self.sockets: list[_socket.socket] = []
        self._files: list[tuple[str, tuple[int, int] | None]] = []
        try:
            for options in configurations:
                self._open(options)
        except BaseException:
            self.close()
            raise
        self.addresses: list[Any] = [each.getsockname() for each in self.sockets]

    def close(self) -> None:
        """Close them in this process, and remove the files of unix sockets."""
        for opened in self.sockets:
            opened.close()
        for path, file in self._files:
            remove_file(path, file)
        self.sockets, self._files = [], []

    def _open(self, options: ListenerOptions) -> None:
        self.sockets.append(open_socket(endpoint_of(options), _call))
        if options.family == "unix":
            self._files.append((options.address, file_at(options.address)))


def _call(function: Callable[..., T], *args: Any) -> T:
    """Look names up here: a worker thread would need a hub, which must not be there at a fork."""
    return function(*args)
