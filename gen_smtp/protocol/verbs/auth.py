"""AUTH (RFC 4954): the command, the lines of the exchange, and the verdict on the credentials."""

from collections.abc import Callable, Mapping
from typing import Any

from gen_smtp.protocol.dialogue import Dialogue, Login, Overrun
from gen_smtp.protocol.questions import NEED_DATA, Authenticate, Question, Step
from gen_smtp.protocol.sasl.base64 import decode_response, encode_challenge
from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, Mechanism
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Malformed, NotText, SaslStep
from gen_smtp.protocol.sasl.table import find_mechanism
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import ascii_upper, has_control_characters
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.verdicts import Accept, Verdict

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
    made = find_mechanism(name, dialogue.config.mechanisms)
    if made is None:
        dialogue.refuse_command(replies.AUTH_MECHANISM, "AUTH")
        return None
    mechanism = made(_facts_of(dialogue))
    if not initial:
        return _go_on(dialogue, mechanism, mechanism.begin(None))
    # RFC 4954 section 4: "=" is an initial response of no octets.
    return _respond(dialogue, mechanism, mechanism.begin, b"" if initial == "=" else initial.encode())


def _facts_of(dialogue: Dialogue) -> ExchangeFacts:
    config = dialogue.config
    return ExchangeFacts(
        hostname=config.hostname, make_challenge=config.make_challenge, lenient=config.lenient
    )


def _refusal(dialogue: Dialogue, mechanism: str) -> StandardReply | None:
    if ("AUTH", "allow_insecure_auth") in dialogue.withheld:
        return replies.AUTH_ENCRYPTION
    offered = dialogue.extensions.get("AUTH")
    if offered is None:
        return replies.AUTH_NOT_OFFERED
    if dialogue.login is not None:
        return replies.AUTH_TWICE  # RFC 4954 section 4
    return None if mechanism in ascii_upper(str(offered)).split(" ") else replies.AUTH_MECHANISM


def read_response(dialogue: Dialogue, mechanism: Mechanism) -> Step | None:
    """Deal with one line of an exchange, whatever it looks like."""
    config = dialogue.config
    line = dialogue.next_line(config.max_auth_line + 2, config.max_discarded_line)
    if line is None:
        return NEED_DATA
    dialogue.mechanism = None
    if isinstance(line, bytes):
        line = line.rstrip(b"\r").strip(b" \t")
        if line != CANCEL.encode():
            return _respond(dialogue, mechanism, mechanism.answer, line)
        dialogue.refuse_command(replies.AUTH_CANCELLED, "AUTH")
    elif line is Overrun.TOO_LONG:
        dialogue.refuse_command(replies.AUTH_LINE_TOO_LONG, "AUTH")
    elif line is Overrun.HTTP:
        dialogue.refuse_stranger(replies.HTTP_REQUEST)  # with blanks in it, it is no response
    else:
        dialogue.end_at_limit("discarded_line", "AUTH")
    return None


def cancel_what_was_refused(dialogue: Dialogue) -> None:
    """Answer a cancellation that comes behind the end of its exchange; Go's `net/smtp` sends it after a 535.

    It is no command, and the refusal was counted already.
    """
    dialogue.send_refusal(replies.AUTH_CANCELLED, "AUTH")
    dialogue.count_junk("AUTH")


def _respond(
    dialogue: Dialogue, mechanism: Mechanism, step: Callable[[bytes], SaslStep], line: bytes
) -> Question | None:
    response = decode_response(line)
    if response is None:
        dialogue.refuse_command(replies.AUTH_BASE64, "AUTH")
        return None
    return _go_on(dialogue, mechanism, step(response))


# --- Steps -----------------------------------------------------------------------------------------


def _go_on(dialogue: Dialogue, mechanism: Mechanism, step: SaslStep) -> Question | None:
    return _STEPS[type(step)](dialogue, mechanism, step)


def _challenge(dialogue: Dialogue, mechanism: Mechanism, step: Challenge) -> None:
    dialogue.mechanism = mechanism
    dialogue.send_texts("334", (encode_challenge(step.data),))


def _ask(dialogue: Dialogue, mechanism: Mechanism, step: Credentials) -> Question | None:
    username, authzid = step.username, step.authzid
    if has_control_characters(username) or has_control_characters(authzid or ""):
        # RFC 4616 section 2 with RFC 4013 section 2.3: they are in no user's name.
        dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")
        return None
    question = Authenticate(mechanism.name.lower(), username, step.credential, authzid)
    return dialogue.ask(question, _resolve)


def _malformed(dialogue: Dialogue, mechanism: Mechanism, step: Malformed) -> None:
    dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")


def _not_text(dialogue: Dialogue, mechanism: Mechanism, step: NotText) -> None:
    dialogue.refuse_command(replies.AUTH_BASE64, "AUTH")


_STEPS: Mapping[type, Callable[[Dialogue, Mechanism, Any], Question | None]] = {
    Challenge: _challenge,
    Credentials: _ask,
    Malformed: _malformed,
    NotText: _not_text,
}


def _resolve(dialogue: Dialogue, question: Authenticate, verdict: Verdict) -> StandardReply | None:
    if isinstance(verdict, Accept):
        dialogue.login = Login(question.username, question.authzid)
        return replies.AUTH_OK
    dialogue.decline(verdict, "AUTH", replies.AUTH_FAILED)
    return None
