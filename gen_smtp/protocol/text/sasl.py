"""SASL exchanges, one step at a time: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), framed by RFC 4954."""

import binascii
import secrets
from collections.abc import Callable
from typing import Literal, NamedTuple

from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.replies import StandardReply

MechanismName = Literal["plain", "login", "cram-md5"]
ChallengeMaker = Callable[[str], str]
"""Makes the challenge of a CRAM-MD5 exchange from the server's host name."""


class Challenge(NamedTuple):
    """Text to send in base64 behind 334; the exchange goes on."""

    text: str


class Credentials:
    """The exchange is complete; whether it convinces is the callback's to say. No repr shows them."""

    __slots__ = ("authzid", "credential", "username")

    def __init__(self, username: str, credential: str | tuple[str, str], authzid: str | None = None) -> None:
        self.username = username
        self.credential = credential
        self.authzid = authzid
        """Whom the client wants to act as; None if it does not say so."""


SaslStep = Challenge | Credentials | StandardReply
"""Go on, done, or refused with this reply."""


class Plain:
    """``[authzid] NUL user NUL password``; as in gen_smtp, the first NUL may be missing."""

    __slots__ = ()
    name: MechanismName = "plain"

    def begin(self, initial: str | None) -> SaslStep:
        return Challenge("") if initial is None else self.answer(initial)

    def answer(self, response: str) -> SaslStep:
        fields = response.split("\0")
        if len(fields) not in (2, 3):
            return replies.AUTH_MALFORMED
        authzid = fields[0] if len(fields) == 3 else ""
        return Credentials(fields[-2], fields[-1], authzid or None)


class Login:
    """Two prompts; an initial response is the user name."""

    __slots__ = ("_username",)
    name: MechanismName = "login"

    def __init__(self) -> None:
        self._username: str | None = None

    def begin(self, initial: str | None) -> SaslStep:
        return Challenge("Username:") if initial is None else self.answer(initial)

    def answer(self, response: str) -> SaslStep:
        if "\0" in response:
            return replies.AUTH_MALFORMED
        if self._username is None:
            self._username = response
            return Challenge("Password:")
        return Credentials(self._username, response)


class CramMd5:
    """``user SP digest``, the digest being HMAC-MD5 over the challenge."""

    __slots__ = ("_challenge",)
    name: MechanismName = "cram-md5"

    def __init__(self, challenge: str) -> None:
        self._challenge = challenge

    def begin(self, initial: str | None) -> SaslStep:
        # RFC 4954 section 4: an initial response is an error where the server speaks first.
        return Challenge(self._challenge) if initial is None else replies.AUTH_MALFORMED

    def answer(self, response: str) -> SaslStep:
        username, space, digest = response.rpartition(" ")
        if not space or "\0" in response:
            return replies.AUTH_MALFORMED
        return Credentials(username, (digest, self._challenge))


Mechanism = Plain | Login | CramMd5
"""One exchange of one client. ``begin`` takes the initial response of the AUTH command, if there was one, and
``answer`` the client's answer to the last challenge; both give the next step."""


def cram_challenge(hostname: str) -> str:
    """``<R1.R2@HOST>`` with two unpredictable numbers below 2^32 (RFC 2195 section 2)."""
    return f"<{secrets.randbelow(2**32)}.{secrets.randbelow(2**32)}@{hostname}>"


def make_mechanism(name: str, hostname: str, make_challenge: ChallengeMaker) -> Mechanism | None:
    """A fresh exchange of the mechanism ``name`` (upper case); None if it isn't known."""
    if name == "PLAIN":
        return Plain()
    if name == "LOGIN":
        return Login()
    if name == "CRAM-MD5":
        return CramMd5(make_challenge(hostname))
    return None


def encode_challenge(text: str) -> str:
    """Base64 on one line."""
    return binascii.b2a_base64(text.encode(), newline=False).decode("ascii")


def decode_response(response: bytes) -> str | None:
    """Strict base64 of UTF-8 text; None for anything else."""
    try:
        return binascii.a2b_base64(response, strict_mode=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are both ValueErrors
        return None
