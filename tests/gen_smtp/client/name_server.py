"""A name server for tests: real packets, and DNSSEC's AD bit as a resolver that validates sets it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

Records = Mapping[tuple[str, str], Sequence[str]]
"""Of a name and a type, such as `("a.example", "MX")`, the values as they stand in a zone."""


class NameServer:
    """Answers questions by UDP.

    Attributes:
        records: what there is; may be changed.
        insecure: names for which DNSSEC vouches not.
        failing: names for which it answers SERVFAIL, as a resolver does if signatures are wrong.
        asked: the questions so far.
    """

    def __init__(self, records: Records) -> None:
        self.records = dict(records)
        self.insecure: set[str] = set()
        self.failing: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def resolver(self) -> dns.resolver.Resolver:
        """One that asks this server alone."""
        made = dns.resolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self._socket.getsockname()[1]
        made.lifetime = 5.0
        return made

    def _serve(self) -> None:
        while True:
            octets, client = self._socket.recvfrom(4096)
            if not octets:
                return
            self._socket.sendto(self._answer(dns.message.from_wire(octets)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        values = self.records.get((name, kind))
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if name not in self.insecure and query.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        return response

    def stop(self) -> None:
        """Stop."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(5.0)
        self._socket.close()


@contextmanager
def name_server(records: Records) -> Generator[NameServer]:
    """A name server for a `with` block."""
    server = NameServer(records)
    try:
        yield server
    finally:
        server.stop()
