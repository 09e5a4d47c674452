"""What can go wrong with a delivery, in gen_smtp's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from gen_smtp.client.protocol.text.replies import Reply

Stage = Literal["send", "no_more_hosts", "retries_exceeded"]


class DeliveryError(Exception):
    """A message could not be given to a server, or a connection not be opened.

    Args:
        reason: a server's reply, a word of gen_smtp's, text, or an OSError.
        host: the server; None if none was asked.

    Attributes:
        kind: gen_smtp's word for it, such as `"temporary_failure"`.
        reason, host: as given.
        stage: gen_smtp's word for when: `"send"` for a message, `"no_more_hosts"` or `"retries_exceeded"` for
            a connection; None where gen_smtp has none.
        replies: what the server had said to the commands that were under way.
        ended: the message was sent to its end, and the answer did not come.
    """

    kind: ClassVar[str] = "failure"
    code: ClassVar[int] = 451
    enhanced: ClassVar[str] = "4.0.0"

    def __init__(self, reason: Reply | str | OSError, host: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.host = host
        self.stage: Stage | None = None
        self.replies: Sequence[Reply] = ()
        self.ended = False

    @property
    def reply(self) -> Reply | None:
        """The server's reply, if that is the reason."""
        return self.reason if isinstance(self.reason, Reply) else None

    @property
    def permanent(self) -> bool:
        """Whether trying again is of no use."""
        return False

    @property
    def text(self) -> str:
        """The reason in words."""
        if isinstance(self.reason, OSError):
            return self.reason.strerror or str(self.reason) or type(self.reason).__name__
        cause = self.__cause__
        return f"{self.reason}: {cause}" if cause is not None and str(cause) else str(self.reason)

    def __str__(self) -> str:
        where = f" at {self.host}" if self.host else ""
        return f"{self.kind.replace('_', ' ')}{where}: {self.text}"


class TemporaryFailure(DeliveryError):  # noqa: N818 - gen_smtp's word
    """The server said 4yz (`reason` is its reply), or TLS could not be started (`"tls_failed"`)."""

    kind = "temporary_failure"
    enhanced = "4.7.5"


class PermanentFailure(DeliveryError):  # noqa: N818
    """The server said 5yz (`reason` is its reply), or took no credentials (`"auth_failed"`)."""

    kind = "permanent_failure"
    code = 550
    enhanced = "5.7.8"

    @property
    def permanent(self) -> bool:
        """True."""
        return True


class MissingRequirement(DeliveryError):  # noqa: N818
    """The server does not offer what is wanted: `"auth"` or `"tls"`."""

    kind = "missing_requirement"
    enhanced = "4.7.4"


class UnexpectedResponse(DeliveryError):  # noqa: N818
    """The server said what is no reply, or was none to expect."""

    kind = "unexpected_response"
    enhanced = "4.5.0"


class NetworkFailure(DeliveryError):  # noqa: N818
    """There was no connection, it was lost, or the server took too long: `reason` is an OSError."""

    kind = "network_failure"
    code = 421
    enhanced = "4.4.2"


def failure_of(reply: Reply) -> DeliveryError:
    """The failure that a reply which says no is."""
    return (PermanentFailure if reply.permanent else TemporaryFailure)(reply, reply.host)
