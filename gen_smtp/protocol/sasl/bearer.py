"""Bearer tokens of OAuth 2.0: OAUTHBEARER (RFC 7628), and XOAUTH2, which Google and Microsoft have.

A client whose token is refused is told why in JSON, as a last challenge. It answers that with a response
without meaning, and gets its 535 then.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from gen_smtp.protocol.sasl.gs2 import parse_gs2
from gen_smtp.protocol.sasl.mechanism import Mechanism
from gen_smtp.protocol.sasl.steps import Credentials, Failed, Malformed, NotText, SaslStep

_SEPARATOR = "\1"
_KEY = re.compile("[A-Za-z]+", re.ASCII)
_BEARER = re.compile(r"bearer +([!-~]+)", re.ASCII | re.IGNORECASE)  # RFC 6750 section 2.1
_READ = ("auth", "host", "port", "user")
_PORT = re.compile("[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What a client shows with XOAUTH2 or OAUTHBEARER. No repr shows the token.

    Attributes:
        token: an access token of OAuth 2.0, without the word `Bearer`.
        host: where the client believes that it has connected to; None if it does not say so.
        port: the same.
        fields: what else the client sent, by its keys.
    """

    token: str = field(repr=False)
    host: str | None = None
    port: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


class BearerMechanism(Mechanism):
    """What both have in common.

    A derived class may say more to a client whose token is refused.

    Attributes:
        scope: the scope that a token needs (RFC 6749 3.3); empty for none.
        openid_configuration: the URL of the document that says where tokens are to be had (RFC 8414); empty
            for none.
    """

    __slots__ = ()
    scope: ClassVar[str] = ""
    openid_configuration: ClassVar[str] = ""
    status: ClassVar[str]
    """What the JSON says where a token does not convince."""

    def refused(self) -> bytes:
        """RFC 7628 section 3.2.2."""
        said = {"status": self.status, **self.hints()}
        return json.dumps({key: value for key, value in said.items() if value}).encode()

    def hints(self) -> dict[str, str]:
        """What else the JSON says; what is empty is left out."""
        return {"scope": self.scope}

    def credentials(self, username: str, fields: Mapping[str, str], authzid: str | None = None) -> SaslStep:
        """The end of the exchange, by what the client sent."""
        bearer = _BEARER.fullmatch(fields["auth"])
        if bearer is None:
            return Malformed()
        port = fields.get("port", "")
        if port and _PORT.fullmatch(port) is None:
            return Malformed()
        others = {key: value for key, value in fields.items() if key not in _READ}
        token = BearerToken(bearer[1], fields.get("host") or None, int(port) if port else None, others)
        return Credentials(username, token, authzid)


class XOAuth2(BearerMechanism):
    """``user=`` NAME ^A ``auth=Bearer`` TOKEN ^A ^A, as Google's documentation has it."""

    __slots__ = ()
    name: ClassVar[str] = "XOAUTH2"
    status: ClassVar[str] = "401"

    def hints(self) -> dict[str, str]:
        return {"schemes": "Bearer", **super().hints()}

    def answer(self, response: bytes) -> SaslStep:
        text = self.text(response)
        if text is None:
            return NotText()
        fields = _fields_of(text)
        if fields is None or not {"user", "auth"} <= fields.keys():
            return Malformed()
        return self.credentials(fields["user"], fields)


class OAuthBearer(BearerMechanism):
    """``n,a=`` NAME ``,`` ^A KEY=VALUE ^A ... ^A (RFC 7628 section 3.1)."""

    __slots__ = ()
    name: ClassVar[str] = "OAUTHBEARER"
    status: ClassVar[str] = "invalid_token"

    def hints(self) -> dict[str, str]:
        return {**super().hints(), "openid-configuration": self.openid_configuration}

    def answer(self, response: bytes) -> SaslStep:
        text = self.text(response)
        if text is None:
            return NotText()
        header = parse_gs2(text)
        if header is None or header.flag.startswith("p=") or not header.rest.startswith(_SEPARATOR):
            return Malformed()
        fields = _fields_of(header.rest[1:])
        if fields is None:
            return Malformed()
        username = header.authzid or ""
        if not fields.get("auth"):
            return Failed(
                username, self.refused()
            )  # RFC 7628 section 4.3: it asks where tokens are to be had
        return self.credentials(username, fields, header.authzid)


def _fields_of(text: str) -> dict[str, str] | None:
    """Keys and values, each ended by ^A, and one more at the end; None if they are not so."""
    if text != _SEPARATOR and not text.endswith(2 * _SEPARATOR):
        return None
    fields: dict[str, str] = {}
    for pair in filter(None, text.split(_SEPARATOR)):
        key, equals, value = pair.partition("=")
        if not equals or _KEY.fullmatch(key) is None or not value.isprintable() or key in fields:
            return None
        fields[key] = value
    return fields
