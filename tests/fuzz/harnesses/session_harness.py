"""Drives a whole session, its server, callbacks and TLS included, with a case, cut as one likes."""

from __future__ import annotations

import base64
import contextlib
import math
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import gevent

from actors import Connection, GeventRef, launch
from actors import events as actor_events
from actors.messages import Accepted, Shutdown
from actors.runtime.hub import Hub
from gen_smtp import events
from gen_smtp.callbacks import results
from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.gen_smtp_server_session import Behaviour
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.session import SessionOptions
from gen_smtp.server.server import SmtpServer
from tests.certificates import CertificateFiles
from tests.fuzz.cases.case import HOSTNAME, Case, Cut, Pieces
from tests.fuzz.cases.script import LEAVE, STOP, Answer, Crash, answer_to, answer_to_hello, answer_to_lookup
from tests.fuzz.harnesses.harness import CHALLENGE, answer_to_data
from tests.fuzz.harnesses.memory_socket import MemorySocket, memory_sockets
from tests.fuzz.rules.transcript import (
    Call,
    Intervention,
    Item,
    Note,
    Reply,
    Transcript,
    Violation,
    parse_replies,
)

PEER = ("192.0.2.1", 4711)
PROXIED = "192.0.2.7"
HEADER = f"PROXY TCP4 {PROXIED} 198.51.100.1 56324 25\r\n".encode()
PATIENCE = 5_000
"""After so many rounds of the hub a session that is not at rest is stuck."""
AT_ONCE, A_MOMENT = 20, 1e-6
"""In so many rounds the loop looks at callbacks alone; then it gets so many seconds for all else."""

_CHALLENGE = re.compile(rb"<\d+\.\d+@mx\.test>")
_PLAIN_CHALLENGE = Reply("334", (base64.b64encode(CHALLENGE.encode()).decode(),))
_GONE = ("tcp_closed", "ssl_closed", "tcp_error", "ssl_error")


@dataclass
class Recorder:
    """What one session's callback object hears and says, and how many octets of replies came before it."""

    case: Case
    socket: MemorySocket
    heard: list[tuple[int, Item]] = field(default_factory=list)
    served: int = 0
    ends: int = 0
    broke_off: bool = False
    _count: int = 0

    def note(self, item: Item) -> None:
        """Write it down, and let the intervention happen if it is time."""
        self._write(item)
        self._count += 1
        intervention = self.case.intervention
        if intervention is not None and intervention[1] == self._count:
            self._intervene(intervention[0])

    def _write(self, item: Item) -> None:
        queued = self.socket.session.protocol.unsent
        self.heard.append((len(self.socket.said) + len(queued), item))

    def _intervene(self, kind: str) -> None:
        if kind == "shutdown":
            self._write(Intervention("shutdown"))
            self.socket.session.actor_ref.tell(Shutdown(grace=60.0))
        elif kind == "drop":
            self.socket.session.actor_ref.tell("drop")

    def drop(self) -> None:
        """The message of `drop` is being read."""
        self._write(Intervention("drop"))


class Scripted(Behaviour):
    """Answers as `script` has it, and has all of it written down."""

    recorder: Recorder
    takes_authzid = True

    def __init__(self) -> None:
        self.recorder = type(self).recorder  # of the case that runs now

    def _say(self, name: str, args: tuple[Any, ...], answer: Answer) -> Any:
        if answer.word == "hangup":
            answer = LEAVE
        self.recorder.note(Call(name, args, answer))
        if isinstance(answer.result, Exception):
            raise answer.result
        return answer.result

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        if self.session.xclient is not None:
            facts = asdict(self.session.xclient)
            answer = answer_to("XCLIENT", str(facts))
            if answer.word not in ("accept", "crash"):
                answer = STOP  # init has no other no
            result = self._say("XCLIENT", (facts,), answer)
            if not answer.accepts:
                return result
        self.recorder.served += 1
        return results.ok("ready")

    def handle_HELO(self, hostname: str) -> Any:
        answer, _ = answer_to_hello("HELO", hostname, [], self.recorder.case.flags)
        return self._say("HELO", (hostname,), answer)

    def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        case = self.recorder.case
        verb = "LHLO" if "lmtp" in case.flags else "EHLO"
        answer, _ = answer_to_hello(verb, hostname, extensions, case.flags)
        return self._say(verb, (hostname, extensions), answer)

    def handle_STARTTLS(self) -> Any:
        self.recorder.note(Note("STARTTLS done"))

    def handle_AUTH(self, mechanism: Any, username: str, credential: Any) -> Any:
        if mechanism == "cram-md5":
            credential = (credential[0], CHALLENGE if credential[1].endswith(f"@{HOSTNAME}>") else "")
        args = (mechanism, username, credential, self.session.authzid)
        return self._say("AUTH", args, answer_to("AUTH", username))

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Any:
        return self._say("AUTH_keys", (mechanism, username), answer_to_lookup(mechanism, username))

    def handle_MAIL_extension(self, extension: str) -> Any:
        return self._say("MAIL_extension", (extension,), answer_to("MAIL_extension", extension))

    def handle_MAIL(self, sender: str) -> Any:
        return self._say("MAIL", (sender,), answer_to("MAIL", sender))

    def handle_RCPT_extension(self, extension: str) -> Any:
        return self._say("RCPT_extension", (extension,), answer_to("RCPT_extension", extension))

    def handle_RCPT(self, recipient: str) -> Any:
        return self._say("RCPT", (recipient,), answer_to("RCPT", recipient))

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        transaction = self.session.transaction
        assert transaction is not None
        args = (sender, recipients, data, transaction.mail_params, list(transaction.rcpt_params))
        return self._say("DATA", args, answer_to_data("lmtp" in self.recorder.case.flags, recipients, data))

    def handle_RSET(self) -> Any:
        self.recorder.note(Note("Reset"))

    def handle_VRFY(self, address: str) -> Any:
        return self._say("VRFY", (address,), answer_to("VRFY", address))

    def handle_other(self, verb: str, args: str) -> Any:
        return self._say("other", (verb, args), answer_to("other", f"{verb} {args}"))

    def handle_info(self, message: Any) -> Any:
        self.recorder.drop()
        return results.stop("policy", "554 dropped")

    def handle_error(self, error_class: str, detail: Any) -> Any:
        gone = error_class in _GONE
        self.recorder.note(Note("Disconnected") if gone else Note(error_class, (str(detail),)))
        return results.ok

    def terminate(self, reason: Any) -> None:
        self.recorder.ends += 1
        self.recorder.broke_off = isinstance(reason, tuple) and reason[0] == "error_receiving_data"


class Streaming(Scripted):
    """The same, with messages read while they come."""

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> Any:
        return self.handle_DATA(sender, recipients, b"".join(stream.chunks()))


class SessionHarness:
    """A server in memory that sessions of all settings can be had from. Use `harness()`.

    Args:
        tls: the certificate that it has.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        # All sessions have one address: those that are not counted out keep the next one out.
        options = ServerOptions(max_sessions_per_address=1, connections_per_minute=math.inf)
        self._server = SmtpServer(Scripted, (), server_options=options)
        self._ref: GeventRef[Any] = launch(self._server)
        self._faults: list[str] = []
        self._stop_listening = [
            actor_events.subscribe(kind, self._hear_fault)
            for kind in (actor_events.ActorCrashed, actor_events.HookFailed, events.CallbackCrashed)
        ]

    def close(self) -> None:
        """Stop the server."""
        for stop in self._stop_listening:
            stop()
        self._ref.stop()

    def drive(self, case: Case, cut: Cut) -> Transcript:
        """One session."""
        transcript: Transcript = Hub.current().spawn(self._drive, case, cut).get()
        return transcript

    def _hear_fault(self, event: Any) -> None:
        if not isinstance(event.exception, Crash):
            self._faults.append(str(event))

    def _drive(self, case: Case, cut: Cut) -> Transcript:
        """Runs on the hub."""
        self._faults.clear()
        self._server._counter.present = self._server._memory.used = 0
        socket = MemorySocket()
        recorder = Scripted.recorder = Recorder(case, socket)
        client = _Client(socket, case, cut)
        self._ref.tell(Accepted((Connection(socket, PEER, 0, self._endpoint(case)),)))  # type: ignore[arg-type]
        try:
            client.run()
        finally:
            self._look_at_end(socket, recorder)
        transcript = client.transcript
        transcript.closed = True
        disconnected = Note("Disconnected", (recorder.broke_off,))
        transcript.items = [
            disconnected if item == Note("Disconnected") else item
            for item in _in_order(bytes(socket.said), recorder.heard)
        ]
        return transcript

    def _endpoint(self, case: Case) -> Any:
        has_certificate = case.flags & {"cert", "tls"}
        options = ListenerOptions(
            domain=HOSTNAME,
            protocol="ssl" if "tls" in case.flags else "tcp",
            proxy_protocol=_proxies_of(case),
            xclient=_speakers_of(case, "xclient", "xdenied"),
            xforward=_speakers_of(case, "xforward", "xfdenied"),
            sessionoptions=SessionOptions(
                tls_options=self._tls if has_certificate else None,
                refuse_early_talkers=case.talks_early,
            ),
        )
        endpoint = self._server.make_endpoint(options)
        config = case.config()  # whether this client may use XCLIENT, the session finds out
        endpoint.configuration.module = Streaming if "stream" in case.flags else Scripted
        endpoint.configuration.config = replace(
            config,
            xclient=None if config.xclient is None else False,
            xforward=None if config.xforward is None else False,
        )
        return endpoint

    def _look_at_end(self, socket: MemorySocket, recorder: Recorder) -> None:
        if self._faults:
            raise Violation("crash", "; ".join(self._faults))
        session = socket.session
        if session is not None and session.actor_ref.is_alive():
            session.actor_ref.kill()
            raise Violation("end", "the client has hung up and the session lives on")
        if not socket.closed:
            raise Violation("end", "the connection is left open")
        if recorder.ends != recorder.served:
            raise Violation("end", f"terminate was called {recorder.ends} times")
        if self._server._counter.present:
            raise Violation("end", "the session was not counted out")
        if self._server._memory.used:
            raise Violation("end", f"{self._server._memory.used} octets of messages are still counted")


class _Client:
    """The client of one session; it works on the hub, between the session's turns."""

    def __init__(self, socket: MemorySocket, case: Case, cut: Cut) -> None:
        self._socket = socket
        self._case = case
        self._cut = cut
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.transcript = Transcript()

        header = HEADER if "proxied" in case.flags else b""
        if "tls" in case.flags:
            self._in_clear, self._behind = cut(header), cut(case.clear)
        else:
            self._in_clear, self._behind = cut(header + case.clear), []
        if case.talks_early:
            socket.arrive(self._in_clear.pop(0))

    def run(self) -> None:
        """Send all, hang up, and wait for the session's end."""
        self._settle()
        self._send_all(self._in_clear)
        if "tls" in self._case.flags:
            self._shake_hands()
            self._send_all(self._behind)
        if self._case.secret is not None:
            if self._socket.transport.shaking_hands:
                self._shake_hands()
            self._send_all(self._cut(self._case.secret))
        self._hang_up()

    def _send_all(self, pieces: Pieces) -> None:
        for piece in pieces:
            if self._socket.transport.shaking_hands and self._socket.transport.secured is not None:
                break  # a client that keeps to STARTTLS sends nothing more in clear
            self._send(piece)

    def _hang_up(self) -> None:
        if "reset" in self._case.flags:
            self._socket.break_off()
            self._settle_finally()
            return
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError):  # it wants to read the server's close_notify
                self._tls.unwrap()
            self._socket.arrive(self._outgoing.read())
            self._settle()
        self._socket.arrive(b"")
        self._settle_finally()

    def _send(self, piece: bytes) -> None:
        if self._socket.closed:
            return
        if self._tls is not None:
            self._tls.write(piece)
            piece = self._outgoing.read()
        self._socket.arrive(piece)
        self._settle()
        self.transcript.note_unread(self._socket.session.protocol)

    def _shake_hands(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._socket.take_sent()
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                done = self._outgoing.read()
                self._socket.arrive(done)
                return self._settle()
            self._socket.arrive(self._outgoing.read())
            self._settle()
            answer = self._socket.take_sent()
            if not answer:
                raise Violation("TLS", "the server does not answer in the handshake")
            self._incoming.write(answer)

    def _settle(self) -> None:
        """Let the session have turns until it has nothing more to do."""
        self._wait_until(
            lambda session: (
                not (
                    self._socket.is_due
                    or session.mailbox.scheduled
                    or session._readable
                    or session.turn_greenlet
                )
            )
        )

    def _settle_finally(self) -> None:
        """Let the session have turns, and who reads its message time to return, until it is gone."""
        self._wait_until(lambda session: False)

    def _wait_until(self, is_at_rest: Callable[[Any], bool]) -> None:
        for number in range(PATIENCE):
            session = self._socket.session
            if session is not None and (not session.actor_ref.is_alive() or is_at_rest(session)):
                return
            gevent.sleep(0 if number < AT_ONCE else A_MOMENT)
        raise Violation("end", "the session does not come to rest")


def _proxies_of(case: Case) -> Any:
    """Who may bring clients with a PROXY header."""
    return [PEER[0]] if "proxied" in case.flags else None


def _speakers_of(case: Case, allowed: str, denied: str) -> Any:
    """Who may use XCLIENT or XFORWARD: the client of this case, somebody else, or nobody."""
    if allowed in case.flags:
        return [PROXIED if "proxied" in case.flags else PEER[0]]
    return ["203.0.113.0/24"] if denied in case.flags else None


def _replies(octets: bytes) -> list[Item]:
    """Replies, one CRAM-MD5 challenge being like another."""
    return [_PLAIN_CHALLENGE if _is_challenge(reply) else reply for reply in parse_replies(octets)]


def _is_challenge(reply: Reply) -> bool:
    return reply.code == "334" and _CHALLENGE.fullmatch(base64.b64decode(reply.texts[0])) is not None


def _in_order(octets: bytes, heard: list[tuple[int, Item]]) -> list[Item]:
    """Replies and what was heard between them."""
    items: list[Item] = []
    start = 0
    for position, item in heard:
        items.extend(_replies(octets[start:position]))
        items.append(item)
        start = position
    items.extend(_replies(octets[start:]))
    return items


def server_context(files: CertificateFiles) -> ssl.SSLContext:
    """What a server needs for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certfile, files.keyfile)
    return context


@contextlib.contextmanager
def harness(tls: ssl.SSLContext) -> Iterator[SessionHarness]:
    """A SessionHarness for the length of a `with` block."""
    with memory_sockets():
        made = SessionHarness(tls)
        try:
            yield made
        finally:
            made.close()
