"""What a peer says with XCLIENT of the client for whom it speaks."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """The attributes of the XCLIENT commands of a session (Postfix's XCLIENT_README); None is not known.

    Attributes:
        name: the client's host name.
        name_error: why there is no `name`: its address has none (`"permanent"`), or the look-up failed
            (`"temporary"`).
        address, port: the client's.
        protocol: what it spoke.
        helo: the name it gave in its hello.
        login: the name that it has authenticated with.
        destination, destination_port: where it connected to.
    """

    name: str | None = None
    name_error: Literal["permanent", "temporary"] | None = None
    address: IPv4Address | IPv6Address | None = None
    port: int | None = None
    protocol: Literal["SMTP", "ESMTP"] | None = None
    helo: str | None = None
    login: str | None = None
    destination: IPv4Address | IPv6Address | None = None
    destination_port: int | None = None
