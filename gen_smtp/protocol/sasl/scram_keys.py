"""What a server keeps of a password for SCRAM (RFC 5802), instead of the password."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

HASHES: Mapping[str, str] = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}
"""The mechanisms, and the hash of each as `hashlib` calls it."""

FEWEST_ITERATIONS = 4096
"""RFC 7677 section 4, which names 15,000 as what a machine could do in a tenth of a second."""
USUAL_ITERATIONS = 15_000
MOST_ITERATIONS = 10_000_000
"""scramp takes no more: the client has to compute them."""
FEWEST_SALT = 12
"""Octets; scramp takes no less."""

_TEXT = re.compile(r"(SCRAM-SHA-[0-9]+)\$([0-9]{1,9}):([^:$]+)\$([^:$]+):([^:$]+)", re.ASCII)
_DECOY_KEY = secrets.token_bytes(32)
"""Of this process, and of those that it forks: the salts of users that there are not depend on it."""


def load_scramp() -> Any:
    """The library that does the exchange.

    Raises:
        ImportError: it is not installed, or another version; says what to do.
    """
    try:
        import scramp
    except ModuleNotFoundError as error:
        raise ImportError("SCRAM needs scramp: pip install 'gen-smtp[scram]'") from error
    return scramp


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What is kept of a password: a client can be checked by it, and nobody can log in with it.

    No repr shows the keys.

    Attributes:
        mechanism: `"SCRAM-SHA-1"` or `"SCRAM-SHA-256"`; each has keys of its own.
        salt: 12 octets at least, other ones for each user.
        iterations: 4096 to 10,000,000; the more, the longer it takes to guess the password by the keys.
        stored_key: by which the client's proof is checked.
        server_key: by which the server shows the client that it has the keys.

    Raises:
        ValueError: a value is out of range.
    """

    mechanism: str
    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.mechanism not in HASHES:
            raise ValueError(f"not a mechanism: {self.mechanism!r}; allowed are {', '.join(HASHES)}")
        if not isinstance(self.salt, bytes) or len(self.salt) < FEWEST_SALT:
            raise ValueError(f"the salt must be {FEWEST_SALT} octets at least")
        is_whole = type(self.iterations) is int
        if not is_whole or not FEWEST_ITERATIONS <= self.iterations <= MOST_ITERATIONS:
            raise ValueError(
                f"the iterations must be {FEWEST_ITERATIONS} to {MOST_ITERATIONS}, not {self.iterations!r}"
            )
        size = hashlib.new(HASHES[self.mechanism]).digest_size
        for name in ("stored_key", "server_key"):
            key = getattr(self, name)
            if not isinstance(key, bytes) or len(key) != size:
                raise ValueError(f"the {name} of {self.mechanism} must be {size} octets")

    @classmethod
    def of_password(
        cls,
        password: str,
        mechanism: str = "SCRAM-SHA-256",
        *,
        iterations: int = USUAL_ITERATIONS,
        salt: bytes | None = None,
    ) -> Self:
        """Make the keys of a password. It takes milliseconds: call it in a worker thread.

        Args:
            password: the password.
            mechanism: `"SCRAM-SHA-1"` or `"SCRAM-SHA-256"`.
            iterations: how often it is hashed.
            salt: None makes a new one.

        Raises:
            ValueError: a value is out of range, or the password has characters that are in none (RFC 4013).
            ImportError: scramp is not installed; it comes with the extra `scram`.
        """
        scramp = load_scramp()
        if mechanism not in HASHES:
            raise ValueError(f"not a mechanism: {mechanism!r}; allowed are {', '.join(HASHES)}")
        salt = secrets.token_bytes(16) if salt is None else salt
        try:
            info = scramp.ScramMechanism(mechanism).make_auth_info(password, iterations, salt)
        except scramp.ScramException as error:
            raise ValueError(str(error)) from None
        _, stored_key, server_key, _ = info
        return cls(mechanism, salt, iterations, stored_key, server_key)

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The keys of a text as `text` makes it, and as PostgreSQL keeps it.

        Raises:
            ValueError: it is none. The message shows nothing of it.
        """
        matched = _TEXT.fullmatch(text)
        if matched is None:
            raise ValueError("not the text of SCRAM keys: MECHANISM$ITERATIONS:SALT$STOREDKEY:SERVERKEY")
        mechanism, iterations, *encoded = matched.groups()
        try:
            salt, stored_key, server_key = (base64.b64decode(each, validate=True) for each in encoded)
        except binascii.Error:
            raise ValueError("the text of SCRAM keys has a part that is not base64") from None
        return cls(mechanism, salt, int(iterations), stored_key, server_key)

    def text(self) -> str:
        """One line, for a file or a database: `SCRAM-SHA-256$15000:SALT$STOREDKEY:SERVERKEY`, in base64."""
        salt, stored_key, server_key = (
            base64.b64encode(each).decode() for each in (self.salt, self.stored_key, self.server_key)
        )
        return f"{self.mechanism}${self.iterations}:{salt}${stored_key}:{server_key}"

    def matches(self, password: str) -> bool:
        """Whether they are of this password, for PLAIN and LOGIN. It takes as long as making them.

        Raises:
            ImportError: scramp is not installed.
        """
        try:
            made = self.of_password(password, self.mechanism, iterations=self.iterations, salt=self.salt)
        except ValueError:
            return False
        return hmac.compare_digest(made.stored_key, self.stored_key)

    @classmethod
    def decoy(cls, mechanism: str, username: str, *, iterations: int = USUAL_ITERATIONS) -> Self:
        """Keys that no password has, for a user that there is not: a client can't tell them from good ones.

        Args:
            mechanism: `"SCRAM-SHA-1"` or `"SCRAM-SHA-256"`.
            username: the name; each time it gets the same salt, as long as the server runs.
            iterations: as many as good keys have.
        """
        salt = hmac.digest(_DECOY_KEY, f"{mechanism} {username}".encode("utf-8", "surrogateescape"), "sha256")
        size = hashlib.new(HASHES[mechanism]).digest_size
        return cls(mechanism, salt[:16], iterations, secrets.token_bytes(size), secrets.token_bytes(size))


@dataclass(frozen=True, slots=True)
class ScramProof:
    """A client has proved that it knows the password behind these keys.

    Attributes:
        keys: what `handle_AUTH_keys` has returned.
    """

    keys: ScramKeys
