"""AUTH (RFC 4954): the command, the lines of the exchange, and the verdict on the credentials."""

from collections.abc import Callable, Mapping
from typing import Any

from gen_smtp.protocol.dialogue import Dialogue, LastChallenge, Login, Outcome, Overrun
from gen_smtp.protocol.questions import (
    NEED_DATA,
    Authenticate,
    FindKeys,
    LoginFailed,
    Question,
    Step,
    StepFailed,
)
from gen_smtp.protocol.sasl.base64 import decode_response, encode_challenge
from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, Mechanism
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Failed, Lookup, Malformed, NotText
from gen_smtp.protocol.sasl.table import find_mechanism
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import ascii_upper, has_control_characters
from gen_smtp.protocol.text.replies import StandardReply, parse_reply
from gen_smtp.protocol.verdicts import Accept, Decline, Found, Identified, Verdict

CANCEL = "*"
"""The line with which a client breaks an exchange off (RFC 4954 section 4)."""


def run_auth(dialogue: Dialogue, argument: str) -> Question | None:
    """Start an exchange, if one is allowed now and the mechanism is among those announced."""
    name, _, initial = argument.partition(" ")
    name, initial = ascii_upper(name), initial.lstrip(" ")
    refusal = _refusal(dialogue, name)
    if refusal is not None:
        dialogue.refuse_command(refusal, "AUTH")
        return None
    kind = find_mechanism(name, dialogue.config.mechanisms)
    if kind is None:
        dialogue.refuse_command(replies.AUTH_MECHANISM, "AUTH")
        return None
    if not initial:
        return _begin(dialogue, kind, None)
    # RFC 4954 section 4: "=" is an initial response of no octets.
    response = b"" if initial == "=" else decode_response(initial.encode())
    if response is None:
        dialogue.refuse_command(replies.AUTH_BASE64, "AUTH")
        return None
    return _begin(dialogue, kind, response)


def _refusal(dialogue: Dialogue, mechanism: str) -> StandardReply | None:
    if ("AUTH", "allow_insecure_auth") in dialogue.withheld:
        return replies.AUTH_ENCRYPTION
    offered = dialogue.extensions.get("AUTH")
    if offered is None:
        return replies.AUTH_NOT_OFFERED
    if dialogue.login is not None:
        return replies.AUTH_TWICE  # RFC 4954 section 4
    return None if mechanism in ascii_upper(str(offered)).split(" ") else replies.AUTH_MECHANISM


def read_response(dialogue: Dialogue, exchange: Mechanism | LastChallenge) -> Step | None:
    """Deal with one line of an exchange, whatever it looks like."""
    config = dialogue.config
    line = dialogue.next_line(config.max_auth_line + 2, config.max_discarded_line)
    if line is None:
        return NEED_DATA
    dialogue.mechanism = None
    if line is Overrun.HTTP:
        dialogue.refuse_stranger(replies.HTTP_REQUEST)  # with blanks in it, it is no response
    elif line is Overrun.ENDLESS:
        dialogue.end_at_limit("discarded_line", "AUTH")
    elif isinstance(exchange, LastChallenge):
        dialogue.decline(exchange.verdict, "AUTH", replies.AUTH_FAILED)
    elif isinstance(line, bytes):
        return _hear_response(dialogue, exchange, line.rstrip(b"\r").strip(b" \t"))
    else:
        dialogue.refuse_command(replies.AUTH_LINE_TOO_LONG, "AUTH")
    return None


def _hear_response(dialogue: Dialogue, mechanism: Mechanism, line: bytes) -> Question | None:
    if line == CANCEL.encode():
        dialogue.refuse_command(replies.AUTH_CANCELLED, "AUTH")
        return None
    response = decode_response(line)
    if response is None:
        dialogue.refuse_command(replies.AUTH_BASE64, "AUTH")
        return None
    return _answer(dialogue, mechanism, response)


def cancel_what_was_refused(dialogue: Dialogue) -> None:
    """Answer a cancellation that comes behind the end of its exchange; Go's `net/smtp` sends it after a 535.

    It is no command, and the refusal was counted already.
    """
    dialogue.send_refusal(replies.AUTH_CANCELLED, "AUTH")
    dialogue.count_junk("AUTH")


# --- Steps -----------------------------------------------------------------------------------------


def _begin(dialogue: Dialogue, kind: type[Mechanism], initial: bytes | None) -> Question | None:
    config = dialogue.config
    facts = ExchangeFacts(
        config.hostname, config.certificate, config.make_challenge, config.make_nonce, config.lenient
    )
    try:
        mechanism = kind(facts)
        return _go_on(dialogue, mechanism, mechanism.begin(initial))
    except BaseException as error:
        return _fail(dialogue, kind, error, initial)


def _answer(dialogue: Dialogue, mechanism: Mechanism, response: bytes) -> Question | None:
    try:
        return _go_on(dialogue, mechanism, mechanism.answer(response))
    except BaseException as error:
        return _fail(dialogue, type(mechanism), error, response)


def _fail(
    dialogue: Dialogue, kind: type[Mechanism], error: BaseException, response: bytes | None = None
) -> Question:
    """A mechanism of somebody's own has a fault: the driver says what comes of it."""
    return dialogue.ask(StepFailed(kind.name, error, response), _resolve_failed)


def _resolve_failed(dialogue: Dialogue, question: StepFailed, verdict: Verdict) -> None:
    dialogue.mechanism = None
    dialogue.refuse_command(replies.INTERNAL_ERROR, "AUTH")


def _go_on(dialogue: Dialogue, mechanism: Mechanism, step: object) -> Question | None:
    run = _STEPS.get(type(step))
    if run is None:
        raise TypeError(f"{type(mechanism).__qualname__} returned {type(step).__name__}, which is no step")
    return run(dialogue, mechanism, step)


def _send_challenge(dialogue: Dialogue, mechanism: Mechanism, step: Challenge) -> None:
    _challenge(dialogue, step.data)
    dialogue.mechanism = mechanism


def _challenge(dialogue: Dialogue, challenge: bytes) -> None:
    dialogue.send_texts("334", (encode_challenge(challenge),))


def _ask(dialogue: Dialogue, mechanism: Mechanism, step: Credentials) -> Question | None:
    if has_control_characters(step.username) or has_control_characters(step.authzid or ""):
        # RFC 4616 section 2 with RFC 4013 section 2.3: they are in no user's name.
        dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")
        return None
    dialogue.mechanism = mechanism
    name = mechanism.name.lower()
    return dialogue.ask(Authenticate(name, step.username, step.credential, step.authzid), _resolve)


def _look_up(dialogue: Dialogue, mechanism: Mechanism, step: Lookup) -> Question | None:
    if has_control_characters(step.username):
        dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")
        return None
    dialogue.mechanism = mechanism
    return dialogue.ask(FindKeys(mechanism.name.lower(), step.username), _resolve_lookup)


def _resolve_lookup(dialogue: Dialogue, question: FindKeys, verdict: Verdict) -> Outcome:
    mechanism, dialogue.mechanism = dialogue.mechanism, None
    is_nobody = isinstance(verdict, Decline) and verdict.message is None and not verdict.close
    if not isinstance(mechanism, Mechanism) or not (is_nobody or isinstance(verdict, Found)):
        dialogue.decline(verdict, "AUTH", replies.AUTH_FAILED)
        return None
    try:
        return _go_on(
            dialogue, mechanism, mechanism.found(verdict.value if isinstance(verdict, Found) else None)
        )
    except BaseException as error:
        return _fail(dialogue, type(mechanism), error)


def _refuse_login(dialogue: Dialogue, mechanism: Mechanism, step: Failed) -> None:
    if has_control_characters(step.username):
        dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")
        return
    dialogue.tell(LoginFailed(mechanism.name.lower(), step.username))
    _decline(dialogue, Decline(), step.challenge)


def _refuse_malformed(dialogue: Dialogue, mechanism: Mechanism, step: Malformed) -> None:
    dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")


def _refuse_octets(dialogue: Dialogue, mechanism: Mechanism, step: NotText) -> None:
    dialogue.refuse_command(replies.AUTH_BASE64, "AUTH")


_STEPS: Mapping[type, Callable[[Dialogue, Mechanism, Any], Question | None]] = {
    Challenge: _send_challenge,
    Credentials: _ask,
    Lookup: _look_up,
    Failed: _refuse_login,
    Malformed: _refuse_malformed,
    NotText: _refuse_octets,
}


# --- The verdict -----------------------------------------------------------------------------------


def _resolve(dialogue: Dialogue, question: Authenticate, verdict: Verdict) -> Outcome:
    mechanism, dialogue.mechanism = dialogue.mechanism, None
    if isinstance(verdict, Accept):
        user = verdict.user if isinstance(verdict, Identified) else question.username
        dialogue.login = Login(user, question.authzid)
        return replies.AUTH_OK
    if not isinstance(mechanism, Mechanism) or not _is_for_good(verdict):
        dialogue.decline(verdict, "AUTH", replies.AUTH_FAILED)
        return None
    try:
        _decline(dialogue, verdict, mechanism.refused())
    except BaseException as error:
        return _fail(dialogue, type(mechanism), error)
    return None


def _is_for_good(verdict: Verdict) -> bool:
    """Whether the credentials are at fault: 5yz, and the connection goes on."""
    if not isinstance(verdict, Decline) or verdict.close:
        return False
    message = verdict.message
    if message is None:
        return True
    parsed = message if isinstance(message, StandardReply) else parse_reply(message)
    return parsed is not None and parsed.code[0] == "5"


def _decline(dialogue: Dialogue, verdict: Verdict, challenge: bytes | None) -> None:
    """Decline the credentials, behind a last challenge if there is one."""
    if challenge is None:
        dialogue.decline(verdict, "AUTH", replies.AUTH_FAILED)
    else:
        _challenge(dialogue, challenge)
        dialogue.mechanism = LastChallenge(verdict)
