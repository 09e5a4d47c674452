"""What a node is started with, checked before anything is opened."""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.errors import StartError
from beam.wire.channel import DEFAULT_BUSY, DEFAULT_FULL
from beam.wire.epmd import port_of_epmd

LONGEST_NAME = 255
TLS_KEYS = ("certfile", "keyfile", "cacertfile", "check_hostname")


class OptionError(ValueError):
    """An option of a node is wrong.

    Attributes:
        option: the option, as `beam.start` calls it.
    """

    def __init__(self, option: str, text: str) -> None:
        super().__init__(text)
        self.option = option


class NodeStartError(StartError):
    """A node could not start.

    Attributes:
        option: the option at fault, as `beam.start` calls it.
    """

    def __init__(self, option: str, text: str) -> None:
        super().__init__(text)
        self.option = option


@dataclass(frozen=True)
class NodeOptions:
    """The options of a node.

    Attributes:
        name: the full name; `short` and `host` are its parts.
        cookie: the secret of the cluster.
        seeds: nodes to connect to at the start.
        address, port: where the node listens.
        epmd_port: the port of epmd, here and on other hosts.
        server_tls, client_tls: the contexts of TLS; None in clear.
        only: the names of the nodes that may connect; None: all that know the cookie.
        net_ticktime: seconds of silence after which a node is taken for dead.
        busy, full: octets that may wait for each node.
    """

    name: str
    cookie: bytes
    seeds: tuple[str, ...]
    address: str
    port: int
    epmd_port: int
    server_tls: ssl.SSLContext | None
    client_tls: ssl.SSLContext | None
    only: frozenset[str] | None
    net_ticktime: float
    busy: int = DEFAULT_BUSY
    full: int = DEFAULT_FULL

    @property
    def short(self) -> str:
        """The name without the host."""
        return self.name.partition("@")[0]

    def allows(self, name: str) -> bool:
        """Whether a node may be connected with."""
        return self.only is None or name in self.only


def make_options(
    name: str,
    *,
    cookie_file: str | os.PathLike[str] | None = None,
    seeds: Sequence[str] = (),
    address: str = "127.0.0.1",
    port: int = 0,
    epmd_port: int | None = None,
    tls: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    net_ticktime: float = 60,
) -> NodeOptions:
    """The options, checked. See `beam.start`. Raises: OptionError, which says what to do."""
    _check_name("name", name)
    for option, names in (("seeds", seeds), ("only", only or ())):
        if isinstance(names, str):
            raise OptionError(
                option, f"{option} is a list of names of nodes, not one text: write [{names!r}]"
            )
        for each in names:
            _check_name(option, each)
    strangers = [] if only is None else [seed for seed in seeds if seed not in only]
    if strangers:
        raise OptionError(
            "seeds", f"seeds: {strangers[0]} may not connect, as it is none of those in only: add it there"
        )
    if not isinstance(port, int) or not 0 <= port < 65536:
        raise OptionError("port", f"port is a number from 0 to 65535, not {port!r}")
    if isinstance(net_ticktime, bool) or not isinstance(net_ticktime, int | float) or not net_ticktime > 0:
        raise OptionError("net_ticktime", f"net_ticktime is a number of seconds, not {net_ticktime!r}")
    return NodeOptions(
        name=name,
        cookie=read_cookie(
            Path("~/.erlang.cookie").expanduser() if cookie_file is None else Path(cookie_file)
        ),
        seeds=tuple(seeds),
        address=address,
        port=port,
        epmd_port=port_of_epmd() if epmd_port is None else epmd_port,
        server_tls=None if tls is None else _context(tls, server=True),
        client_tls=None if tls is None else _context(tls, server=False),
        only=None if only is None else frozenset(only),
        net_ticktime=float(net_ticktime),
    )


def _check_name(option: str, name: Any) -> None:
    if not isinstance(name, str) or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise OptionError(
            option, f"{option}: a node's name is a text of at most {LONGEST_NAME} octets, not {name!r}"
        )
    before, at, host = name.partition("@")
    if not (before and at and host) or "@" in host or "." not in host:
        raise OptionError(
            option,
            f"{option}: {name!r} is no full name of a node, such as mx1@10.0.0.5 or mx1@mail.example.com",
        )


def read_cookie(path: Path) -> bytes:
    """The cookie in a file, which nobody but its owner may read, as Erlang has it.

    Raises:
        ValueError: it can't be read, others can read it, or no cookie is in it.
    """
    try:
        mode = path.stat().st_mode
        octets = path.read_bytes()
    except OSError as error:
        raise OptionError("cookie_file", f"cookie_file: {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise OptionError(
            "cookie_file",
            f"cookie_file: {path} must be accessible by its owner only, and its mode is {mode & 0o777:03o}: "
            f"chmod 400 {path}",
        )
    cookie = octets.strip()
    if not cookie or len(cookie) > LONGEST_NAME or len(cookie.split()) > 1:
        raise OptionError(
            "cookie_file",
            f"cookie_file: {path} holds no cookie: one word of at most {LONGEST_NAME} characters",
        )
    return cookie


def _context(tls: Mapping[str, Any], server: bool) -> ssl.SSLContext:
    """TLS with certificates on both sides: a peer without one that the authority has signed is none."""
    unknown = sorted(set(tls) - set(TLS_KEYS))
    if unknown:
        raise OptionError("tls", f"tls: {unknown[0]!r} is none of {', '.join(TLS_KEYS)}")
    missing = [key for key in ("certfile", "cacertfile") if key not in tls]
    if missing:
        raise OptionError(
            "tls", f"tls: {missing[0]} is missing; both sides show a certificate and check the other's"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not server:
        context.check_hostname = bool(tls.get("check_hostname", True))
    context.verify_mode = ssl.CERT_REQUIRED
    key = "certfile"
    try:
        context.load_cert_chain(tls["certfile"], tls.get("keyfile"))
        key = "cacertfile"
        context.load_verify_locations(tls["cacertfile"])
    except (OSError, ssl.SSLError) as error:
        raise OptionError("tls", f"tls: {key} {tls[key]!r} cannot be used: {error}") from error
    return context
