"""What sessions tell of themselves goes to Erlang and comes back as it was."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address
from typing import Any

import pytest

from actors import TlsInfo, call
from beam import Atom, decode, encode
from gen_smtp.callbacks.facts import Proxy, SessionInfo
from gen_smtp.cluster.session_facts import info_of, term_of
from gen_smtp.protocol.proxy.header import ProxiedTls, ProxyHeader
from gen_smtp.protocol.questions import ClientFacts, ForwardedFacts
from tests.gen_smtp.live import serving

CERTIFICATE = {"subject": ((("commonName", "mx.test"),),), "version": 3, "serialNumber": "0A"}
HEADER = ProxyHeader(
    2, "inet6", ip_address("2001:db8::1"), 5, "/a/path", None, ProxiedTls("TLSv1.3"), alpn=b"h2"
)
MANY: dict[str, Any] = {
    "tls": TlsInfo("TLSv1.3", "AES", CERTIFICATE, "mx.test"),
    "proxy": Proxy(ip_address("10.0.0.1"), 7, HEADER),
    "xclient": ClientFacts(name="x.test", address=ip_address("2001:db8::2"), protocol="ESMTP"),
    "xforward": ForwardedFacts(ident="4711", source="local"),
    "helo": "h\u00e9",
    "user": "u",
    "authzid": "",
    "sender": "a@x.test",
    "recipients": ("b@x.test", "c@x.test"),
}


@pytest.mark.parametrize(
    "facts", [{}, {"peername": None, "peer_port": None}, MANY], ids=["few", "unix", "many"]
)
def test_facts_come_back_as_they_were(facts: dict[str, Any]) -> None:
    empty = dict.fromkeys((field.name for field in dataclasses.fields(SessionInfo)), None)
    numbers = dict.fromkeys(("commands", "messages", "refused", "octets"), 3) | {"started": 1.5, "idle": 0.25}
    client = {"peername": ip_address("127.0.0.1"), "peer_port": 25, "hostname": "mx.test", "recipients": ()}
    info = SessionInfo(**{**empty, **numbers, **client, **facts})
    assert info_of(decode(encode(term_of(info)))) == info


def test_a_session_answers_an_atom_and_no_text() -> None:
    with serving() as server, server.greeted():
        (session,) = server.sessions
        assert call(session, Atom("info"))[Atom("peername")] == (127, 0, 0, 1)
        assert call(session, "info") == ("unknown_call", "info")
        assert call(session, Atom("other")) == ("unknown_call", "other")
