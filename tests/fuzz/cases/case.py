"""One case: what the server is set to, and what the client sends. Any octets at all are a case.

The first line of its file has words for the server; all behind it is what the client sends.

    lmtp fix auth insecure size=1000 cut=7
    LHLO there
    ...

Unknown words are no words. ``<TLS>`` and a line end separate what is sent in clear from what is sent inside
TLS, if STARTTLS succeeds; if it does not, all of it is sent in clear.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gen_smtp.protocol.protocol import ProtocolConfig
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.table import ALWAYS_THERE, BUILT_IN

CERTIFICATE = ClientCertificate("printer.test")
NONCE = "fuzz"
"""The server's part of it, in each exchange of SCRAM."""
HOSTNAME = "mx.test"
TLS_MARK = b"<TLS>\r\n"

FLAGS = (
    "lmtp",
    "lenient",
    "ignore",
    "fix",
    "strip",
    "cert",  # STARTTLS can be offered
    "insecure",  # AUTH may be offered in clear
    "reqtls",
    "reqauth",
    "xclient",  # the client may use XCLIENT,
    "xdenied",  # or others may
    "xforward",  # the same for XFORWARD
    "xfdenied",
    "early",  # the client does not wait for the greeting, where it has to
    "reset",  # the client of a whole session breaks the connection instead of closing it
    "stream",  # the handler of a whole session reads messages while they come
    "full",  # there is no room for a message
    "tls",  # inside TLS from the first octet
    "proxied",  # a PROXY header comes before all else, to a whole session
    "auth",  # the extensions that handle_EHLO adds to the built-in ones,
    "sasl",  # with all mechanisms, and a client that has shown a certificate
    "starttls",
    "codes",
    "chunking",  # with BINARYMIME
    "params",  # DSN and what else brings parameters
    "noutf8",  # or takes out of them
    "no8bit",
)


@dataclass(frozen=True, slots=True)
class Number:
    """A word with a number: ``word=12``, kept between two bounds."""

    default: int
    least: int
    most: int


BOUNDLESS = 2**40

NUMBERS: Mapping[str, Number] = {
    "size": Number(10485760, 1, BOUNDLESS),
    "textline": Number(BOUNDLESS, 2, BOUNDLESS),
    "line": Number(2048, 16, 4096),
    "authline": Number(12288, 16, 12288),
    "discard": Number(65536, 16, 65536),
    "rcpts": Number(1000, 1, 2000),
    "errors": Number(20, 1, BOUNDLESS),
    "junk": Number(100, 1, BOUNDLESS),
    "authfails": Number(6, 1, BOUNDLESS),
    "messages": Number(BOUNDLESS, 1, BOUNDLESS),
    "cut": Number(0, 0, 2**32),
    # After so many things that were heard of the server, something happens to it.
    "shutdown": Number(0, 0, 1000),
    "timeout": Number(0, 0, 1000),
    "drop": Number(0, 0, 1000),
    "fail": Number(0, 0, 1000),
}
INTERVENTIONS = ("shutdown", "timeout", "drop", "fail")

Pieces = list[bytes]
Cut = Callable[[bytes], Pieces]


@dataclass(frozen=True, slots=True)
class Case:
    """A server's settings and a client's octets."""

    flags: frozenset[str] = frozenset()
    numbers: Mapping[str, int] = field(default_factory=dict)
    stream: bytes = b""

    @staticmethod
    def decode(data: bytes) -> Case:
        """The case that these octets are."""
        header, _, stream = data.partition(b"\n")
        words = header[:400].decode("latin-1").split()
        numbers = {}
        for word in words:
            name, equals, digits = word.partition("=")
            if equals and name in NUMBERS and digits.isascii() and digits.isdigit() and len(digits) <= 12:
                bounds = NUMBERS[name]
                numbers[name] = min(max(int(digits), bounds.least), bounds.most)
        return Case(frozenset(words) & frozenset(FLAGS), numbers, stream)

    def encode(self) -> bytes:
        """The octets of the file."""
        words = [flag for flag in FLAGS if flag in self.flags]
        words += [f"{name}={self.numbers[name]}" for name in NUMBERS if name in self.numbers]
        return " ".join(words).encode() + b"\n" + self.stream

    def number(self, name: str) -> int:
        """The value of a word with a number."""
        return self.numbers.get(name, NUMBERS[name].default)

    @property
    def clear(self) -> bytes:
        """What is sent before TLS."""
        return self.stream.partition(TLS_MARK)[0]

    @property
    def secret(self) -> bytes | None:
        """What is sent inside TLS; None if the client never begins a handshake."""
        _, mark, secret = self.stream.partition(TLS_MARK)
        return secret if mark else None

    @property
    def talks_early(self) -> bool:
        """Whether something is sent before the greeting. Behind TLS or a PROXY header nobody looks here."""
        return "early" in self.flags and self.clear != b"" and not self.flags & {"tls", "proxied"}

    @property
    def intervention(self) -> tuple[str, int] | None:
        """What happens to the server, and after how many things heard of it."""
        return next(((kind, n) for kind in INTERVENTIONS if (n := self.number(kind))), None)

    def config(self) -> ProtocolConfig:
        """The settings as the core has them."""
        modes = [mode for mode in ("ignore", "fix", "strip") if mode in self.flags]
        return ProtocolConfig(
            hostname=HOSTNAME,
            lmtp="lmtp" in self.flags,
            allow_bare_newlines=modes[0] if modes else False,
            lenient="lenient" in self.flags,
            starttls_available="cert" in self.flags,
            allow_insecure_auth="insecure" in self.flags,
            require_tls="reqtls" in self.flags,
            require_auth="reqauth" in self.flags,
            refuse_early_talkers=self.talks_early,
            max_message_size=self.number("size"),
            max_command_line=self.number("line"),
            max_auth_line=self.number("authline"),
            max_discarded_line=self.number("discard"),
            max_text_line=math.inf if self.number("textline") == BOUNDLESS else self.number("textline"),
            max_recipients=self.number("rcpts"),
            max_errors=self.number("errors"),
            max_junk_commands=self.number("junk"),
            max_auth_failures=self.number("authfails"),
            max_messages=math.inf if self.number("messages") == BOUNDLESS else self.number("messages"),
            has_room=lambda: "full" not in self.flags,
            mechanisms=tuple(BUILT_IN.values()) if "sasl" in self.flags else ALWAYS_THERE,
            certificate=CERTIFICATE if "sasl" in self.flags else None,
            make_nonce=lambda: NONCE,
            xclient=self._may("xclient", "xdenied"),
            xforward=self._may("xforward", "xfdenied"),
        )

    def _may(self, allowed: str, denied: str) -> bool | None:
        return True if allowed in self.flags else False if denied in self.flags else None

    def cuts(self, short: int = 800) -> list[Cut]:
        """The ways to cut what is sent: whole, where `cut` has it, and octet by octet if it is `short`."""
        seed = self.number("cut")
        ways: list[Cut] = [whole, lambda octets: cut_by(seed, octets)]
        if len(self.stream) <= short:
            ways.append(octet_by_octet)
        return ways


def whole(octets: bytes) -> Pieces:
    """In one piece."""
    return [octets] if octets else []


def octet_by_octet(octets: bytes) -> Pieces:
    """One octet a piece."""
    return [octets[i : i + 1] for i in range(len(octets))]


def cut_by(seed: int, octets: bytes) -> Pieces:
    """In pieces whose lengths follow from the seed: a few octets each, or longer ones."""
    dice = random.Random(seed)
    longest = dice.choice((3, 10, 40, 1000))
    pieces, start = [], 0
    while start < len(octets):
        length = dice.randint(1, longest)
        pieces.append(octets[start : start + length])
        start += length
    return pieces
