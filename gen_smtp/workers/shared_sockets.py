"""The listening sockets that workers share: opened by their parent, before there is any worker."""

from __future__ import annotations

import _socket
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from actors.net.sockets import InheritedSocket, address_bound, file_at, open_socket, remove_file
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.server.endpoints import call_here, endpoint_of


class SharedSockets:
    """Opens a listening socket for each listener, or none at all.

    Connections wait in the kernel, in one queue for each socket, whichever worker takes them: none is lost
    with a worker that ends, as they are with SO_REUSEPORT, where each worker has a queue of its own.

    Args:
        configurations: the options of each listener.
        inherited: the sockets that need not be opened, in the same order.

    Attributes:
        sockets: in the order of the options.
        addresses: the addresses really bound.

    Raises:
        ListenError: one could not be opened; those opened before it are closed again.
    """

    def __init__(
        self,
        configurations: Sequence[ListenerOptions],
        inherited: Sequence[InheritedSocket | None] = (),
    ) -> None:
        self._configurations = list(configurations)
        self.sockets: list[_socket.socket] = []
        self._files: list[tuple[str, tuple[int, int] | None]] = []
        try:
            for options, given in zip_longest(configurations, inherited):
                self._add(options, given)
        except BaseException:
            self.close()
            raise
        self.addresses: list[Any] = [address_bound(each) for each in self.sockets]

    def add(self, options: ListenerOptions) -> _socket.socket:
        """Open one more.

        Args:
            options: of its listener.

        Raises:
            ListenError: it can't be opened.
        """
        self._add(options, None)
        opened = self.sockets[-1]
        self._configurations.append(options)
        self.addresses.append(address_bound(opened))
        return opened

    def remove(self, number: int) -> None:
        """Close one in this process, and remove its file; the workers close theirs.

        Args:
            number: its place in the order, from 0.
        """
        options = self._configurations.pop(number)
        self.sockets.pop(number).close()
        self.addresses.pop(number)
        gone = [each for each in self._files if options.family == "unix" and each[0] == options.address]
        for path, file in gone:
            remove_file(path, file)
        self._files = [each for each in self._files if each not in gone]

    def own_files(self, owns: bool) -> None:
        """Say whether the files of unix sockets are this process's, to be removed by `close`.

        Those of the sockets that it has opened are, from the start; inherited ones are not.
        """
        files = [each.address for each in self._configurations if each.family == "unix"]
        self._files = [(path, file_at(path)) for path in files] if owns else []

    def close(self) -> None:
        """Close them in this process, and remove the files of unix sockets."""
        for opened in self.sockets:
            opened.close()
        for path, file in self._files:
            remove_file(path, file)
        self.sockets, self._files = [], []

    def _add(self, options: ListenerOptions, inherited: InheritedSocket | None) -> None:
        if inherited is not None:
            self.sockets.append(inherited.socket)
            return
        self.sockets.append(open_socket(endpoint_of(options), call_here))
        if options.family == "unix":
            self._files.append((options.address, file_at(options.address)))
