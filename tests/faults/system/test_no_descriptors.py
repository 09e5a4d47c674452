"""A process that has no descriptor left, really and for seconds: who is served goes on, who comes waits."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.faults.recovery import BODY, deliver
from tests.faults.server_process import server_process
from tests.gen_smtp.live import DATA, Client, listener

WAITING = 30


def test_sessions_go_on_without_descriptors_and_new_clients_wait_for_them() -> None:
    with server_process(listener(), handler="blocking") as server, contextlib.ExitStack() as stack:
        before = server.state()
        with Client(server.addresses[0]) as served:
            assert served.reply()[:3] == "220"
            server.starve()
            waiting = [stack.enter_context(Client(server.addresses[0])) for _ in range(WAITING)]
            server.wait_for_pauses(5)  # each twice as long as the one before: the last begins after 0.75 s
            assert served.say(*DATA)[:3] == "354"
            served.send(BODY + ".\r\n")
            assert served.reply() == "250 taken"
            server.feed()
            for client in waiting:
                deliver(client)
            served.send("QUIT\r\n")
            assert served.rest() == "221 Bye\r\n"
        deliver(Client(server.addresses[0]))
        assert server.wait_until_empty(before).taken == WAITING + 2


def test_a_handler_that_gets_no_descriptor_refuses_for_now_and_stores_later(tmp_path: Path) -> None:
    options = {"callbackoptions": {"maildir": str(tmp_path / "mail")}}
    with server_process(listener(sessionoptions=options), handler="keeping") as server:
        before = server.state()
        with Client(server.addresses[0]) as client:
            assert client.reply()[:3] == "220"
            server.starve()
            assert client.say(*DATA)[:3] == "354"
            client.send(BODY + ".\r\n")
            assert client.reply() == "451 4.3.0 Error: the message could not be stored"
            server.feed()
            assert client.say(*DATA[1:])[:3] == "354"
            client.send(BODY + ".\r\n")
            assert client.reply()[:3] == "250"
        server.wait_until_empty(before)
        stored = [path.parent.name for path in (tmp_path / "mail").rglob("*") if path.is_file()]
        assert stored == ["new"]
