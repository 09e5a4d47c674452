"""Thousands of clients at once: all are served, none is forgotten, and all that they had is given back.

`LOAD_CLIENTS` says how many they are; `make load` has 10,000. They are in several processes, as one process
may not have so many descriptors; the server needs one for each.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import Any

from tests.faults.crowd import crowd
from tests.faults.recovery import deliver
from tests.faults.server_process import server_process
from tests.gen_smtp.live import Client, listener

CLIENTS = int(os.environ.get("LOAD_CLIENTS", "2000"))
IN_A_PROCESS = 1000
KIBIBYTES_EACH = 12
"""More than a session takes, with its socket's part that is the process's."""

ENVELOPE = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"
SPARE = 100
"""Descriptors that a server has for other things."""


def test_thousands_at_once_are_served_and_leave_nothing() -> None:
    processes = CLIENTS // IN_A_PROCESS
    every = IN_A_PROCESS
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= CLIENTS + SPARE, "raise the limit of descriptors"
    with server_process(listener(), max_sessions=CLIENTS + SPARE) as server, contextlib.ExitStack() as stack:
        deliver(Client(server.addresses[0]))
        before = server.state()
        crowds = [stack.enter_context(crowd(server.addresses[0], every)) for _ in range(processes)]

        def all_ask(method: str, **arguments: Any) -> list[dict[str, int]]:
            for each in crowds:
                each.tell(method, **arguments)
            return [each.hear() for each in crowds]

        assert all_ask("connect") == [{"220": every}] * processes
        now = server.state()
        assert now.sessions == now.counted == CLIENTS
        assert now.descriptors == before.descriptors + CLIENTS
        assert all_ask("say", text="EHLO c\r\n") == [{"250": every}] * processes
        assert all_ask("say", text=ENVELOPE, replies=3) == [{"354": every}] * processes
        deliver(Client(server.addresses[0]))
        assert all_ask("say", text="hello\r\n.\r\n") == [{"250": every}] * processes
        now = server.state()
        print(f"{CLIENTS} sessions: {(now.kibibytes - before.kibibytes) / CLIENTS:.1f} KiB each")
        assert now.kibibytes - before.kibibytes < CLIENTS * KIBIBYTES_EACH
        for number, each in enumerate(crowds):
            each.ask("leave", reset=number % 2 == 1)
        deliver(Client(server.addresses[0]))
        assert server.wait_until_empty(before).taken == CLIENTS + 3


def test_a_herd_that_connects_without_waiting_is_served_to_the_last() -> None:
    with server_process(listener()) as server, contextlib.ExitStack() as stack:
        before = server.state()
        crowds = [stack.enter_context(crowd(server.addresses[0], IN_A_PROCESS)) for _ in range(2)]
        for each in crowds:
            each.tell("connect", at_once=IN_A_PROCESS)
        for each in crowds:
            assert each.hear() == {"220": IN_A_PROCESS}
            each.tell("say", text="QUIT\r\n")
        for each in crowds:
            assert each.hear() == {"221": IN_A_PROCESS}
        deliver(Client(server.addresses[0]))
        server.wait_until_empty(before)
