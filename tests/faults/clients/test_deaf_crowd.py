"""Clients that send and send, and read nothing of what they are told."""

from __future__ import annotations

from tests.faults.crowd import crowd
from tests.faults.recovery import deliver
from tests.faults.server_process import server_process
from tests.gen_smtp.live import Client, listener

CLIENTS = 20
KIBIBYTES_EACH = 512
"""The replies that one turn of a session makes, and what was read at once: far less than is owed to each."""

OTHERS = 20


def test_they_are_bounded_and_cut_and_others_are_served() -> None:
    options = {"limits": {"junk_commands": None}, "deadlines": {"reply": 1.0}}
    with server_process(listener(sessionoptions=options), handler="talking") as server:
        before = server.state()
        with crowd(server.addresses[0], CLIENTS) as deaf:
            assert deaf.ask("connect") == {"220": CLIENTS}
            deaf.tell("pour", text="XYZZY\r\n" * 5000)
            for _ in range(OTHERS):
                deliver(Client(server.addresses[0]))
                now = server.state()
                assert now.kibibytes - before.kibibytes < CLIENTS * KIBIBYTES_EACH
            assert deaf.hear() > CLIENTS * 100_000
            assert server.wait_until_empty(before).taken == OTHERS
