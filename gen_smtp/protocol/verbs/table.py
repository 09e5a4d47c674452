"""Command lines: what each verb does, and the order in which one is judged."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from gen_smtp.protocol.dialogue import Dialogue, Overrun
from gen_smtp.protocol.questions import (
    NEED_DATA,
    PAUSED,
    Notice,
    Question,
    Quit,
    Required,
    Reset,
    StartTls,
    Step,
    UnknownCommand,
    Verify,
)
from gen_smtp.protocol.sequence import (
    ANY_TEXT,
    AUTH_FIRST,
    BEFORE_AUTH,
    BEFORE_TLS,
    BETWEEN_CHUNKS,
    CHUNKS_FIRST,
    LMTP_SEQUENCE,
    SMTP_SEQUENCE,
    TAKES_NO_ARGUMENT,
    TLS_FIRST,
    OutOfSequence,
    phase_of,
)
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.address import parse_path
from gen_smtp.protocol.text.command import (
    Command,
    ascii_upper,
    has_control_characters,
    mask_control_characters,
    parse_any_text,
    parse_command,
    shown_verb,
)
from gen_smtp.protocol.text.replies import StandardReply, echo
from gen_smtp.protocol.verbs.auth import CANCEL, cancel_what_was_refused, run_auth
from gen_smtp.protocol.verbs.bdat import run_bdat
from gen_smtp.protocol.verbs.data import run_data
from gen_smtp.protocol.verbs.envelope import run_rcpt
from gen_smtp.protocol.verbs.hello import run_hello
from gen_smtp.protocol.verbs.others import resolve_other, run_etrn, run_expn, run_help
from gen_smtp.protocol.verbs.xclient import may_send_at_once, run_mail_at_once, run_xclient
from gen_smtp.protocol.verbs.xforward import run_xforward
from gen_smtp.protocol.verdicts import Accept, Decline, Verdict

Verb = Callable[[Dialogue, str], Question | Notice | None]
"""Runs a command, with its argument. It returns the first thing that comes of it besides replies, and queues
the others."""
TLS_RECORD = b"\x16\x03"
"""How a TLS handshake begins (RFC 8446 section 5.1), and no command."""


def read_command(dialogue: Dialogue) -> Step | None:
    """Deal with one line and return what it brings: it gets one reply, now or after its verdict."""
    config = dialogue.config
    is_tls = dialogue.received.startswith(TLS_RECORD, dialogue.offset)
    if is_tls and not (dialogue.tls or dialogue.discarded):
        dialogue.refuse_stranger(replies.TLS_IN_CLEAR)  # it would wait for an answer in TLS
        return None
    longest = _longest_line(dialogue) if "AUTH" in dialogue.extensions else config.max_command_line
    line = dialogue.next_line(longest, config.max_discarded_line)
    if line is None:
        return NEED_DATA
    if isinstance(line, bytes):
        return _run_line(dialogue, line)
    if line is Overrun.TOO_LONG:
        dialogue.refuse_command(replies.LINE_TOO_LONG, "")
    elif line is Overrun.CHUNK:
        dialogue.refuse_stranger(replies.LINE_TOO_LONG)  # nobody knows where the next command is
    elif line is Overrun.HTTP:
        dialogue.refuse_stranger(replies.HTTP_REQUEST)
    else:
        dialogue.end_at_limit("discarded_line", "")
    return None


def _longest_line(dialogue: Dialogue) -> int:
    """How long the line that comes may be, with its CRLF, where AUTH is offered.

    An AUTH with its initial response may be as long as a response alone: clients send tokens of OAuth so, of
    several thousand octets, though RFC 4954 section 4 would have them wait for a challenge.
    """
    config = dialogue.config
    start = dialogue.offset
    if dialogue.discarded or dialogue.received[start : start + 5].upper() not in (b"AUTH ", b"AUTH\t"):
        return config.max_command_line
    return max(config.max_command_line, config.max_auth_line + 2)


def _run_line(dialogue: Dialogue, line: bytes) -> Question | Notice | None:
    command = parse_command(line)
    if command is None and dialogue.config.lenient:
        command = _any_text(line)
    if command is None:
        return _refuse_octets(dialogue, line)
    verb, argument = command
    run = VERBS.get(verb)
    dialogue.addressed = argument
    if run is None and verb in _OF_SPEAKERS and _knows_speakers(dialogue, verb):
        return _OF_SPEAKERS[verb](dialogue, argument)  # the server's policy for clients is not for them
    if command == (CANCEL, "") and dialogue.counter is not None and dialogue.counter.auth_refused:
        cancel_what_was_refused(dialogue)
        return None
    refusal = _refusal(dialogue, verb, argument)
    if refusal is None:
        if run is not None:
            return run(dialogue, argument)
        question = UnknownCommand(mask_control_characters(verb), argument, shown_verb(line))
        return dialogue.ask(question, resolve_other)
    if run is run_bdat:
        return run_bdat(dialogue, argument, refusal)  # what follows it is no command all the same
    shown = verb if run is not None or not verb else shown_verb(line)
    if refusal is TLS_FIRST or refusal is AUTH_FIRST:
        what: Literal["tls", "auth"] = "tls" if refusal is TLS_FIRST else "auth"
        return dialogue.ask(Required(what, shown), _resolve_required)
    if isinstance(refusal, OutOfSequence):
        dialogue.refuse_out_of_order(refusal.reply, shown, notify=refusal.notify)
    else:
        dialogue.refuse_command(refusal, shown)
    return None


def _knows_speakers(dialogue: Dialogue, verb: str) -> bool:
    return getattr(dialogue.config, verb.lower()) is not None and not dialogue.in_message


def _any_text(line: bytes) -> Command | None:
    """A command with an argument that is not UTF-8, unless a path or the like is to be read there."""
    command = parse_any_text(line)
    if command is None or command.verb in ANY_TEXT:
        return command
    return None if command.verb in VERBS or command.verb in _OF_SPEAKERS else command


def _refuse_octets(dialogue: Dialogue, line: bytes) -> Question | Notice | None:
    """A line that is not UTF-8."""
    verb, argument = parse_command(line.decode("ascii", "replace").encode()) or ("", "")
    if verb == "BDAT":
        return run_bdat(dialogue, argument, replies.NOT_UTF8)
    dialogue.refuse_command(replies.NOT_UTF8, "")
    return None


def _refusal(dialogue: Dialogue, verb: str, argument: str) -> StandardReply | OutOfSequence | None:
    """Why this command may not run: its form, then its place."""
    if argument:
        if has_control_characters(argument):
            return replies.CONTROL_CHARACTERS
        if verb in TAKES_NO_ARGUMENT:
            return TAKES_NO_ARGUMENT[verb]
    elif not verb:
        return replies.BAD_SYNTAX
    return _out_of_place(dialogue, verb)


def _out_of_place(dialogue: Dialogue, verb: str) -> OutOfSequence | None:
    """Why this verb may not run now: the server's policy, then the sequence."""
    config = dialogue.config
    if dialogue.in_message and verb not in BETWEEN_CHUNKS:
        return CHUNKS_FIRST
    if config.require_tls and not dialogue.tls and verb not in BEFORE_TLS:
        return TLS_FIRST
    if config.require_auth and dialogue.login is None and verb not in BEFORE_AUTH:
        return AUTH_FIRST
    sequence = LMTP_SEQUENCE if config.lmtp else SMTP_SEQUENCE
    refusal = sequence[phase_of(dialogue.helo, dialogue.transaction)].get(verb)
    if refusal is not None and verb == "MAIL" and dialogue.helo is None and may_send_at_once(dialogue):
        return None
    return refusal


def _resolve_required(dialogue: Dialogue, question: Required, verdict: Verdict) -> None:
    usual = (TLS_FIRST if question.what == "tls" else AUTH_FIRST).reply
    if isinstance(verdict, Accept):
        verdict = Decline(usual)
    octets = dialogue.send_declined(verdict, question.verb, usual)
    if not dialogue.counts().excuses(question.verb):
        dialogue.count_refusal(question.verb, octets)


# --- Verbs of a few lines ------------------------------------------------------------------------


def _run_rset(dialogue: Dialogue, argument: str) -> Reset | None:
    notice, is_behind_chunks = Reset(), dialogue.in_message
    if is_behind_chunks:
        dialogue.abandon_message()
        dialogue.tell(notice)
    dialogue.drop_transaction()
    dialogue.reader = None
    dialogue.send(replies.OK)
    dialogue.count_junk("RSET")
    return None if is_behind_chunks else notice


def _run_data(dialogue: Dialogue, argument: str) -> Notice | None:
    transaction = dialogue.transaction
    if transaction is not None and transaction.binary:
        dialogue.refuse_out_of_order(replies.BINARY_IN_DATA, "DATA")  # RFC 3030 section 3
        return None
    return run_data(dialogue)


def _run_noop(dialogue: Dialogue, argument: str) -> None:
    dialogue.send(replies.OK)
    dialogue.count_junk("NOOP")


def run_quit(dialogue: Dialogue, argument: str = "") -> Quit:
    """Say goodbye and close."""
    dialogue.send(replies.BYE)
    dialogue.close()  # what was pipelined behind it is not run
    return Quit()


def _run_vrfy(dialogue: Dialogue, argument: str) -> Verify | None:
    path = parse_path(argument, lenient=dialogue.config.lenient)
    # RFC 6531 section 3.7.4.2: VRFY may have the parameter SMTPUTF8, where that is offered.
    parameters = "" if path is None else ascii_upper(path.rest.lstrip(" "))
    utf8 = parameters == "SMTPUTF8" and "SMTPUTF8" in dialogue.extensions
    if path is None or not path.address or (parameters and not utf8):
        dialogue.refuse_command(replies.VRFY_SYNTAX, "VRFY")
    elif not path.address.isascii() and not utf8:
        dialogue.refuse_command(replies.NEEDS_SMTPUTF8, "VRFY")
    else:
        return dialogue.ask(Verify(path.address), _resolve_vrfy)
    return None


def _resolve_vrfy(dialogue: Dialogue, question: Verify, verdict: Verdict) -> None:
    if isinstance(verdict, Accept):
        dialogue.accept(verdict, replies.VRFY_OK(address=echo(question.address)))
        dialogue.count_junk("VRFY")
    else:
        dialogue.decline(verdict, "VRFY", replies.NOT_ACCEPTED)


def _run_starttls(dialogue: Dialogue, argument: str) -> StartTls | None:
    if dialogue.tls:
        dialogue.refuse_out_of_order(replies.TLS_ACTIVE, "STARTTLS")
    elif "STARTTLS" not in dialogue.extensions:
        dialogue.refuse_command(replies.TLS_NOT_OFFERED, "STARTTLS")
    else:
        return dialogue.ask(StartTls(), _resolve_starttls)
    return None


def _resolve_starttls(dialogue: Dialogue, question: StartTls, verdict: Verdict) -> StandardReply | None:
    if isinstance(verdict, Accept):
        dialogue.forget_input()  # sent in clear: must not pass for something said inside TLS
        dialogue.handshaking = True
        dialogue.halted = PAUSED
        return replies.TLS_GO_AHEAD
    dialogue.decline(verdict, "STARTTLS", replies.TLS_UNAVAILABLE)
    return None


VERBS: Mapping[str, Verb] = {
    "HELO": partial(run_hello, "HELO"),
    "EHLO": partial(run_hello, "EHLO"),
    "LHLO": partial(run_hello, "LHLO"),
    "MAIL": run_mail_at_once,
    "RCPT": run_rcpt,
    "DATA": _run_data,
    "BDAT": run_bdat,
    "RSET": _run_rset,
    "NOOP": _run_noop,
    "QUIT": run_quit,
    "VRFY": _run_vrfy,
    "EXPN": run_expn,
    "HELP": run_help,
    "ETRN": run_etrn,
    "STARTTLS": _run_starttls,
    "AUTH": run_auth,
}
_OF_SPEAKERS: Mapping[str, Verb] = {"XCLIENT": run_xclient, "XFORWARD": run_xforward}
"""Commands of peers that may speak for others, by the options of the same names. Where there is no such
option, they are as unknown as any."""
