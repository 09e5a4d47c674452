"""DATA and the message behind it (RFC 5321 section 4.1.1.4; for LMTP RFC 2033 section 4.2)."""

from collections.abc import Sequence

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import (
    NEED_DATA,
    PAUSED,
    MessageChunk,
    MessageComplete,
    MessageRejected,
    MessageStart,
    Step,
)
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.chunks import ChunkReader, SkippedChunks
from gen_smtp.protocol.text.content import ContentJudge, RejectionCause
from gen_smtp.protocol.text.data_reader import DataReader
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.text.whole import ENDING, whole_message
from gen_smtp.protocol.verdicts import Accept, Decline, Fail, PerRecipient, Verdict

_REJECTIONS: dict[RejectionCause, StandardReply] = {
    "line_too_long": replies.TEXT_LINE_TOO_LONG,
    "size_exceeded": replies.MESSAGE_TOO_LARGE,
}
"""What a message is answered whose octets are at fault, but for bare newlines."""
_MESSAGE_START = MessageStart()


def run_data(dialogue: Dialogue, argument: str = "") -> MessageStart | None:
    """Invite the message: what comes now is read by ``read_message``. None: there is no room for one."""
    if not dialogue.config.has_room():
        dialogue.refuse_command(replies.NO_STORAGE, "DATA")
        return None
    dialogue.in_message = True
    dialogue.unsent += replies.ENTER_MAIL.plain
    return _MESSAGE_START


def hear_message(dialogue: Dialogue, data: bytes) -> MessageComplete | None:
    """Take ``data``, which is all that is unread, if a whole message is in front of it."""
    if dialogue.reader is not None:
        return None
    config = dialogue.config
    content = whole_message(data, 0, config.allow_bare_newlines, dialogue.max_size, config.max_text_line)
    if content is None:
        return None
    end = len(content) + len(ENDING)
    if end < len(data):
        dialogue.received, dialogue.offset = data, end
    return _complete(dialogue, content)


def read_message(dialogue: Dialogue, reader: DataReader | None) -> Step | None:
    """Take in what there is of the message; return what that brings. None: it is queued, or nothing.

    ``reader`` has the pieces that have come; None if this is the first.
    """
    data, start = dialogue.received, dialogue.offset
    if start == len(data):
        return NEED_DATA
    if reader is None:
        config = dialogue.config
        limits = config.allow_bare_newlines, dialogue.max_size, config.max_text_line
        content = whole_message(data, start, *limits)
        if content is not None:
            dialogue.skip_to(start + len(content) + len(ENDING))
            return _complete(dialogue, content)
        reader = dialogue.reader = DataReader(*limits)
    already_rejected = reader.rejection
    content = reader.feed(data, start)
    dialogue.skip_to(reader.end if reader.finished else len(data))
    if reader.rejection is None:
        if reader.finished:
            return _complete(dialogue, content)
        return MessageChunk(content) if content else None
    if not already_rejected:
        dialogue.tell(MessageRejected(reader.rejection, dialogue.transaction))
    if reader.endless:
        # No 421: nullmailer and dma would send the same message again and again.
        last = faults_of(dialogue)
        dialogue.end_message()
        dialogue.end_at_limit("message_size", "DATA", *last)
    elif reader.finished:
        _reject(dialogue)
    return None


def faults_of(dialogue: Dialogue) -> list[StandardReply]:
    """The replies to the message or chunk under way if it is refused already; in LMTP perhaps several."""
    reader = dialogue.reader
    if isinstance(reader, SkippedChunks):
        return [reader.refusal] * (max(1, reader.replies) if reader.last else 1)
    if reader is None or reader.rejection is None:
        return []
    is_part = isinstance(reader, ChunkReader) and not reader.last
    return [_fault_of(reader)] * (1 if is_part else reply_count(dialogue))


def _fault_of(reader: ContentJudge) -> StandardReply:
    assert reader.rejection is not None  # nobody asks before
    if reader.rejection == "bare_newline":
        return replies.BARE_NEWLINE(what=reader.describe_bare_newline())
    return _REJECTIONS[reader.rejection]


def _complete(dialogue: Dialogue, rest: bytes) -> MessageComplete:
    """The question that the end of a message brings, with its last piece."""
    transaction = dialogue.transaction
    assert transaction is not None  # the table of sequences has seen to that
    dialogue.reader = None
    # As `ask` does, for every message.
    question = dialogue.pending = MessageComplete(transaction.sender, list(transaction.recipients), rest)
    dialogue.resolve, dialogue.halted = resolve_message, PAUSED
    return question


def _reject(dialogue: Dialogue) -> None:
    octets = [dialogue.send_refusal(reply, "DATA") for reply in faults_of(dialogue)]
    dialogue.end_message()
    dialogue.count_refusal("DATA", octets[-1])  # one message, whatever the number of replies


def resolve_message(
    dialogue: Dialogue, question: MessageComplete, verdict: Verdict, verb: str = "DATA"
) -> StandardReply | None:
    """Answer a message that is complete, and end its transaction."""
    if dialogue.config.lmtp:
        _resolve_each(dialogue, verdict, verb)
    elif isinstance(verdict, Accept):
        dialogue.end_message(taken=True)
        return replies.OK
    else:
        refusal = dialogue.send_declined(verdict, verb, replies.NOT_ACCEPTED)
        dialogue.end_message()
        dialogue.count_refusal(verb, refusal)
    return None


def _resolve_each(dialogue: Dialogue, verdict: Verdict, verb: str) -> None:
    """LMTP: a reply for every recipient. If any recipient is accepted, the message counts as taken."""
    count = reply_count(dialogue)
    taken, refusal = False, b""
    for each in _one_each(verdict.results, count) if isinstance(verdict, PerRecipient) else [verdict] * count:
        if isinstance(each, Accept):
            dialogue.accept(each, replies.OK)
            taken = True
        else:
            refusal = dialogue.send_declined(each, verb, replies.NOT_ACCEPTED)
    dialogue.end_message(taken=taken)
    if not taken:
        dialogue.count_refusal(verb, refusal)


def _one_each(results: Sequence[Accept | Decline], count: int) -> list[Verdict]:
    """As many verdicts as recipients: 451 for those the callback forgot."""
    return [*results[:count], *[Fail()] * (count - len(results))]


def reply_count(dialogue: Dialogue) -> int:
    """LMTP answers for every recipient, whatever the answer (RFC 2033 section 4.2)."""
    if not dialogue.config.lmtp:
        return 1
    assert dialogue.transaction is not None  # the table of sequences has seen to that
    return len(dialogue.transaction.recipients)


def fail_message(dialogue: Dialogue) -> None:
    """451 for the message whose callback crashed."""
    verb = "BDAT" if isinstance(dialogue.reader, ChunkReader) else "DATA"
    for _ in range(reply_count(dialogue)):
        dialogue.send_refusal(replies.INTERNAL_ERROR, verb)
