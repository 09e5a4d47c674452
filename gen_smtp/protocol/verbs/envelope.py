"""MAIL and RCPT (RFC 5321 sections 4.1.1.2 and 4.1.1.3): paths, parameters, and the questions they raise."""

from collections.abc import Callable, Iterator, Mapping
from sys import getsizeof

from gen_smtp.protocol.config import PLAIN_RECIPIENTS
from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.parameters import table
from gen_smtp.protocol.questions import Mail, MailParameter, Rcpt, RcptParameter
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.address import ParsedPath, parse_path
from gen_smtp.protocol.text.command import (
    Parameter,
    ParameterValue,
    ascii_upper,
    is_size,
    is_xtext,
    parse_parameters,
)
from gen_smtp.protocol.text.replies import StandardReply, echo
from gen_smtp.protocol.transaction import Parameters, Transaction
from gen_smtp.protocol.verbs.parameters import find_fault, is_taken
from gen_smtp.protocol.verdicts import Accept, Verdict

ParameterCheck = Callable[[Dialogue, ParameterValue], StandardReply | None]
"""Judges the value of a built-in parameter: None is good."""

SMALL_PARAMETERS = 64
"""Octets of parameters that a MAIL may have and count against no memory; most have SIZE and BODY."""

PLACES = 80
"""Octets that a recipient takes beside its own: places in two lists, and a dictionary that is empty."""

MailQuestion = Mail | MailParameter
RcptQuestion = Rcpt | RcptParameter


class Argument:
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

    def octets(self) -> int:
        """About how many it takes in memory, with its places in the transaction's lists."""
        parts = [self.path, self.parameters, *self.parameters, *self.parameters.values()]
        return PLACES + sum(map(getsizeof, parts))

    def unsupported(self) -> StandardReply:
        """gen_smtp's refusal of a parameter, which names them all."""
        return replies.UNSUPPORTED_OPTION(parameters=echo(self.sent))


def _parse_argument(
    dialogue: Dialogue, argument: str, keyword: str, syntax: StandardReply, bad_path: StandardReply
) -> ParsedPath | StandardReply:
    """The path behind ``FROM:`` or ``TO:``, or why it is none."""
    if ascii_upper(argument[: len(keyword)]) != keyword:
        return syntax
    given = argument[len(keyword) :].lstrip(" ")
    return parse_path(given, lenient=dialogue.config.lenient) or bad_path


def _parse_parameters(address: str, rest: str) -> Argument | StandardReply:
    """The given with the parameters of ``rest``, or why they are none."""
    parameters = parse_parameters(rest)
    sent = rest.lstrip(" ")
    if parameters is None:
        return replies.UNSUPPORTED_OPTION(parameters=echo(sent))
    given = Argument(address, parameters, sent)
    return given if len(given.parameters) == len(parameters) else replies.BAD_PARAMETER


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


def run_mail(dialogue: Dialogue, argument: str) -> MailQuestion | None:
    """Read the path, and take the sender if it is one."""
    path = _parse_argument(dialogue, argument, "FROM:", replies.MAIL_SYNTAX, replies.BAD_SENDER)
    if isinstance(path, StandardReply):
        dialogue.refuse_command(path, "MAIL")
        return None
    return take_sender(dialogue, path.address, path.rest)


def take_sender(dialogue: Dialogue, address: str, rest: str) -> MailQuestion | None:
    """Open a transaction on trial, and ask for the parameters in ``rest`` and then for the sender."""
    dialogue.addressed = address
    if dialogue.counter is not None and dialogue.counter.has_enough_messages():
        dialogue.end_at_limit("messages", "MAIL")
        return None
    given = _parse_parameters(address, rest)
    if isinstance(given, StandardReply):
        dialogue.refuse_command(given, "MAIL")
        return None
    refusal = _check_characters(address, rest, given.parameters)
    if refusal is not None:
        dialogue.refuse_command(refusal, "MAIL")
        return None
    is_small = len(rest) <= SMALL_PARAMETERS and address.isascii()
    if not (is_small or dialogue.hold(given.octets())):
        dialogue.refuse_command(replies.NO_STORAGE, "MAIL")
        return None
    dialogue.transaction = Transaction(address, given.parameters)
    return _MailTrial(given).proceed(dialogue)


class _MailTrial:
    """The parameters of one MAIL, while they are asked about."""

    __slots__ = ("_argument",)

    def __init__(self, given: Argument) -> None:
        self._argument = given

    def proceed(self, dialogue: Dialogue) -> MailQuestion | None:
        """Look at parameters up to the first that is refused or needs asking."""
        while (parameter := self._argument.next_parameter()) is not None:
            check = _BUILT_IN.get(parameter.keyword)
            if check is None or (check is _check_auth and "AUTH" not in dialogue.extensions):
                fault = find_fault(dialogue, table.MAIL, parameter)
                if not fault:
                    question = MailParameter(str(parameter), known=fault is None)
                    return dialogue.ask(question, self._resolve)
            else:
                fault = check(dialogue, parameter.value)
            if fault:
                dialogue.drop_transaction(refused=True)
                dialogue.refuse_command(fault, "MAIL")
                return None
        return dialogue.ask(Mail(self._argument.path), resolve_mail)

    def _resolve(self, dialogue: Dialogue, question: MailParameter, verdict: Verdict) -> MailQuestion | None:
        if is_taken(question, verdict):
            return self.proceed(dialogue)
        dialogue.drop_transaction(refused=True)
        dialogue.decline(verdict, "MAIL", self._argument.unsupported())
        return None


def resolve_mail(dialogue: Dialogue, question: Mail, verdict: Verdict) -> StandardReply | None:
    """Go on with the transaction that MAIL has opened, or not."""
    if isinstance(verdict, Accept):
        return replies.SENDER_OK
    dialogue.drop_transaction(refused=True)
    dialogue.addressed = question.reverse_path
    dialogue.decline(verdict, "MAIL", replies.NOT_ACCEPTED)
    return None


def _check_size(dialogue: Dialogue, value: ParameterValue) -> StandardReply | None:
    if not is_size(value):
        return replies.BAD_PARAMETER
    if int(value) <= dialogue.max_size:
        return None
    return replies.SIZE_TOO_LARGE(size=value, limit=int(dialogue.max_size))


def _check_body(dialogue: Dialogue, value: ParameterValue) -> StandardReply | None:
    """RFC 6152 section 2 and RFC 3030 section 3."""
    offered = dialogue.extensions
    if not ("8BITMIME" in offered or "BINARYMIME" in offered):
        return replies.NOT_OFFERED(keyword="BODY")
    body = ascii_upper(value) if isinstance(value, str) else ""
    if body == "BINARYMIME" and body in offered:
        assert dialogue.transaction is not None  # it is the one that this MAIL opens
        dialogue.transaction.binary = True
        return None
    return None if body in ("7BIT", "8BITMIME") else replies.BAD_PARAMETER


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


def run_rcpt(dialogue: Dialogue, argument: str) -> RcptQuestion | None:
    """Read the path, and take the recipient if it is one."""
    path = _parse_argument(dialogue, argument, "TO:", replies.RCPT_SYNTAX, replies.BAD_RECIPIENT)
    if isinstance(path, StandardReply):
        dialogue.refuse_command(path, "RCPT")
        return None
    return take_recipient(dialogue, path.address, path.rest)


def take_recipient(dialogue: Dialogue, address: str, rest: str) -> RcptQuestion | None:
    """Ask for each parameter in ``rest`` and then for the recipient."""
    dialogue.addressed = address
    transaction = dialogue.transaction
    assert transaction is not None  # the table of sequences has seen to that
    given = _parse_parameters(address, rest)
    if isinstance(given, StandardReply):
        dialogue.refuse_command(given, "RCPT")
        return None
    if not address:
        dialogue.refuse_command(replies.BAD_RECIPIENT, "RCPT")
        return None
    refusal = _check_characters(address, rest, transaction.mail_params)
    if refusal is not None:
        dialogue.refuse_command(refusal, "RCPT")
    elif len(transaction.recipients) >= dialogue.config.max_recipients:
        _refuse_excess(dialogue, replies.TOO_MANY_RECIPIENTS)
    else:
        is_small = not rest and address.isascii() and len(transaction.recipients) < PLAIN_RECIPIENTS
        octets = 0 if is_small else given.octets()
        if not octets or dialogue.hold(octets):
            return _RcptTrial(given, octets).proceed(dialogue)
        _refuse_excess(dialogue, replies.NO_STORAGE)
    return None


def _refuse_excess(dialogue: Dialogue, reply: StandardReply) -> None:
    """Refuse one recipient too many: those that were pipelined behind it are no fault of the client's."""
    dialogue.send_refusal(reply, "RCPT")
    dialogue.end_if_reached(dialogue.counts().count_excess_recipient(), "RCPT")


class _RcptTrial:
    """The parameters of one RCPT, while they are asked about; ``octets`` are counted for it."""

    __slots__ = ("_argument", "_octets")

    def __init__(self, given: Argument, octets: int) -> None:
        self._argument = given
        self._octets = octets

    def proceed(self, dialogue: Dialogue) -> RcptQuestion | None:
        """Ask for the next parameter, or for the recipient when there is none left."""
        parameter = self._argument.next_parameter()
        if parameter is None:
            assert dialogue.transaction is not None  # nothing runs between a question and its verdict
            dialogue.transaction.asked_params = self._argument.parameters
            return dialogue.ask(Rcpt(self._argument.path), self._resolve)
        fault = find_fault(dialogue, table.RCPT, parameter)
        if not fault:
            question = RcptParameter(str(parameter), known=fault is None)
            return dialogue.ask(question, self._resolve_parameter)
        dialogue.let_go(self._octets)
        dialogue.refuse_command(fault, "RCPT")
        return None

    def _resolve_parameter(
        self, dialogue: Dialogue, question: RcptParameter, verdict: Verdict
    ) -> RcptQuestion | None:
        if is_taken(question, verdict):
            return self.proceed(dialogue)
        dialogue.let_go(self._octets)
        dialogue.decline(verdict, "RCPT", self._argument.unsupported())
        return None

    def _resolve(self, dialogue: Dialogue, question: Rcpt, verdict: Verdict) -> StandardReply | None:
        assert dialogue.transaction is not None  # as above
        dialogue.transaction.asked_params = None
        if not isinstance(verdict, Accept):
            dialogue.let_go(self._octets)
        return resolve_rcpt(dialogue, question, verdict, self._argument.parameters)


def resolve_rcpt(
    dialogue: Dialogue, question: Rcpt, verdict: Verdict, parameters: Parameters | None = None
) -> StandardReply | None:
    """Add the recipient, or not."""
    if not isinstance(verdict, Accept):
        dialogue.addressed = question.forward_path
        dialogue.decline(verdict, "RCPT", replies.NOT_ACCEPTED)
        return None
    transaction = dialogue.transaction
    assert transaction is not None  # nothing runs between a question and its verdict
    if parameters:
        transaction.rcpt_params.append(parameters)
    transaction.recipients.append(question.forward_path)
    return replies.RECIPIENT_OK
