"""A behaviour whose callbacks are `async def`, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gen_smtp.callbacks.async_stream import AsyncMessageStream
from gen_smtp.callbacks.behaviour import (
    Behaviour,
    DataResult,
    ErrorResult,
    Extensions,
    InfoResult,
    InitResult,
    NoticeResult,
    OtherResult,
    Verdict,
)
from gen_smtp.callbacks.facts import Peername

# mypy: disable-error-code="override, empty-body"


class AsyncBehaviour(Behaviour):
    """As `Behaviour`, for classes that write their callbacks with `async def`.

        class MyServer(gen_smtp_server_session.AsyncBehaviour):
            async def handle_DATA(self, sender, recipients, data):
                return ok(f"queued as {await self.queue.put(sender, recipients, data)}")

    It is there for type checkers, which know the coroutines by it. While a program runs it is a Behaviour: a
    callback that is not overridden is none, and does not go to the loop. See `Behaviour` for each of them.
    """

    if TYPE_CHECKING:

        async def init(
            self, hostname: str, session_count: int, peername: Peername, options: Any
        ) -> InitResult: ...
        async def handle_HELO(self, hostname: str) -> Verdict: ...
        async def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict: ...
        async def handle_STARTTLS(self) -> NoticeResult: ...
        async def handle_AUTH(
            self, mechanism: str, username: str, credential: str | tuple[str, str]
        ) -> Verdict: ...
        async def handle_MAIL(self, sender: str) -> Verdict: ...
        async def handle_MAIL_extension(self, extension: str) -> Verdict: ...
        async def handle_RCPT(self, recipient: str) -> Verdict: ...
        async def handle_RCPT_extension(self, extension: str) -> Verdict: ...
        async def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> DataResult: ...
        async def handle_DATA_stream(
            self, sender: str, recipients: list[str], stream: AsyncMessageStream
        ) -> DataResult: ...
        async def handle_RSET(self) -> NoticeResult: ...
        async def handle_VRFY(self, address: str) -> Verdict: ...
        async def handle_other(self, verb: str, args: str) -> OtherResult: ...
        async def handle_info(self, message: Any) -> InfoResult: ...
        async def handle_error(self, error_class: str, detail: Any) -> ErrorResult: ...
        async def terminate(self, reason: Any) -> object: ...
