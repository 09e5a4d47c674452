"""AUTH (RFC 4954): the command, the lines of the exchange, and the verdict on the credentials."""

from gen_smtp.protocol.dialogue import Dialogue, Login, Overrun
from gen_smtp.protocol.questions import NEED_DATA, Authenticate, Step
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import ascii_upper, has_control_characters
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.text.sasl import (
    Challenge,
    Credentials,
    Mechanism,
    SaslStep,
    decode_response,
    encode_challenge,
    make_mechanism,
)
from gen_smtp.protocol.verdicts import Accept, Verdict

CANCEL = "*"
"""The line with which a client breaks an exchange off (RFC 4954 section 4)."""


def run_auth(dialogue: Dialogue, argument: str) -> Authenticate | None:
    """Start an exchange, if one is allowed now and the mechanism is among those announced."""
    name, _, initial = argument.partition(" ")
    name, initial = ascii_upper(name), initial.lstrip(" ")
    refusal = _refusal(dialogue, name)
    if refusal is not None:
        dialogue.refuse_command(refusal, "AUTH")
        return None
    mechanism = make_mechanism(name, dialogue.config.hostname, dialogue.config.make_challenge)
    if mechanism is None:
        dialogue.refuse_command(replies.AUTH_MECHANISM, "AUTH")
        return None
    if not initial:
        return _go_on(dialogue, mechanism, mechanism.begin(None))
    # RFC 4954 section 4: "=" is an initial response of no octets.
    return _respond(dialogue, mechanism, b"" if initial == "=" else initial.encode(), first=True)


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
            return _respond(dialogue, mechanism, line, first=False)
        dialogue.refuse_command(replies.AUTH_CANCELLED, "AUTH")
    elif line is Overrun.TOO_LONG:
        dialogue.refuse_command(replies.AUTH_LINE_TOO_LONG, "AUTH")
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
    dialogue: Dialogue, mechanism: Mechanism, response: bytes, *, first: bool
) -> Authenticate | None:
    text = decode_response(response)
    if text is None:
        dialogue.refuse_command(replies.AUTH_BASE64, "AUTH")
        return None
    return _go_on(dialogue, mechanism, mechanism.begin(text) if first else mechanism.answer(text))


def _go_on(dialogue: Dialogue, mechanism: Mechanism, step: SaslStep) -> Authenticate | None:
    match step:
        case Challenge(text):
            dialogue.mechanism = mechanism
            dialogue.send_texts("334", (encode_challenge(text),))
        case Credentials(username=username, authzid=authzid) if has_control_characters(
            username + (authzid or "")
        ):
            # RFC 4616 section 2 with RFC 4013 section 2.3: they are in no user's name.
            dialogue.refuse_command(replies.AUTH_MALFORMED, "AUTH")
        case Credentials(username=username, credential=credential, authzid=authzid):
            question = Authenticate(mechanism.name, username, credential, authzid)
            return dialogue.ask(question, _resolve)
        case StandardReply():
            dialogue.refuse_command(step, "AUTH")
    return None


def _resolve(dialogue: Dialogue, question: Authenticate, verdict: Verdict) -> StandardReply | None:
    if isinstance(verdict, Accept):
        dialogue.login = Login(question.username, question.authzid)
        return replies.AUTH_OK
    dialogue.decline(verdict, "AUTH", replies.AUTH_FAILED)
    return None
