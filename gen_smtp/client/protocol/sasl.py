"""The client's side of AUTH: a class for each mechanism, and the table of them."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from gen_smtp.protocol.sasl.scram_keys import load_scramp

MOST_ITERATIONS = 1_000_000
"""Of SCRAM: they take half a second, in which nothing else runs."""
_ITERATIONS = re.compile(r",i=([0-9]+)")


class ExchangeError(Exception):
    """What the server says does not belong to the exchange, or does not prove what it must."""


class Exchange(Protocol):
    """One exchange of a mechanism."""

    def initial(self) -> bytes | None:
        """What goes with AUTH; None for nothing."""

    def answer(self, challenge: bytes) -> bytes:
        """The answer to a challenge. Raises: ExchangeError."""

    def finish(self) -> None:
        """The server says that it is content. Raises: ExchangeError."""


class Plain:
    """PLAIN (RFC 4616), and all that consist of one message."""

    def __init__(self, message: bytes) -> None:
        self._message = message

    def initial(self) -> bytes | None:
        """The message."""
        return self._message

    def answer(self, challenge: bytes) -> bytes:
        """Nothing: after an error a server of XOAUTH2 or OAUTHBEARER waits for a line."""
        return b""

    def finish(self) -> None:
        """Nothing is proved."""


class Login:
    """LOGIN: the name, then the password; prompts differ, and say nothing."""

    def __init__(self, username: str, password: str) -> None:
        self._answers = [password.encode(), username.encode()]

    def initial(self) -> bytes | None:
        """Nothing."""
        return None

    def answer(self, challenge: bytes) -> bytes:
        """The next of the two."""
        if not self._answers:
            raise ExchangeError("the server asks for more than a name and a password")
        return self._answers.pop()

    def finish(self) -> None:
        """Nothing is proved."""


class CramMd5:
    """CRAM-MD5 (RFC 2195)."""

    def __init__(self, username: str, password: str) -> None:
        self._username, self._password = username, password

    def initial(self) -> bytes | None:
        """Nothing."""
        return None

    def answer(self, challenge: bytes) -> bytes:
        """The name and the digest of the challenge."""
        digest = hmac.digest(self._password.encode(), challenge, "md5").hex()
        return f"{self._username} {digest}".encode()

    def finish(self) -> None:
        """Nothing is proved."""


class Scram:
    """SCRAM (RFC 5802, RFC 7677), by the library scramp, without channel binding."""

    def __init__(self, name: str, username: str, password: str) -> None:
        self._client: Any = load_scramp().ScramClient([name], username, password)
        self._answers: list[Callable[[str], str]] = [self._end, self._prove]

    def initial(self) -> bytes | None:
        """The client's first message."""
        first: str = self._client.get_client_first()
        return first.encode()

    def answer(self, challenge: bytes) -> bytes:
        """The client's proof; after the server's proof, assent."""
        if not self._answers:
            raise ExchangeError("the server says more than SCRAM has")
        try:
            return self._answers.pop()(challenge.decode()).encode()
        except (ValueError, load_scramp().ScramException) as error:
            raise ExchangeError(f"the server's part of SCRAM is wrong: {error}") from error

    def _prove(self, message: str) -> str:
        iterations = _ITERATIONS.search(message)
        if iterations is not None and int(iterations[1]) > MOST_ITERATIONS:
            raise ExchangeError(f"the server wants more than {MOST_ITERATIONS} iterations")
        self._client.set_server_first(message)
        final: str = self._client.get_client_final()
        return final

    def _end(self, message: str) -> str:
        self._client.set_server_final(message)
        return ""

    def finish(self) -> None:
        """The server must have proved that it knows the password, too."""
        if self._answers:
            raise ExchangeError("the server has not proved who it is")


class MechanismEntry(NamedTuple):
    """A mechanism.

    Attributes:
        make: makes an exchange, of a name and a password.
        clear: whether the password or a token is sent as it is.
    """

    make: Callable[[str, str], Exchange]
    clear: bool


def _plain(username: str, password: str) -> Exchange:
    return Plain(f"\0{username}\0{password}".encode())


def _xoauth2(username: str, token: str) -> Exchange:
    return Plain(f"user={username}\1auth=Bearer {token}\1\1".encode())


def _oauthbearer(username: str, token: str) -> Exchange:
    name = username.replace("=", "=3D").replace(",", "=2C")
    return Plain(f"n,a={name},\1auth=Bearer {token}\1\1".encode())


MECHANISMS: Mapping[str, MechanismEntry] = {
    "SCRAM-SHA-256": MechanismEntry(partial(Scram, "SCRAM-SHA-256"), clear=False),
    "SCRAM-SHA-1": MechanismEntry(partial(Scram, "SCRAM-SHA-1"), clear=False),
    "CRAM-MD5": MechanismEntry(CramMd5, clear=False),
    "LOGIN": MechanismEntry(Login, clear=True),
    "PLAIN": MechanismEntry(_plain, clear=True),
    "XOAUTH2": MechanismEntry(_xoauth2, clear=True),
    "OAUTHBEARER": MechanismEntry(_oauthbearer, clear=True),
}
"""In the order in which they are tried: gen_smtp's, behind SCRAM."""


def is_usable(name: str) -> bool:
    """Whether a mechanism can be used here: SCRAM needs the library scramp."""
    if name not in MECHANISMS:
        return False
    if not name.startswith("SCRAM-"):
        return True
    try:
        load_scramp()
    except ImportError:
        return False
    return True
