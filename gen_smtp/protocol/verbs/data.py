"""DATA and the message behind it (RFC 5321 section 4.1.1.4; for LMTP RFC 2033 section 4.2)."""

from collections.abc import Sequence

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import PAUSED, MessageChunk, MessageComplete, MessageRejected, MessageStart
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.data_reader import DataReader, RejectionCause
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verdicts import Accept, Fail, Reject, Results, Verdict

_REJECTIONS: dict[RejectionCause, StandardReply] = {
    "bare_newline": replies.BARE_NEWLINE,
    "line_too_long": replies.TEXT_LINE_TOO_LONG,
    "size_exceeded": replies.MESSAGE_TOO_LARGE,
}
_MESSAGE_START = MessageStart()


def run_data(dialogue: Dialogue, argument: str) -> None:
    """Invite the message, and queue the event that it begins."""
    event = invite_message(dialogue)
    if event is not None:
        dialogue.notify(event)


def invite_message(dialogue: Dialogue) -> MessageStart | None:
    """Queue the 354; what comes now is read by ``read_message``. None: there is no room, and 452 says so."""
    config = dialogue.config
    if not config.has_room():
        dialogue.refuse_command(replies.NO_STORAGE, "DATA")
        return None
    dialogue.reader = DataReader(config.allow_bare_newlines, dialogue.max_size, config.max_text_line)
    dialogue.in_message = True
    dialogue.send(replies.ENTER_MAIL)
    return _MESSAGE_START


def read_message(dialogue: Dialogue, reader: DataReader) -> MessageComplete | bool:
    """Take in what there is of the message.

    The event that it is complete; True for anything else, which is queued; False if there is nothing.
    """
    data, start = dialogue.input, dialogue.offset
    if start == len(data):
        return False
    already_rejected = reader.rejection
    content = reader.feed(data, start)
    dialogue.skip_to(reader.end if reader.finished else len(data))
    if reader.rejection is None:
        if reader.finished:
            return complete_message(dialogue, content)
        if content:
            dialogue.notify(MessageChunk(content))
        return True
    if not already_rejected:
        dialogue.notify(MessageRejected(reader.rejection))
    if reader.endless:
        dialogue.end_transaction()
        dialogue.end_at_limit("message_size", "DATA")
    elif reader.finished:
        _refuse(dialogue, _REJECTIONS[reader.rejection])
    return True


def complete_message(dialogue: Dialogue, rest: bytes) -> MessageComplete:
    """The question that the end of a message brings, with its last piece."""
    transaction = _transaction(dialogue)
    question = dialogue.pending = MessageComplete(transaction.sender, list(transaction.recipients), rest)
    dialogue.reader, dialogue.resolve, dialogue.halted = None, _resolve, PAUSED
    return question


def _refuse(dialogue: Dialogue, refusal: StandardReply) -> None:
    octets = [dialogue.send_refusal(refusal, "DATA") for _ in range(_reply_count(dialogue))]
    dialogue.end_transaction()
    dialogue.count_refusal("DATA", octets[-1])  # one message, whatever the number of replies


def _resolve(dialogue: Dialogue, question: MessageComplete, verdict: Verdict) -> None:
    if dialogue.config.lmtp:
        _resolve_each(dialogue, verdict)
    elif isinstance(verdict, Accept):
        dialogue.accept(verdict, replies.OK)
        dialogue.end_transaction()
        dialogue.count_message()
    else:
        refusal = dialogue.turn_down(verdict, "DATA", replies.NOT_ACCEPTED)
        dialogue.end_transaction()
        dialogue.count_refusal("DATA", refusal)


def _resolve_each(dialogue: Dialogue, verdict: Verdict) -> None:
    """LMTP: a reply for every recipient; one who is taken makes it a message that is."""
    count = _reply_count(dialogue)
    taken, refusal = False, b""
    for each in _one_each(verdict.results, count) if isinstance(verdict, Results) else [verdict] * count:
        if isinstance(each, Accept):
            dialogue.accept(each, replies.OK)
            taken = True
        else:
            refusal = dialogue.turn_down(each, "DATA", replies.NOT_ACCEPTED)
    dialogue.end_transaction()
    if taken:
        dialogue.count_message()
    else:
        dialogue.count_refusal("DATA", refusal)


def _one_each(results: Sequence[Accept | Reject], count: int) -> list[Verdict]:
    """As many verdicts as recipients: 451 for those the callback forgot."""
    return [*results[:count], *[Fail()] * (count - len(results))]


def _reply_count(dialogue: Dialogue) -> int:
    """LMTP answers for every recipient, refusals too (RFC 2033 section 4.2)."""
    return len(_transaction(dialogue).recipients) if dialogue.config.lmtp else 1


def fail_message(dialogue: Dialogue) -> None:
    """451 for the message whose callback crashed."""
    for _ in range(_reply_count(dialogue)):
        dialogue.send_refusal(replies.INTERNAL_ERROR, "DATA")


def _transaction(dialogue: Dialogue) -> Transaction:
    assert dialogue.transaction is not None  # the table of sequences has seen to that
    return dialogue.transaction
