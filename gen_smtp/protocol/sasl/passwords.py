"""Mechanisms that send a password, or a proof of one, as gen_smtp has them: PLAIN, LOGIN, CRAM-MD5."""

from typing import ClassVar

from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, Mechanism
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Malformed, NotText, SaslStep


class TextMechanism(Mechanism):
    """A mechanism whose responses are text."""

    __slots__ = ()

    def answer(self, response: bytes) -> SaslStep:
        text = self.text(response)
        return NotText() if text is None else self.answer_text(text)

    def answer_text(self, response: str) -> SaslStep:
        """The next step, after the client's response to the last challenge."""
        raise NotImplementedError


class Plain(TextMechanism):
    """``[authzid] NUL user NUL password`` (RFC 4616); as in gen_smtp, the first NUL may be missing."""

    __slots__ = ()
    name: ClassVar[str] = "PLAIN"

    def answer_text(self, response: str) -> SaslStep:
        fields = response.split("\0")
        if len(fields) not in (2, 3):
            return Malformed()
        return Credentials(fields[-2], fields[-1], fields[0] if len(fields) == 3 else None)


class Login(TextMechanism):
    """Two prompts; an initial response is the user name."""

    __slots__ = ("_username",)
    name: ClassVar[str] = "LOGIN"

    def __init__(self, facts: ExchangeFacts) -> None:
        super().__init__(facts)
        self._username: str | None = None

    def begin(self, initial: bytes | None) -> SaslStep:
        return Challenge(b"Username:") if initial is None else self.answer(initial)

    def answer_text(self, response: str) -> SaslStep:
        if "\0" in response:
            return Malformed()
        if self._username is None:
            self._username = response
            return Challenge(b"Password:")
        return Credentials(self._username, response)


class CramMd5(TextMechanism):
    """``user SP digest`` (RFC 2195), the digest being HMAC-MD5 over the challenge."""

    __slots__ = ("_challenge",)
    name: ClassVar[str] = "CRAM-MD5"

    def __init__(self, facts: ExchangeFacts) -> None:
        super().__init__(facts)
        self._challenge = ""

    def begin(self, initial: bytes | None) -> SaslStep:
        if initial is not None:
            return Malformed()  # RFC 4954 section 4: an error where the server speaks first
        self._challenge = self.facts.make_challenge(self.facts.hostname)
        return Challenge(self._challenge.encode())

    def answer_text(self, response: str) -> SaslStep:
        username, space, digest = response.rpartition(" ")
        if not space or "\0" in response:
            return Malformed()
        return Credentials(username, (digest, self._challenge))
