"""The steps of an exchange, as a mechanism returns them: what is to be done next."""

from typing import Any, NamedTuple


class Challenge(NamedTuple):
    """The exchange goes on: these octets are sent to the client, in base64 behind 334."""

    data: bytes


class Credentials:
    """The exchange is complete: whether it convinces is for `handle_AUTH` to say. No repr shows them.

    Args:
        username: who the client says that it is; the empty text if the credential alone says so.
        credential: what `handle_AUTH` is given to judge. The log shows neither text nor octets of it, if it
            is one of them, a tuple, a mapping, or a dataclass of such.
        authzid: whom the client wants to act as (RFC 4422 2); None or the empty text if it does not say so.
    """

    __slots__ = ("authzid", "credential", "username")

    def __init__(self, username: str, credential: Any, authzid: str | None = None) -> None:
        self.username = username
        self.credential = credential
        self.authzid = authzid or None


class Malformed(NamedTuple):
    """The client's response has the wrong form: 501, and the exchange is over."""


class NotText(NamedTuple):
    """The client's response is not UTF-8: 501, and the exchange is over."""


class Lookup(NamedTuple):
    """`handle_AUTH_keys` is asked for what is kept of this user's password, and `found` gets its answer.

    Attributes:
        username: who the client says that it is.
    """

    username: str


class Failed(NamedTuple):
    """The credentials are wrong, or there are none: 535, and `handle_AUTH` is not asked.

    Attributes:
        username: who the client says that it is, for the log.
        challenge: what the client is told before the 535, and has to answer; None for nothing.
    """

    username: str = ""
    challenge: bytes | None = None


SaslStep = Challenge | Credentials | Malformed | NotText | Lookup | Failed
"""What is to be done next."""
