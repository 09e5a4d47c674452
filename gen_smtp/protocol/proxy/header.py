"""What the header of the PROXY protocol can say of a connection.

The protocol is HAProxy's; *the specification* is its proxy-protocol.txt, and section numbers are that text's.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

ProxiedFamily = Literal["inet", "inet6", "unix"]

ProxiedAddress = IPv4Address | IPv6Address | str
"""An IP address; for family unix a path, as it may be shown: a `?` for each control character."""


class ProxyHeaderError(ValueError):
    """What came is no header as the specification wants it; the text says why."""


@dataclass(frozen=True, slots=True)
class ProxiedTls:
    """The client's TLS as the proxy tells of it: it ends there, not here (section 2.2.6).

    Attributes:
        version: as `TLSv1.3`; None where the proxy doesn't say.
        cipher: the cipher suite's name, or None.
        common_name: of the client's certificate, or None. Anyone can write any name into a certificate:
            believe it only if `verified`.
        verified: the client showed a certificate, and the proxy found it good.
    """

    version: str | None = None
    cipher: str | None = None
    common_name: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """One header.

    Attributes:
        version: 1 or 2.
        family: of the client's connection. None where the header tells of no client: the connection is the
            proxy's own (LOCAL), or the proxy doesn't know whose it is (UNKNOWN, UNSPEC).
        source, source_port: the client's address; there are no ports in family unix.
        destination, destination_port: where the client connected to.
        tls: of the client's connection; None where it has none, or the proxy doesn't say.
        authority: the host that the client asked for, by SNI; None where the proxy doesn't say.
        alpn: the protocol that was agreed upon in the client's TLS, or None.
        unique_id: the proxy's name for the connection, or None.
    """

    version: Literal[1, 2]
    family: ProxiedFamily | None = None
    source: ProxiedAddress | None = None
    source_port: int | None = None
    destination: ProxiedAddress | None = None
    destination_port: int | None = None
    tls: ProxiedTls | None = None
    authority: str | None = None
    alpn: bytes | None = None
    unique_id: bytes | None = None
