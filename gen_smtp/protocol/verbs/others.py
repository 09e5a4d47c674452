"""Commands that are the callback's alone: unknown ones, EXPN and HELP (RFC 5321 section 4.1.1.7), ETRN.

RFC 1985 has ETRN.
"""

from collections.abc import Callable, Mapping

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import UnknownCommand
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.command import NO_VERB
from gen_smtp.protocol.text.replies import StandardReply, echo, parse_reply
from gen_smtp.protocol.verdicts import Accept, Decline, Silence, Verdict, WholeReply

_ALWAYS = "MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"
_BY_EXTENSION = {"CHUNKING": "BDAT", "STARTTLS": "STARTTLS", "AUTH": "AUTH", "EXPN": "EXPN", "ETRN": "ETRN"}
"""Commands that a client may use where an extension was announced to it."""


def run_help(dialogue: Dialogue, argument: str) -> UnknownCommand:
    """Ask the callback."""
    return _ask(dialogue, "HELP", argument)


def run_expn(dialogue: Dialogue, argument: str) -> UnknownCommand | None:
    """Ask the callback who is on a list, if one is named."""
    if argument:
        return _ask(dialogue, "EXPN", argument)
    dialogue.refuse_command(replies.EXPN_SYNTAX, "EXPN")
    return None


def run_etrn(dialogue: Dialogue, argument: str) -> UnknownCommand | None:
    """Ask the callback to send what waits for a node, if one is named (RFC 1985 section 5)."""
    if argument:
        return _ask(dialogue, "ETRN", argument)
    dialogue.refuse_command(replies.ETRN_SYNTAX, "ETRN")
    return None


def _ask(dialogue: Dialogue, verb: str, argument: str) -> UnknownCommand:
    return dialogue.ask(UnknownCommand(verb, argument, verb, verb in dialogue.extensions), resolve_other)


def resolve_other(dialogue: Dialogue, question: UnknownCommand, verdict: Verdict) -> None:
    """Answer as the callback says; the usual replies are those of the verb."""
    verb = question.shown
    failure = replies.NOT_IMPLEMENTED if verb in _SUCCESS else replies.NOT_RECOGNIZED
    match verdict:
        case Silence():
            dialogue.count_junk(verb)
        case Accept():
            make_reply = _SUCCESS.get(verb)
            dialogue.accept(verdict, replies.OK if make_reply is None else make_reply(dialogue, question))
            dialogue.count_junk(verb)
        case WholeReply(message):
            parsed = parse_reply(message)
            if parsed is None or parsed.code[0] in "45":
                dialogue.decline(Decline(message, close=verdict.close), verb, failure(verb=verb))
            else:
                dialogue.send_texts(parsed.code, parsed.texts)
                dialogue.count_junk(verb)
        case _:
            dialogue.decline(verdict, verb, failure(verb=verb))
    if verb == NO_VERB:  # the callback, who knows it, may have put it into the reply
        dialogue.hide_in_refusals(question.verb, question.arguments)


def _help(dialogue: Dialogue, question: UnknownCommand) -> StandardReply:
    """What this client may say now."""
    hello = "LHLO" if dialogue.config.lmtp else "HELO EHLO"
    more = [verb for extension, verb in _BY_EXTENSION.items() if extension in dialogue.extensions]
    return replies.HELP(verbs=" ".join([hello, _ALWAYS, *more]))


def _expn(dialogue: Dialogue, question: UnknownCommand) -> StandardReply:
    return replies.EXPN_OK(name=echo(question.arguments))


def _etrn(dialogue: Dialogue, question: UnknownCommand) -> StandardReply:
    return replies.ETRN_OK(node=echo(question.arguments))


_SUCCESS: Mapping[str, Callable[[Dialogue, UnknownCommand], StandardReply]] = {
    "HELP": _help,
    "EXPN": _expn,
    "ETRN": _etrn,
}
"""The usual reply to those that SMTP knows."""
