"""A server for a protocol of your own, on `actors` alone: `python examples/echo_server.py`.

It knows no mail. A session is the actor of one connection: say what to do when it begins, when something
came, when the client was silent for too long. Sockets, TLS, stopping and the list of sessions are there.
"""

from __future__ import annotations

import argparse
import signal

import actors

IDLE_SECONDS = 60.0
LONGEST_LINE = 1024


class EchoSession(actors.SessionActor):
    def on_connect(self) -> None:
        self.unfinished = b""
        self.announce()
        self.send(b"Say something; QUIT ends.\r\n")
        self.set_deadline(IDLE_SECONDS)

    def on_data(self, data: bytes) -> None:
        *lines, self.unfinished = (self.unfinished + data).split(b"\n")
        for line in lines:
            if line.strip().upper() == b"QUIT":
                self.finish(b"Bye.\r\n")
            self.send(line.rstrip(b"\r") + b"\r\n")
        if len(self.unfinished) > LONGEST_LINE:
            self.finish(b"Too long a line for me.\r\n")
        self.set_deadline(IDLE_SECONDS)

    def on_timeout(self) -> None:
        self.finish(b"You have fallen asleep.\r\n")

    def on_shutdown(self, grace: float) -> None:
        self.finish(b"I have to go.\r\n", "shutdown")

    def finish(self, last_words: bytes, reason: str = "normal") -> None:
        self.send(last_words)
        raise actors.ActorExit(reason)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7777)
    port = parser.parse_args().port
    # Held back here before any thread starts, the signals wait for sigwait.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    server = actors.ServerActor.start([actors.Endpoint("127.0.0.1", port)], EchoSession)
    host, port = server.proxy().addresses().get()[0]
    print(f"Try:  nc {host} {port}\nCtrl-C ends the server.")
    signal.sigwait(signals)
    print(f"stopping, {len(server.proxy().sessions().get())} clients are told")
    server.stop()


if __name__ == "__main__":
    main()
