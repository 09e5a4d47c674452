"""What a handler may be given: types, characters, and that it comes from the line it is about."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gen_smtp.protocol.sasl.bearer import BearerToken
from gen_smtp.protocol.sasl.no_password import AnonymousTrace
from gen_smtp.protocol.sasl.scram_keys import ScramProof
from tests.fuzz.cases.case import CERTIFICATE
from tests.fuzz.rules.transcript import Call, Note, Violation

MAX_ADDRESS = 320
_PARAMETER = re.compile(r"[A-Z0-9][A-Z0-9-]*(?:=[^ ]*)?")
_ORDERS = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
_DIGEST = re.compile(r"<1\.2@mx\.test>")


def check_call(call: Call, line: str, *, lenient: bool = False) -> None:
    """The values of a call that a command line brought about. Raises Violation.

    Args:
        call: the call.
        line: the line, with what is not UTF-8 as `surrogateescape` has it if the server is lenient.
        lenient: whether that is allowed in a hello and in an unknown command.
    """
    match call.name, call.args:
        case (("HELO" | "EHLO" | "LHLO"), (hostname, *_)):
            _check_text(call, _in_utf8(hostname) if lenient else hostname)
            _demand(bool(hostname) and hostname in line, call, line)
        case (("MAIL" | "RCPT" | "VRFY"), (address,)):
            _check_address(call, address, may_be_empty=call.name == "MAIL")
            _demand(_unquoted(address) in _unquoted(line), call, line)
        case (("MAIL_extension" | "RCPT_extension"), (parameter,)):
            _check_text(call, parameter)
            _demand(_PARAMETER.fullmatch(parameter) is not None, call, line)
            _demand(parameter.upper() in line.upper(), call, line)
        case "other", (verb, arguments):
            _check_text(call, verb)
            _check_text(call, _in_utf8(arguments) if lenient else arguments)
            _demand(bool(verb) and " " not in verb and arguments in line, call, line)
        case "XCLIENT", (fields,):
            _demand(bool(fields), call, line)
            for value in fields.values():
                if isinstance(value, str):
                    _check_text(call, value)
        case "STARTTLS", ():
            pass
        case _:
            raise Violation("values", f"{call.name} with {call.args!r}")


def check_credentials(call: Call, responses: Iterable[str], *, lenient: bool = False) -> None:
    """The values of handle_AUTH, which must be in the client's responses. Raises Violation."""
    if call.name == "AUTH_keys":
        _check_text(call, call.args[1])
        _demand(call.args[0] in ("scram-sha-1", "scram-sha-256") and bool(call.args[1]), call, "")
        return
    mechanism, username, credential, authzid = call.args
    said = "\n".join(decoded(response, lenient=lenient) for response in responses)
    for name in (username, authzid or ""):
        _check_text(call, _in_utf8(name) if lenient else name)
    if mechanism not in _CREDENTIALS:
        raise Violation("values", f"{call.name} is given {call.args!r}")
    _demand(_CREDENTIALS[mechanism](username, credential, authzid, said), call, said)


def _is_of_plain(username: str, password: Any, authzid: str | None, said: str) -> bool:
    fields = f"{username}\0{password}" if authzid is None else f"{authzid}\0{username}\0{password}"
    return type(password) is str and authzid != "" and said.endswith(fields)


def _is_of_login(username: str, password: Any, authzid: str | None, said: str) -> bool:
    return type(password) is str and authzid is None and username in said and password in said


def _is_of_cram_md5(username: str, credential: Any, authzid: str | None, said: str) -> bool:
    digest, challenge = credential
    has_said = username in said and digest in said
    return has_said and authzid is None and _DIGEST.fullmatch(challenge) is not None


def _is_of_xoauth2(username: str, bearer: Any, authzid: str | None, said: str) -> bool:
    parts = said.split("\1")
    return authzid is None and f"user={username}" in parts and _has_token(bearer, parts)


def _is_of_oauthbearer(username: str, bearer: Any, authzid: str | None, said: str) -> bool:
    escaped = username.replace("=", "=3D").replace(",", "=2C")
    named = said.split(",")[1:2] == [f"a={escaped}" if username else ""]
    return (authzid or "") == username and named and _has_token(bearer, said.split("\1"))


def _has_token(bearer: BearerToken, parts: Sequence[str]) -> bool:
    sent = [part for part in parts if part.startswith("auth=")]
    is_host_said = bearer.host is None or f"host={bearer.host}" in parts
    return len(sent) == 1 and sent[0].endswith(f" {bearer.token}") and is_host_said


def _is_of_external(username: str, certificate: Any, authzid: str | None, said: str) -> bool:
    return (
        certificate is CERTIFICATE and username == certificate.name and authzid == (said.strip("\n") or None)
    )


def _is_of_anonymous(username: str, credential: Any, authzid: str | None, said: str) -> bool:
    has_said = credential == AnonymousTrace(said.strip("\n"))
    return has_said and (username, authzid) == ("anonymous", None) and len(credential.trace) <= 255


def _is_of_scram(username: str, proof: Any, authzid: str | None, said: str) -> bool:
    named = said.partition(",")[2].partition(",")[0]
    escaped = "" if authzid is None else "a=" + authzid.replace("=", "=3D").replace(",", "=2C")
    return type(proof) is ScramProof and bool(username) and named == escaped and ",p=" in said


_CREDENTIALS: Mapping[str, Callable[[str, Any, str | None, str], bool]] = {
    "plain": _is_of_plain,
    "login": _is_of_login,
    "cram-md5": _is_of_cram_md5,
    "xoauth2": _is_of_xoauth2,
    "oauthbearer": _is_of_oauthbearer,
    "external": _is_of_external,
    "anonymous": _is_of_anonymous,
    "scram-sha-1": _is_of_scram,
    "scram-sha-256": _is_of_scram,
}


def check_message(call: Call) -> None:
    """The types of a message and its envelope. Raises Violation."""
    sender, recipients, body, mail_params, rcpt_params = call.args
    _check_address(call, sender, may_be_empty=True)
    for recipient in recipients:
        _check_address(call, recipient, may_be_empty=False)
    _demand(type(body) is bytes, call, "")
    _demand(len(rcpt_params) == len(recipients), call, "")
    for params in (mail_params, *rcpt_params):
        _check_params(call, params)


def check_note(note: Note) -> None:
    """What is told must be fit for a log: no control characters but the line ends of a reply."""
    for value in note.args:
        if isinstance(value, str) and has_control(value.replace("\r\n", "")):
            raise Violation("values", f"{note.name} tells of {value!r}")


def has_control(text: str) -> bool:
    """Whether there is a control character, half a character, or one that forges lines or their order."""
    return any(
        unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(each) in _ORDERS
        for each in text
    )


def decoded(response: str, *, lenient: bool = False) -> str:
    """An AUTH response; empty if it is not base64, or not of UTF-8 where it has to be."""
    try:
        octets = base64.b64decode(response, validate=True)
        return octets.decode("utf-8", "surrogateescape" if lenient else "strict")
    except (binascii.Error, ValueError):
        return ""


def _check_address(call: Call, address: Any, *, may_be_empty: bool) -> None:
    _check_text(call, address)
    _demand(len(address) <= MAX_ADDRESS and (may_be_empty or bool(address)), call, address)
    _demand("<" not in address.partition('"')[0] and not address.startswith((" ", "@")), call, address)


def _check_params(call: Call, params: Mapping[Any, Any]) -> None:
    for keyword, value in params.items():
        _demand(value is True or type(value) is str, call, repr(params))
        text = keyword if value is True else f"{keyword}={value}"
        _check_text(call, text)
        _demand(_PARAMETER.fullmatch(text) is not None, call, repr(params))


def _check_text(call: Call, text: Any) -> None:
    if type(text) is not str or has_control(text):
        raise Violation("values", f"{call.name} is given {text!r}")


def _demand(condition: bool, call: Call, source: str) -> None:
    if not condition:
        raise Violation("values", f"{call.name} is given {call.args!r}; the client sent {source[:300]!r}")


def _unquoted(text: str) -> str:
    return text.replace('"', "").replace("\\", "")


def _in_utf8(text: str) -> str:
    """Text with a letter for each octet that is not UTF-8."""
    return "".join("x" if "\udc80" <= each <= "\udcff" else each for each in text)
