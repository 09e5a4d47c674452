"""MAIL and RCPT (RFC 5321 sections 4.1.1.2 and 4.1.1.3): paths, parameters, and the questions they raise."""

from collections.abc import Callable, Iterator, Mapping

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import Mail, MailParameter, Rcpt, RcptParameter
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.address import Path, parse_path
from gen_smtp.protocol.text.command import (
    Parameter,
    ParameterValue,
    ascii_upper,
    is_size,
    is_xtext,
    parse_parameters,
)
from gen_smtp.protocol.text.replies import RECIPIENT_OK, SENDER_OK
from gen_smtp.protocol.text.reply import StandardReply, echo
from gen_smtp.protocol.transaction import Parameters, Transaction
from gen_smtp.protocol.verdicts import ACCEPT, Accept, Verdict

ParameterCheck = Callable[[Dialogue, ParameterValue], StandardReply | None]
"""Judges the value of a built-in parameter: None is good."""


class Envelope:
    """A path and its parameters as one MAIL or RCPT gave them; the parameters are looked at one by one."""

    __slots__ = ("_unchecked", "parameters", "path", "sent")

    def __init__(self, path: str, parameters: list[Parameter], sent: str) -> None:
        self.path = path
        self.parameters: Parameters = dict(parameters)
        self.sent = sent
        """The parameters as they were sent."""
        self._unchecked: Iterator[Parameter] = iter(parameters)

    def next_parameter(self) -> Parameter | None:
        """The next parameter, left to right."""
        return next(self._unchecked, None)

    def unsupported(self) -> StandardReply:
        """gen_smtp's refusal of a parameter, which names them all."""
        return replies.UNSUPPORTED_OPTION(parameters=echo(self.sent))


def _parse_argument(
    argument: str, keyword: str, syntax: StandardReply, bad_path: StandardReply
) -> Path | StandardReply:
    """The path behind ``FROM:`` or ``TO:``, or why it is none."""
    if ascii_upper(argument[: len(keyword)]) != keyword:
        return syntax
    return parse_path(argument[len(keyword) :].lstrip(" ")) or bad_path


def _parse_envelope(address: str, rest: str) -> Envelope | StandardReply:
    """The envelope with the parameters of ``rest``, or why they are none."""
    parameters = parse_parameters(rest)
    sent = rest[1:]
    if parameters is None:
        return replies.UNSUPPORTED_OPTION(parameters=echo(sent))
    envelope = Envelope(address, parameters, sent)
    return envelope if len(envelope.parameters) == len(parameters) else replies.BAD_PARAMETER


def _check_characters(
    address: str, rest: str, mail_parameters: Mapping[str, ParameterValue]
) -> StandardReply | None:
    """Characters outside ASCII are for SMTPUTF8 transactions alone (RFC 6531 sections 3.4 and 3.5)."""
    if "SMTPUTF8" in mail_parameters:
        return None
    if not address.isascii():
        return replies.NEEDS_SMTPUTF8
    return None if rest.isascii() else replies.BAD_PARAMETER


# --- MAIL ----------------------------------------------------------------------------------------


def run_mail(dialogue: Dialogue, argument: str) -> None:
    """Read the path, and take the sender if it is one."""
    path = _parse_argument(argument, "FROM:", replies.MAIL_SYNTAX, replies.BAD_SENDER)
    if isinstance(path, StandardReply):
        dialogue.refuse_command(path, "MAIL")
    else:
        take_sender(dialogue, path.address, path.rest)


def take_sender(dialogue: Dialogue, address: str, rest: str) -> None:
    """Open a transaction on trial, and ask for the parameters in ``rest`` and then for the sender."""
    dialogue.addressed = address
    if dialogue.tally is not None and dialogue.tally.has_enough_messages():
        dialogue.end_at_limit("messages", "MAIL")
        return
    envelope = _parse_envelope(address, rest)
    if isinstance(envelope, StandardReply):
        dialogue.refuse_command(envelope, "MAIL")
        return
    refusal = _check_characters(address, rest, envelope.parameters)
    if refusal is not None:
        dialogue.refuse_command(refusal, "MAIL")
        return
    dialogue.transaction = Transaction(address, envelope.parameters)
    _MailTrial(envelope).proceed(dialogue)


class _MailTrial:
    """The parameters of one MAIL, while they are asked about."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def proceed(self, dialogue: Dialogue) -> None:
        """Look at parameters up to the first that is refused or needs asking."""
        while (parameter := self._envelope.next_parameter()) is not None:
            check = _BUILT_IN.get(parameter.keyword)
            if check is None or (check is _check_auth and "AUTH" not in dialogue.extensions):
                dialogue.ask(MailParameter(str(parameter)), self._resolve)
                return
            refusal = check(dialogue, parameter.value)
            if refusal is not None:
                dialogue.transaction = None
                dialogue.refuse_command(refusal, "MAIL")
                return
        dialogue.ask(Mail(self._envelope.path), resolve_mail)

    def _resolve(self, dialogue: Dialogue, question: MailParameter, verdict: Verdict) -> None:
        if isinstance(verdict, Accept):
            self.proceed(dialogue)
        else:
            dialogue.transaction = None
            dialogue.decline(verdict, "MAIL", self._envelope.unsupported())


def resolve_mail(dialogue: Dialogue, question: Mail, verdict: Verdict) -> None:
    """Go on with the transaction that MAIL has opened, or not."""
    if verdict is ACCEPT:  # as accept does
        dialogue.out += SENDER_OK.enhanced if dialogue.status_codes else SENDER_OK.plain
    elif isinstance(verdict, Accept):
        dialogue.accept(verdict, SENDER_OK)
    else:
        dialogue.transaction = None
        dialogue.addressed = question.reverse_path
        dialogue.decline(verdict, "MAIL", replies.NOT_ACCEPTED)


def _check_size(dialogue: Dialogue, value: ParameterValue) -> StandardReply | None:
    if not is_size(value):
        return replies.BAD_PARAMETER
    if int(value) <= dialogue.max_size:
        return None
    return replies.SIZE_TOO_LARGE(size=value, limit=int(dialogue.max_size))


def _check_body(dialogue: Dialogue, value: ParameterValue) -> StandardReply | None:
    if "8BITMIME" not in dialogue.extensions:
        return replies.NOT_OFFERED(keyword="BODY")
    good = isinstance(value, str) and ascii_upper(value) in ("7BIT", "8BITMIME")
    return None if good else replies.BAD_PARAMETER


def _check_smtputf8(dialogue: Dialogue, value: ParameterValue) -> StandardReply | None:
    if "SMTPUTF8" not in dialogue.extensions:
        return replies.NOT_OFFERED(keyword="SMTPUTF8")
    return None if value is True else replies.BAD_PARAMETER


def _check_auth(dialogue: Dialogue, value: ParameterValue) -> StandardReply | None:
    """Taken where AUTH is offered, and trusted by nobody (RFC 4954 section 5)."""
    return None if is_xtext(value) else replies.BAD_PARAMETER


_BUILT_IN: Mapping[str, ParameterCheck] = {
    "SIZE": _check_size,
    "BODY": _check_body,
    "SMTPUTF8": _check_smtputf8,
    "AUTH": _check_auth,
}


# --- RCPT ----------------------------------------------------------------------------------------


def run_rcpt(dialogue: Dialogue, argument: str) -> None:
    """Read the path, and take the recipient if it is one."""
    path = _parse_argument(argument, "TO:", replies.RCPT_SYNTAX, replies.BAD_RECIPIENT)
    if isinstance(path, StandardReply):
        dialogue.refuse_command(path, "RCPT")
    else:
        take_recipient(dialogue, path.address, path.rest)


def take_recipient(dialogue: Dialogue, address: str, rest: str) -> None:
    """Ask for each parameter in ``rest`` and then for the recipient."""
    dialogue.addressed = address
    transaction = dialogue.transaction
    assert transaction is not None  # the table of sequences has seen to that
    envelope = _parse_envelope(address, rest)
    if isinstance(envelope, StandardReply):
        dialogue.refuse_command(envelope, "RCPT")
        return
    if not address:
        dialogue.refuse_command(replies.BAD_RECIPIENT, "RCPT")
        return
    refusal = _check_characters(address, rest, transaction.mail_params)
    if refusal is not None:
        dialogue.refuse_command(refusal, "RCPT")
    elif len(transaction.recipients) >= dialogue.config.max_recipients:
        dialogue.send_refusal(replies.TOO_MANY_RECIPIENTS, "RCPT")
        dialogue.end_if_reached(dialogue.counts().count_excess_recipient(), "RCPT")
    else:
        _RcptTrial(envelope).proceed(dialogue)


class _RcptTrial:
    """The parameters of one RCPT, while they are asked about."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def proceed(self, dialogue: Dialogue) -> None:
        """Ask for the next parameter, or for the recipient when there is none left."""
        parameter = self._envelope.next_parameter()
        if parameter is None:
            dialogue.ask(Rcpt(self._envelope.path), self._resolve)
        else:
            dialogue.ask(RcptParameter(str(parameter)), self._resolve_parameter)

    def _resolve_parameter(self, dialogue: Dialogue, question: RcptParameter, verdict: Verdict) -> None:
        if isinstance(verdict, Accept):
            self.proceed(dialogue)
        else:
            dialogue.decline(verdict, "RCPT", self._envelope.unsupported())

    def _resolve(self, dialogue: Dialogue, question: Rcpt, verdict: Verdict) -> None:
        resolve_rcpt(dialogue, question, verdict, self._envelope.parameters)


def resolve_rcpt(
    dialogue: Dialogue, question: Rcpt, verdict: Verdict, parameters: Parameters | None = None
) -> None:
    """Add the recipient, or not."""
    if not isinstance(verdict, Accept):
        dialogue.addressed = question.forward_path
        dialogue.decline(verdict, "RCPT", replies.NOT_ACCEPTED)
        return
    transaction = dialogue.transaction
    assert transaction is not None  # nothing runs between a question and its verdict
    if parameters:
        transaction.rcpt_params.append(parameters)
    transaction.recipients.append(question.forward_path)
    if verdict is ACCEPT:  # as accept does
        dialogue.out += RECIPIENT_OK.enhanced if dialogue.status_codes else RECIPIENT_OK.plain
    else:
        dialogue.accept(verdict, RECIPIENT_OK)
