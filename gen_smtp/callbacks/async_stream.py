"""A message as it comes, for a `handle_DATA_stream` that is `async def`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from actors import spawn
from gen_smtp.callbacks.stream import MessageStream


class AsyncMessageStream:
    """As `MessageStream`, with reads to be awaited: the loop goes on while the client sends.

        async def handle_DATA_stream(self, sender, recipients, stream):
            async for chunk in stream:
                await self.store.write(chunk)
            return ok("stored")

    A read waits on the hub, and in no thread: slow clients, however many, take none from others.

    Args:
        stream: the message.

    Raises:
        IncompleteMessage: from every read, once the rest of the message can't come any more.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: MessageStream) -> None:
        self._stream = stream

    @property
    def size_hint(self) -> int | None:
        """Octets that the client declared with SIZE (RFC 1870); None if it did not."""
        return self._stream.size_hint

    async def read(self, size: int = -1) -> bytes:
        """So many octets, fewer only at the end of the message; all that is left for less than 0."""
        return await spawn(self._stream.read, size)

    async def read1(self, size: int = -1) -> bytes:
        """What is there of the message, at most so many octets; waits only if there is nothing."""
        return await spawn(self._stream.read1, size)

    async def readline(self, size: int = -1) -> bytes:
        """The next line with its end, at most so many octets of it; empty at the end of the message."""
        return await spawn(self._stream.readline, size)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The message in pieces as they come, none of them empty."""
        while chunk := await self.read1():
            yield chunk

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks()
