"""MTA-STS (RFC 8461): the policy of a domain, had by HTTPS: which hosts take its mail, in TLS alone."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from typing import Literal, NamedTuple

from gen_smtp.client.routing.queries import NoAnswerError, Resolver

PORT = 443
POLICY_HOST = "mta-sts.{domain}"
SECONDS = 60.0
"""For the whole of a policy (section 3.3)."""
LARGEST_POLICY = 65536
LONGEST_AGE = 31557600
"""A year (section 3.2)."""
MOST_KEPT = 10_000
"""Policies; the oldest goes for another one."""

Mode = Literal["enforce", "testing", "none"]

_RECORD = re.compile(r"v=STSv1[ \t]*;(.*)", re.DOTALL)
_ID = re.compile(r"[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*")
_MAX_AGE = re.compile(r"[0-9]{1,10}")


class Policy(NamedTuple):
    """A policy.

    Attributes:
        mode: `"enforce"`, or one that asks for nothing.
        hosts: the hosts that may take mail; `*.` stands for one label.
        seconds: how long it holds.
    """

    mode: Mode
    hosts: tuple[str, ...]
    seconds: int

    def allows(self, host: str) -> bool:
        """Whether a host may take mail (section 4.1)."""
        name = host.lower().rstrip(".")
        return any(
            name == pattern or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])
            for pattern in self.hosts
        )


class _Kept(NamedTuple):
    record_id: str
    until: float
    policy: Policy


class Policies:
    """The policies of domains, each kept as long as it says.

    Args:
        resolver: asked for records and addresses.
        context: for HTTPS.
    """

    def __init__(self, resolver: Resolver, context: ssl.SSLContext) -> None:
        self._resolver = resolver
        self._context = context
        self._kept: dict[str, _Kept] = {}

    def of(self, domain: str) -> Policy | None:
        """The policy of a domain; None if it has none. It blocks.

        A policy that was kept holds on while a new one can't be had (section 3.3).
        """
        name = domain.lower().rstrip(".")
        kept = self._kept.get(name)
        if kept is not None and kept.until <= time.monotonic():
            kept = None
        record_id = self._record_id(name)
        if record_id is not None and (kept is None or record_id != kept.record_id):
            policy = self._fetched(name)
            if policy is not None:
                kept = self._keep(name, record_id, policy)
        return None if kept is None else kept.policy

    def _keep(self, name: str, record_id: str, policy: Policy) -> _Kept:
        self._kept.pop(name, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        kept = self._kept[name] = _Kept(record_id, time.monotonic() + policy.seconds, policy)
        return kept

    def _record_id(self, name: str) -> str | None:
        """The id in the record of a domain; None if there is not exactly one record (section 3.1)."""
        try:
            found = self._resolver.ask(f"_mta-sts.{name}", "TXT")
        except NoAnswerError:
            return None
        texts = [b"".join(record.strings).decode("ascii", "replace") for record in found.records]
        records = [text for text in texts if text.startswith("v=STSv1")]
        matched = _RECORD.fullmatch(records[0]) if len(records) == 1 else None
        fields = matched[1].split(";") if matched is not None else []
        ids = [field_id[1] for field in fields if (field_id := _ID.fullmatch(field)) is not None]
        return ids[0] if len(ids) == 1 else None

    def _fetched(self, name: str) -> Policy | None:
        try:
            return parse_policy(self._fetch(POLICY_HOST.format(domain=name)))
        except (OSError, http.client.HTTPException, NoAnswerError, ValueError):
            return None

    def _fetch(self, host: str) -> str:
        """The text of a policy. Redirections are not followed (section 3.3)."""
        due = time.monotonic() + SECONDS
        connection = http.client.HTTPSConnection(host, PORT, timeout=SECONDS, context=self._context)
        raw = socket.create_connection((self._address_of(host), PORT), SECONDS)
        try:
            connection.sock = self._context.wrap_socket(raw, server_hostname=host)
            connection.request("GET", "/.well-known/mta-sts.txt", headers={"Accept": "text/plain"})
            response = connection.getresponse()
            kind = response.headers.get_content_type()
            if response.status != http.HTTPStatus.OK or kind != "text/plain":
                raise ValueError(f"{response.status} {kind}")
            return _read(response, due).decode("utf-8")
        finally:
            connection.close()
            raw.close()

    def _address_of(self, host: str) -> str:
        for kind in ("A", "AAAA"):
            for record in self._resolver.ask(host, kind).records:
                return str(record.address)
        raise NoAnswerError(f"{host} has no address")


def _read(response: http.client.HTTPResponse, due: float) -> bytes:
    data = b""
    while piece := response.read1(4096):
        data += piece
        if len(data) > LARGEST_POLICY or time.monotonic() > due:
            raise ValueError("the policy is too long, or takes too long")
    return data


def parse_policy(text: str) -> Policy:
    """A policy of its text (section 3.2).

    Raises:
        ValueError: it is none.
    """
    fields: dict[str, list[str]] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        key, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        fields.setdefault(key.strip(), []).append(value.strip())
    modes: dict[str, Mode] = {"enforce": "enforce", "testing": "testing", "none": "none"}
    version, mode, age = (fields.get(key, [""])[0] for key in ("version", "mode", "max_age"))
    hosts = tuple(host.lower().rstrip(".") for host in fields.get("mx", []))
    if version != "STSv1" or mode not in modes or _MAX_AGE.fullmatch(age) is None:
        raise ValueError("not a policy of STSv1")
    if mode != "none" and not hosts:
        raise ValueError("a policy without hosts")
    return Policy(modes[mode], hosts, min(int(age), LONGEST_AGE))
