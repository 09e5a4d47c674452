"""A thousand clients that send an octet now and then, or begin TLS and never go on: cut, and no hindrance."""

from __future__ import annotations

import contextlib
import ssl
import statistics
import time
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.faults.crowd import crowd
from tests.faults.dialogues import secured
from tests.faults.recovery import deliver
from tests.faults.server_process import ServerProcess, server_process
from tests.gen_smtp.live import Client, listener

CLIENTS = 1000
SECONDS = 600.0
"""What they may take. It is the server's clock that goes faster."""

OTHERS = 20
ENVELOPE = "HELO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"
KIBIBYTES_EACH = 24
"""More than an idle session and the worst of its message may take."""


def latency(server: ServerProcess, context: ssl.SSLContext | None = None) -> float:
    """How long whole sessions take, one after the other, the middle one of them."""
    taken = []
    for _ in range(OTHERS):
        begin = time.monotonic()
        client = Client(server.addresses[0])
        deliver(secured(client, context) if context else client)
        taken.append(time.monotonic() - begin)
    return statistics.median(taken)


@pytest.mark.parametrize("said", ["", ENVELOPE], ids=["in a command", "in a message"])
def test_a_thousand_clients_that_drip_are_cut_and_others_do_not_notice(said: str) -> None:
    deadlines = {"message": SECONDS, "data_block": SECONDS, "minimum_rate": 0}
    options: dict[str, Any] = {"timeout": SECONDS, "deadlines": deadlines}
    with (
        server_process(listener(sessionoptions=options)) as server,
        crowd(server.addresses[0], CLIENTS) as drips,
    ):
        alone = latency(server)
        before = server.state()
        assert drips.ask("connect") == {"220": CLIENTS}
        if said:
            assert drips.ask("say", text=said, replies=4) == {"354": CLIENTS}
        drips.tell("drip", every=0.1)
        assert drips.hear() == "dripping"
        among_them = latency(server)
        now = server.state()
        assert now.sessions >= CLIENTS
        assert now.kibibytes - before.kibibytes < CLIENTS * KIBIBYTES_EACH
        server.advance(SECONDS - 60)
        assert server.state().sessions >= CLIENTS
        server.advance(60)
        heard = drips.hear()
        while heard == "dripping":
            heard = drips.hear()
        assert heard == {"421": CLIENTS}
        assert among_them < 10 * alone + 0.25
        deliver(Client(server.addresses[0]))
        assert server.wait_until_empty(before).taken == 2 * OTHERS + 1


@pytest.mark.parametrize("part", [0.5, 1.0], ids=["half a hello", "a hello"])
def test_a_thousand_handshakes_that_are_never_finished_are_cut_and_others_do_not_notice(
    part: float, certificates: Certificates
) -> None:
    files = certificates.ecdsa
    options = {
        "tls_options": {"certfile": files.certfile, "keyfile": files.keyfile},
        "deadlines": {"handshake": SECONDS},
    }
    context = ssl.create_default_context(cafile=certificates.cafile)
    octets = client_hello(context)
    half_hello = octets[: int(len(octets) * part)].decode("latin-1")
    with server_process(listener(protocol="ssl", sessionoptions=options)) as server:
        alone = latency(server, context)
        before = server.state()
        memory = [before.kibibytes]
        for _ in range(2):
            with crowd(server.addresses[0], CLIENTS) as flood:
                flood.ask("connect", greeted=False)
                flood.ask("send", text=half_hello)
                among_them = latency(server, context)
                assert server.state().sessions >= CLIENTS
                server.advance(SECONDS)
                assert sum(flood.ask("hear_out").values()) == CLIENTS
            assert among_them < 10 * alone + 0.25
            deliver(secured(Client(server.addresses[0]), context))
            memory.append(server.wait_until_empty(before).kibibytes)
        first, second = memory[1] - memory[0], memory[2] - memory[1]
        assert second < 0.6 * first  # what the first flood took serves the second, but for fragments


def client_hello(context: ssl.SSLContext) -> bytes:
    """The first that a client sends."""
    outgoing = ssl.MemoryBIO()
    layer = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        layer.do_handshake()
    return outgoing.read()
