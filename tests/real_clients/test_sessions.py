"""Many clients at once, clients that pipeline or hang up, and the list of sessions."""

from __future__ import annotations

import smtplib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from gen_smtp import gen_smtp_server, gen_smtp_server_session
from tests.real_clients.conftest import Serve
from tests.real_clients.tools.collector import PATIENCE, Collector
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER, stuff
from tests.real_clients.tools.raw_client import RawClient, greeted

CLIENTS = 100
MAIL, RCPT = f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>"


def test_a_hundred_clients_at_once(serve: Serve, collector: Collector) -> None:
    served = serve()
    names = ["attachments", "8-bit", "dots", "NUL"]
    all_connected = threading.Barrier(CLIENTS)

    def send_some(number: int) -> None:
        with smtplib.SMTP(served.host, served.port, "client.example", timeout=PATIENCE) as client:
            all_connected.wait(PATIENCE)
            for turn in range(3):
                message = MESSAGES[names[(number + turn) % len(names)]]
                client.sendmail(f"{number}.{turn}@example.com", [RECIPIENT], message)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send_some, range(CLIENTS)))
    mails = {mail.sender: mail.data for mail in (collector.mail() for _ in range(3 * CLIENTS))}
    assert mails == {
        f"{number}.{turn}@example.com": MESSAGES[names[(number + turn) % len(names)]]
        for number in range(CLIENTS)
        for turn in range(3)
    }
    assert [collector.end() for _ in range(CLIENTS)] == ["normal"] * CLIENTS


def test_of_fifty_clients_twenty_are_served_and_thirty_refused(serve: Serve, collector: Collector) -> None:
    served = serve({"callbackoptions": {"limit": 20}})
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(served.address)) for _ in range(50)]
        with ThreadPoolExecutor(50) as pool:
            banners = list(pool.map(RawClient.reply, clients))
        assert [banner[:3] for banner in banners].count("220") == 20
        refused = "421 mx.example is too busy to accept mail right now"
        assert banners.count(refused) == 30
        assert len(gen_smtp_server.sessions(served.server)) == 20
        happy = next(client for client, banner in zip(clients, banners, strict=True) if banner != refused)
        assert happy.ask("QUIT") == "221 Bye"
        assert collector.end() == "normal"
        with RawClient(served.address) as next_client:
            assert next_client.reply().startswith("220 ")


def test_the_list_of_sessions_is_current_and_oldest_first(serve: Serve, collector: Collector) -> None:
    served = serve()
    assert gen_smtp_server.sessions(served.server) == []
    with ExitStack() as stack:
        clients = [stack.enter_context(greeted(served.address, f"EHLO c{number}")) for number in range(5)]
        sessions = gen_smtp_server.sessions(served.server)
        infos = [gen_smtp_server_session.info(session) for session in sessions]
        assert [info.helo for info in infos] == ["c0", "c1", "c2", "c3", "c4"]
        assert [info.peer_port for info in infos] == [each.socket.getsockname()[1] for each in clients]
        clients[1].close()
        assert sessions[1].actor_stopped.wait(PATIENCE)
        assert gen_smtp_server.sessions(served.server) == [sessions[0], *sessions[2:]]
        sessions[3].stop()
        assert clients[3].reply() == "421 mx.example Service shutting down"
        assert clients[3].rest() == b""
        assert gen_smtp_server.sessions(served.server) == [sessions[0], sessions[2], sessions[4]]
    assert sorted(str(collector.end()) for _ in range(5)) == ["normal"] * 4 + ["shutdown"]


def test_pipelined_commands_are_answered_in_order(serve: Serve, collector: Collector) -> None:
    with RawClient(serve().address) as client:
        body = stuff(MESSAGES["dots"]).removesuffix(b"\r\n")
        message: list[str | bytes] = [MAIL, RCPT, "RCPT TO:<nobody@example.com>", "DATA", body]
        client.send("EHLO raw.example", *message, "NOOP", *message, "RSET", "WHAT", "QUIT", MAIL)
        answers = ["250", "250", "550", "354", "250"]
        assert client.replies(2 + 2 * 5 + 4) == ["220", "250", *answers, "250", *answers, "250", "500", "221"]
        assert client.rest() == b""
    assert collector.mail().data == collector.mail().data == MESSAGES["dots"]
    assert collector.end() == "normal"


@pytest.mark.parametrize("size", [1, 1000, 3_000_000])
def test_a_client_that_hangs_up_in_its_message_has_sent_nothing(
    serve: Serve, collector: Collector, size: int
) -> None:
    with greeted(serve().address) as client:
        client.send(MAIL, RCPT, "DATA")
        assert client.replies(3) == ["250", "250", "354"]
        client.send_raw(b"x" * size + b"\r\n.")
    reason, _ = collector.end()
    assert reason == "error_receiving_data"
    assert collector.error()[0] == "tcp_closed"
    assert collector.mails.empty()


def test_octet_by_octet(serve: Serve, collector: Collector) -> None:
    commands = f"EHLO raw.example\r\n{MAIL}\r\n{RCPT}\r\nDATA\r\n".encode()
    with RawClient(serve().address) as client:
        for octet in commands + stuff(MESSAGES["dots"]) + b"QUIT\r\n":
            client.send_raw(bytes([octet]))
        assert client.replies(7) == ["220", "250", "250", "250", "354", "250", "221"]
    assert collector.mail().data == MESSAGES["dots"]


def test_stopping_lets_a_message_under_way_finish(serve: Serve, collector: Collector) -> None:
    served = serve()
    with greeted(served.address) as idle, greeted(served.address) as busy:
        busy.send(MAIL, RCPT, "DATA")
        assert busy.replies(3) == ["250", "250", "354"]
        stopped = gen_smtp_server.stop(served.server, block=False)
        assert idle.reply() == "421 mx.example Service shutting down"
        assert busy.ask("late", ".") == "250 queued"
        assert busy.ask("NOOP") == "421 mx.example Service shutting down"
        assert busy.rest() == b""
        assert stopped.get(timeout=PATIENCE) is True
    assert collector.mail().data == b"late\r\n"
    assert [collector.end(), collector.end()] == ["shutdown", "shutdown"]
    with pytest.raises(ConnectionRefusedError):
        RawClient(served.address)


def test_a_client_that_reads_nothing_for_a_while_gets_every_reply(serve: Serve, collector: Collector) -> None:
    served = serve(session={"limits": {"junk_commands": None}})
    commands = 200_000  # more than the kernel keeps of their replies
    with greeted(served.address) as flood, greeted(served.address) as other:
        sender = threading.Thread(target=flood.send_raw, args=(b"NOOP\r\n" * commands + b"QUIT\r\n",))
        sender.start()
        assert other.ask("QUIT") == "221 Bye"  # the flood keeps nobody waiting
        assert flood.rest() == b"250 Ok\r\n" * commands + b"221 Bye\r\n"
        sender.join(PATIENCE)
    assert [collector.end(), collector.end()] == ["normal", "normal"]


def test_a_client_that_has_finished_sending_still_gets_its_replies(
    serve: Serve, collector: Collector
) -> None:
    with RawClient(serve().address) as client:
        client.send("HELO raw.example", MAIL, RCPT, "DATA", "hello", ".")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.replies(6) == ["220", "250", "250", "250", "354", "250"]
        assert client.rest() == b""
    assert collector.mail().data == b"hello\r\n"
    assert collector.end() == "normal"
