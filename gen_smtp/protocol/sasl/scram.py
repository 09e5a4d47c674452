"""SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), by the library scramp.

The client proves that it knows the password, and the server that it has the keys of it; neither sends them.
There is no channel binding: Python's `ssl` gives none that is defined for TLS 1.3 (RFC 9266).
"""

from collections.abc import Callable
from typing import Any, ClassVar

from gen_smtp.protocol.sasl.gs2 import Gs2Header, parse_gs2
from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, Mechanism
from gen_smtp.protocol.sasl.scram_keys import ScramKeys, ScramProof, load_scramp
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Failed, Lookup, Malformed, NotText, SaslStep

_ANY_KEYS = (bytes(16), bytes(32), bytes(32), 4096)
"""While the client's first message is only looked at."""
_WRONG = ("invalid-proof", "channel-bindings-dont-match")
"""In the words of RFC 5802 section 7: the message is well-formed, and does not prove anything."""


class _Header:
    """The GS2 header as the client sent it, which its last message repeats.

    scramp has one for clients that want to act as nobody else; this one stands in its place.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def make_cbind_input(self, channel_binding: object) -> bytes:
        """What the client repeats: without a channel binding the header alone (RFC 5802 section 7)."""
        return self._octets


class Scram(Mechanism):
    """One exchange: the client's name, the keys, its proof, the server's, and the client's assent."""

    __slots__ = ("_first", "_header", "_hear", "_keys", "_server", "_username")
    needs_keys: ClassVar[bool] = True

    def __init__(self, facts: ExchangeFacts) -> None:
        super().__init__(facts)
        self._hear: Callable[[str], SaslStep] = self._hear_first
        self._username = self._first = ""
        self._header: Gs2Header
        self._server: Any = None
        self._keys: ScramKeys

    @classmethod
    def missing(cls) -> str | None:
        try:
            scramp = load_scramp()
        except ImportError as error:
            return str(error)
        server = scramp.ScramMechanism(cls.name).make_server(lambda username: _ANY_KEYS)
        server.set_client_first("n,,n=u,r=nonce")
        return (
            None if hasattr(server, "gs2_header") else "SCRAM needs scramp 1.5: pip install 'gen-smtp[scram]'"
        )

    def answer(self, response: bytes) -> SaslStep:
        text = self.text(response)
        return NotText() if text is None else self._hear(text)

    def _hear_first(self, message: str) -> SaslStep:
        header = parse_gs2(message)
        if header is None or header.flag.startswith("p="):
            return Malformed()
        names: list[str] = []

        def note(username: str) -> tuple[bytes, bytes, bytes, int]:
            names.append(username)
            return _ANY_KEYS

        scramp = load_scramp()
        try:
            self._begin(scramp, note, header.rest)
        except scramp.ScramException:
            return Malformed()
        self._first, self._header, self._username = message, header, names[0]
        return Lookup(names[0])

    def _begin(
        self, scramp: Any, keys_of: Callable[[str], tuple[bytes, bytes, bytes, int]], bare: str
    ) -> Any:
        """A server that has heard the client's first message, but for its header."""
        server = scramp.ScramMechanism(self.name).make_server(keys_of, s_nonce=self.facts.make_nonce())
        server.set_client_first(f"n,,{bare}")
        return server

    def found(self, value: Any) -> SaslStep:
        """Go on with the keys of the user; None if there is no such user."""
        keys = ScramKeys.decoy(self.name, self._username) if value is None else value
        if not isinstance(keys, ScramKeys) or keys.mechanism != self.name:
            kind = keys.mechanism if isinstance(keys, ScramKeys) else type(keys).__name__
            raise TypeError(f"{self.name} needs ScramKeys of {self.name}, not {kind}")
        self._keys = keys
        found = (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
        header = self._first[: len(self._first) - len(self._header.rest)]
        self._server = self._begin(load_scramp(), lambda username: found, self._header.rest)
        self._server.gs2_header = _Header(header.encode("utf-8", "surrogateescape"))
        self._hear = self._hear_final
        return Challenge(self._server.get_server_first().encode())

    def _hear_final(self, message: str) -> SaslStep:
        scramp = load_scramp()
        try:
            self._server.set_client_final(message)
        except scramp.ScramException as error:
            is_wrong = getattr(error.server_error, "value", "") in _WRONG
            return Failed(self._username) if is_wrong else Malformed()
        self._hear = self._hear_end
        return Challenge(self._server.get_server_final().encode())

    def _hear_end(self, message: str) -> SaslStep:
        if message:
            return Malformed()
        return Credentials(self._username, ScramProof(self._keys), self._header.authzid)


class ScramSha1(Scram):
    """RFC 5802."""

    __slots__ = ()
    name: ClassVar[str] = "SCRAM-SHA-1"


class ScramSha256(Scram):
    """RFC 7677."""

    __slots__ = ()
    name: ClassVar[str] = "SCRAM-SHA-256"
