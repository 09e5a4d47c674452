"""SIGUSR2: another process takes over, under load, and nobody notices."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, Client, listener
from tests.gen_smtp.processes import processes, stopped

BOTH = pytest.mark.parametrize("workers", [1, 2])
FOR_AGES = {"drain": 600.0, "grace": 600.0}


def send_mail(client: Client, recipient: str = "b@y.test") -> None:
    """Send a mail in a session that was greeted."""
    client.say("EHLO me", "MAIL FROM:<a@x.test>", f"RCPT TO:<{recipient}>")
    assert client.say("DATA").startswith("354 ")
    client.send(MESSAGE)
    assert client.reply() == "250 taken"


def greeted(address: object) -> Client:
    """A client that has read its banner."""
    client = Client(address)
    assert client.reply().startswith("220 ")
    return client


class Load:
    """smtp-source, again and again until it is told to end, with a number in every recipient's address.

    It gives up at the first connection or command that is not answered as it should be; so there is nothing
    that it tries twice.
    """

    PER_ROUND = 500

    def __init__(self, command: str, address: tuple[str, int]) -> None:
        self._command = [command, "-s", "8", "-m", str(self.PER_ROUND), "-N"]
        self._target = f"inet:{address[0]}:{address[1]}"
        self._over = threading.Event()
        self.sent: list[str] = []
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Send no more than this round."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            recipient = f".{len(self.sent)}@y.test"
            # A connection for each message, and then one for many, in turns.
            reuse = ["-d"] if len(self.sent) // self.PER_ROUND % 2 else []
            command = [*self._command, *reuse, "-t", recipient, self._target]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 5)
            self.sent += [f"{number}{recipient}" for number in range(1, self.PER_ROUND + 1)]
            if ended.returncode != 0 or ended.stderr:
                self.failures.append(f"{ended.returncode} {ended.stderr}")


@BOTH
def test_under_load_nobody_is_refused_and_no_message_is_lost_or_doubled(
    tmp_path: Path, require_tool: Callable[[str], str], workers: int
) -> None:
    source, restarts = require_tool("smtp-source"), 3
    with processes(tmp_path, workers=workers) as server:
        [address] = server.hear_addresses()
        load = Load(source, address)
        try:
            pids = [server.process.pid]
            for _ in range(restarts):
                server.take_more(Load.PER_ROUND // 100)
                pids.append(server.restart(pids[-1]))
            server.take_more(Load.PER_ROUND // 100)
        finally:
            load.end()
        os.kill(pids[-1], signal.SIGTERM)
        # Each has ended, in whatever order: a client may take its time to say QUIT to one that hands over.
        assert sorted(pid for kind, pid, _ in server.rest() if kind == "ended") == sorted(pids)
        assert load.failures == []
        assert Counter(server.taken()) == Counter(load.sent)
        assert len(load.sent) >= (restarts + 1) * Load.PER_ROUND
        assert len(set(pids)) == restarts + 1
        assert "Traceback" not in server.log()


class TestASession:
    @BOTH
    def test_goes_on_where_it_was_and_ends_its_process_with_it(self, tmp_path: Path, workers: int) -> None:
        with processes(tmp_path, workers=workers, times=FOR_AGES) as server:
            [address] = server.hear_addresses()
            old = server.process.pid
            with greeted(address) as client:
                client.say(*DATA)
                new = server.restart(old)
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
                send_mail(client, "later@y.test")
                with greeted(address) as other:
                    send_mail(other, "to-the-new@y.test")
                assert client.say("QUIT") == "221 Bye"
            server.hear("ended", old)
            os.kill(new, signal.SIGTERM)
            server.rest()
            assert server.taken() == ["b@y.test", "later@y.test", "to-the-new@y.test"]

    def test_hears_421_when_its_time_is_over_unless_it_is_in_a_message(self, tmp_path: Path) -> None:
        with processes(tmp_path, times={"drain": 0.05, "grace": 600.0}) as server:
            [address] = server.hear_addresses()
            old = server.process.pid
            with greeted(address) as idle, greeted(address) as busy:
                busy.say(*DATA)
                server.restart(old)
                assert idle.reply().startswith("421 ")
                busy.send(MESSAGE)
                assert busy.reply() == "250 taken"
                assert busy.say("NOOP").startswith("421 ")
            server.hear("ended", old)

    def test_of_a_process_that_has_handed_over_hears_421_at_sigterm(self, tmp_path: Path) -> None:
        with processes(tmp_path, workers=2, times=FOR_AGES) as server:
            [address] = server.hear_addresses()
            old = server.process.pid
            with greeted(address) as idle, greeted(address) as busy:
                busy.say(*DATA)
                server.restart(old)
                os.kill(old, signal.SIGTERM)
                assert idle.reply().startswith("421 ")
                os.kill(old, signal.SIGTERM)
                assert busy.reply() == ""
            server.hear("ended", old)


class TestTheQueue:
    def test_is_the_successors_alone_after_the_handover(self, tmp_path: Path) -> None:
        with processes(tmp_path, workers=2, times=FOR_AGES) as server, ExitStack() as stack:
            [address] = server.hear_addresses()
            old = server.process.pid
            stack.enter_context(greeted(address))  # so the old process stays
            new = server.restart(old)
            before, group = ([pid, *server.heard("WorkerStarted", pid)] for pid in (old, new))
            while any(listens(pid, address) for pid in before):
                os.sched_yield()
            with stopped(*group):
                clients = [stack.enter_context(Client(address)) for _ in range(40)]
                # Now the old process would take them, if it could.
                assert select.select([client.socket for client in clients], [], [], 0.2)[0] == []
            for client in clients:
                assert client.reply().startswith("220 ")
                assert int(client.say("VRFY me").removeprefix("250 ")) in group


def listens(pid: int, address: tuple[str, int]) -> bool:
    """Whether a process has the listening socket of an address open."""
    entries = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = [each[9] for each in entries if each[3] == "0A" and each[1].endswith(f":{address[1]:04X}")]
    assert len(inodes) == 1
    links = []
    with suppress(FileNotFoundError):  # the process has ended, or closes one just now
        links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return f"socket:[{inodes[0]}]" in links


class TestASuccessorThatFails:
    def test_changes_nothing(self, tmp_path: Path) -> None:
        with processes(tmp_path) as server:
            [address] = server.hear_addresses()
            old = server.process.pid
            (tmp_path / "fail").touch()
            with greeted(address) as client:
                os.kill(old, signal.SIGUSR2)
                _, why = server.hear("SuccessorFailed", old)
                assert why.endswith("exited with code 1")
                assert "LookupError: not today" in server.log()
                send_mail(client)
                with greeted(address) as later:
                    send_mail(later)
            (tmp_path / "fail").unlink()
            server.restart(old)
            with greeted(address) as last:
                send_mail(last)

    def test_by_taking_too_long_is_killed(self, tmp_path: Path) -> None:
        with processes(tmp_path, constants={"process.successor.START_TIME": 1.5}) as server:
            [address] = server.hear_addresses()
            (tmp_path / "hang").touch()
            os.kill(server.process.pid, signal.SIGUSR2)
            assert server.hear("SuccessorFailed")[1].endswith(
                "did not serve within 1.5 s and was killed by signal 9"
            )
            with greeted(address) as client:
                send_mail(client)

    def test_leaves_the_file_of_a_unix_socket(self, tmp_path: Path, short_path: Path) -> None:
        unix = {"family": "unix", "address": str(short_path / "mail"), "port": None}
        with processes(tmp_path, listeners=[unix]) as server:
            [address] = server.hear_addresses()
            (tmp_path / "fail").touch()
            os.kill(server.process.pid, signal.SIGUSR2)
            server.hear("SuccessorFailed")
            with greeted(address) as client:
                send_mail(client)


class TestAUnixSocket:
    @BOTH
    def test_has_its_file_until_the_last_process_ends(
        self, tmp_path: Path, short_path: Path, workers: int
    ) -> None:
        path = short_path / "mail"
        listeners = [{}, {"family": "unix", "address": str(path), "port": None}]
        with processes(tmp_path, workers=workers, listeners=listeners) as server:
            [_, address] = server.hear_addresses()
            pid = server.process.pid
            for _ in range(2):
                old, pid = pid, server.restart(pid)
                server.hear("ended", old)
                with greeted(address) as client:
                    send_mail(client)
            os.kill(pid, signal.SIGTERM)
            server.rest()
            assert not path.exists()


class TestOneSuccessor:
    def test_is_started_at_a_time(self, tmp_path: Path) -> None:
        with processes(tmp_path, times=FOR_AGES) as server:
            [address] = server.hear_addresses()
            old = server.process.pid
            with greeted(address):
                (tmp_path / "hang").touch()
                os.kill(old, signal.SIGUSR2)
                _, first = server.hear("SuccessorStarted")
                os.kill(old, signal.SIGUSR2)
                assert server.hear("SuccessorNotStarted")[1] == "another one is starting already"
                os.kill(first, signal.SIGKILL)
                assert server.hear("SuccessorFailed")[1] == f"process {first} was killed by signal 9"
                (tmp_path / "hang").unlink()
                server.restart(old)
                os.kill(old, signal.SIGUSR2)
                assert server.hear("SuccessorNotStarted")[1] == "another one has taken over already"

    @pytest.mark.parametrize("signals", [1, 2])
    def test_ends_with_the_process_that_it_was_to_follow(self, tmp_path: Path, signals: int) -> None:
        patience = {"process.successor.END_TIME": 0.2 if signals == 1 else 600.0}
        with processes(tmp_path, constants=patience) as server:
            server.hear_addresses()
            (tmp_path / "hang").touch()
            os.kill(server.process.pid, signal.SIGUSR2)
            _, heir = server.hear("SuccessorStarted")
            server.hear("hanging", heir)  # and it has caught SIGTERM
            # Two of the same number, one upon the other, could arrive as one.
            for number in (signal.SIGTERM, signal.SIGINT)[:signals]:
                os.kill(server.process.pid, number)
            assert server.rest()[-1] == ("ended", server.process.pid, None)

    def test_is_not_started_by_one_that_stops(self, tmp_path: Path) -> None:
        with processes(tmp_path, times=FOR_AGES) as server:
            [address] = server.hear_addresses()
            with greeted(address) as busy, greeted(address) as idle:
                busy.say(*DATA)
                os.kill(server.process.pid, signal.SIGTERM)
                assert idle.reply().startswith("421 ")
                os.kill(server.process.pid, signal.SIGUSR2)
                assert server.hear("SuccessorNotStarted")[1] == "this one is stopping"

    def test_is_not_started_by_one_that_has_not_taken_over_yet(self, tmp_path: Path) -> None:
        with processes(tmp_path, workers=2) as server:
            server.hear_addresses()
            # Its workers never answer in time.
            server.change(constants={"workers.pool.SERVING_ANSWER_TIME": 0.0})
            os.kill(server.process.pid, signal.SIGUSR2)
            heir, _ = server.hear("started")
            os.kill(heir, signal.SIGUSR2)
            assert server.hear("SuccessorNotStarted") == (heir, "this one has not taken over yet")
            os.kill(heir, signal.SIGTERM)
            assert server.hear("SuccessorFailed", server.process.pid)[1].endswith("exited with code 0")

    def test_is_not_started_by_one_whose_hub_is_blocked(self, tmp_path: Path) -> None:
        """It can't say what it listens on."""
        os.mkfifo(tmp_path / "gate")
        with processes(tmp_path, constants={"process.single.SERVER_ANSWER_TIME": 0.2}) as server:
            [address] = server.hear_addresses()
            with greeted(address) as client:
                client.send("VRFY block\r\n")
                with (tmp_path / "gate").open("w"):  # it is blocked now
                    os.kill(server.process.pid, signal.SIGUSR2)
                    assert server.hear("SuccessorNotStarted")[1] == "0.2 seconds"
                assert client.reply().startswith("250 ")
                send_mail(client)


class TestInAPatchedProgram:
    def test_it_is_the_same(self, tmp_path: Path) -> None:
        with processes(tmp_path, patched=True) as server:
            [address] = server.hear_addresses()
            old = server.process.pid
            with greeted(address) as client:
                client.say(*DATA)
                new = server.restart(old)
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
                assert client.say("QUIT") == "221 Bye"
            server.hear("ended", old)
            with greeted(address) as client:
                send_mail(client)
            os.kill(new, signal.SIGTERM)
            server.hear("ended", new)


def test_listeners_that_are_new_are_opened_and_those_that_are_gone_are_closed(tmp_path: Path) -> None:
    kept, gone = {"domain": "kept.test"}, {"address": "127.0.0.2"}
    with processes(tmp_path, workers=2, listeners=[gone, kept]) as server:
        closed, address = server.hear_addresses()
        server.change(listeners=[listener(**kept), listener(address="127.0.0.3")])
        old = server.process.pid
        new = server.restart(old)
        assert server.hear("SocketDropped", new)[1].startswith("127.0.0.2:")
        server.hear("ended", old)
        same, opened = server.hear_addresses()
        assert same == address
        for each in (address, opened):
            with greeted(each) as client:
                send_mail(client)
        with pytest.raises(ConnectionRefusedError):
            Client(closed)
