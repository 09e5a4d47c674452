"""A next host: the connection to it, and what it says of the transaction under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actors import spawn
from gen_smtp import gen_smtp_client
from gen_smtp.gen_smtp_client import ClientOptions, Connection, DeliveryError, Envelope, Recipient, Reply

Introduce = Callable[[Connection], None]
"""Says to a new connection who the client is."""


class Hop:
    """A next host. Its connection is kept from one transaction to the next.

    Args:
        options: where it is, and how mail is given to it.
        introduce: called with each new connection.
    """

    def __init__(self, options: ClientOptions, introduce: Introduce) -> None:
        self._options = options
        self._introduce = introduce
        self._connection: Connection | None = None

    @property
    def host(self) -> str | None:
        """Its name; None without a connection."""
        return None if self._connection is None else self._connection.host

    @property
    def sends_reports(self) -> bool:
        """Whether it has DSN, and tells senders what they want to hear."""
        return self._connection is not None and "DSN" in self._connection.extensions

    def mail(self, envelope: Envelope, before: Introduce) -> Reply:
        """Begin a transaction. `before` is called with the connection before MAIL.

        Raises:
            DeliveryError: there is no connection, or it was lost.
        """
        kept = self._connection
        if kept is not None and kept.alive:
            try:
                return self._mail(kept, envelope, before)
            except DeliveryError:
                pass  # it was idle, and the host has closed it
        self._drop()
        return self._mail(self._connected(), envelope, before)

    def _mail(self, connection: Connection, envelope: Envelope, before: Introduce) -> Reply:
        before(connection)
        return connection.mail(envelope)

    def _connected(self) -> Connection:
        self._connection = connection = gen_smtp_client.open(self._options)
        self._introduce(connection)
        return connection

    def rcpt(self, recipient: Recipient) -> Reply:
        """Add a recipient.

        Raises:
            DeliveryError: the connection was lost.
        """
        return self._current().rcpt(recipient)

    def data(self, message: Iterable[bytes]) -> list[Reply]:
        """Give it the message.

        Returns:
            one reply, or with LMTP one for each recipient that it has taken.

        Raises:
            DeliveryError: the connection was lost.
            Exception: what the message raises; the host then has no message.
        """
        connection = self._current()
        try:
            return connection.data(message)
        except BaseException:
            self._drop()
            raise

    def _current(self) -> Connection:
        assert self._connection is not None  # MAIL came first
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def close(self) -> None:
        """Say good-bye to the host, without waiting for its answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            spawn(connection.close)
