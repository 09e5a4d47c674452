"""BDAT and the chunks of a message behind it (RFC 3030 section 2; for LMTP RFC 2033 section 4.3).

No octet of a chunk is ever taken for a command. Those of a chunk that is refused, for whatever reason, are
read away before the reply, as RFC 3030 section 2 wants it. A BDAT that does not say how many octets follow
ends the connection.
"""

import re
from functools import partial
from typing import Literal

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import (
    ChunkComplete,
    ChunksStart,
    MessageChunk,
    MessageComplete,
    MessageRejected,
    Notice,
    OutOfOrder,
    Question,
)
from gen_smtp.protocol.sequence import OutOfSequence
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.chunks import (
    MAX_CHUNK_DIGITS,
    ChunkReader,
    ChunkSize,
    SkippedChunks,
    parse_chunk_size,
)
from gen_smtp.protocol.text.replies import StandardReply, chunk_received
from gen_smtp.protocol.verbs.data import faults_of, reply_count, resolve_message
from gen_smtp.protocol.verdicts import Accept, Verdict

Refusal = StandardReply | OutOfSequence
Brought = Question | Notice | None
"""What a command or an octet brings besides replies and what is queued."""

_START = ChunksStart()
MOST_AT_ONCE = 16
"""So many chunks are dealt with in one step: their replies are queued together."""

_MORE = re.compile(rb"BDAT ([1-9][0-9]{0,%d})\r\n" % (MAX_CHUNK_DIGITS - 1))
_NEXT = re.compile(rb"BDAT ([0-9]{1,%d})( LAST)?\r\n" % MAX_CHUNK_DIGITS)


def run_bdat(dialogue: Dialogue, argument: str, refusal: Refusal | None = None) -> Brought:
    """Have a chunk read; or read away because of ``refusal``, or because of something that is wrong here."""
    size = parse_chunk_size(argument)
    if size is None:
        dialogue.refuse_command(replies.CHUNK_SYNTAX, "BDAT")
        dialogue.close()  # nobody knows where the next command is
        return None
    refusal = refusal or _why_not(dialogue, size)
    if refusal is not None:
        _skip(dialogue, size, refusal)
        return None
    reader = dialogue.reader
    if not isinstance(reader, ChunkReader):
        reader = dialogue.reader = _make_reader(dialogue)
        dialogue.in_message = True
        dialogue.tell(_START)
    return _begin(dialogue, reader, size.octets, last=size.last)


def run_next(dialogue: Dialogue, reader: ChunkReader) -> Brought | Literal[False]:
    """The fast path between two chunks: a BDAT as clients write it. False: what comes goes the general way.

    It saves 40 % of the protocol's time for a body in chunks of 8 KiB (docs/performance.md). test_bdat.py
    holds the two equal.
    """
    start = dialogue.offset
    matched = _NEXT.match(dialogue.received, start)
    if matched is None or dialogue.discarded or matched.end() - start > dialogue.config.max_command_line:
        return False
    dialogue.skip_to(matched.end())
    octets, last = matched.groups()
    return _begin(dialogue, reader, int(octets), last=last is not None)


def _why_not(dialogue: Dialogue, size: ChunkSize) -> StandardReply | None:
    if not size.well_formed:
        return replies.CHUNK_SYNTAX
    if "CHUNKING" not in dialogue.extensions:
        return replies.CHUNKING_NOT_OFFERED
    return None if dialogue.in_message or dialogue.config.has_room() else replies.NO_STORAGE


def _make_reader(dialogue: Dialogue) -> ChunkReader:
    transaction, config = dialogue.transaction, dialogue.config
    assert transaction is not None  # the table of sequences has seen to that
    if transaction.binary:  # it has neither lines nor newlines (RFC 3030 section 3)
        return ChunkReader("ignore", dialogue.max_size)
    return ChunkReader(config.allow_bare_newlines, dialogue.max_size, config.max_text_line)


def read_chunk(dialogue: Dialogue, reader: ChunkReader | SkippedChunks) -> Brought:
    """Take in what there is of a chunk; return what that brings. None: it is queued, or nothing."""
    data, start = dialogue.received, dialogue.offset
    end = min(start + reader.left, len(data))
    if end < len(data) and isinstance(reader, ChunkReader) and not reader.last and dialogue.config.shortcuts:
        question = _read_several(dialogue, reader)
        if question is not None:
            return question
    dialogue.skip_to(end)
    if isinstance(reader, ChunkReader):
        return _feed(dialogue, reader, data[start:end])
    reader.feed(end - start)
    if reader.endless or not reader.left:
        _end_skipped(dialogue, reader)
    return None


def _read_several(dialogue: Dialogue, reader: ChunkReader) -> Question | None:
    """The fast path for chunks that have come together: all that is there of them in one step.

    None: there are not several, or something about them needs the general way. It saves 34 % of the
    protocol's time for a body in chunks of 8 KiB (docs/performance.md). test_bdat.py holds the two equal.
    """
    data, position = dialogue.received, dialogue.offset
    octets, left, announced = reader.octets, reader.left, 0
    first_end = position + left
    view = memoryview(data)
    pieces: list[memoryview] = []
    sizes: list[int] = []
    while len(sizes) < MOST_AT_ONCE:
        end = position + left
        pieces.append(view[position:end])
        if end > len(data):
            left, position = end - len(data), len(data)
            break
        sizes.append(octets)
        left, position = 0, end
        matched = _MORE.match(data, position)
        if matched is None or not reader.has_room(announced + int(matched[1])):
            break
        octets = left = int(matched[1])
        announced += octets
        position = matched.end()
    content = b"".join(pieces)
    if len(pieces) < 2 or not reader.take_several(content, announced, octets, left):
        return None
    dialogue.skip_to(position)
    question = ChunkComplete(content)
    return dialogue.ask(question, partial(_resolve_several, sizes, view[first_end:position]))


def _resolve_several(
    sizes: list[int], behind_first: memoryview, dialogue: Dialogue, question: ChunkComplete, verdict: Verdict
) -> None:
    reader = dialogue.reader
    assert isinstance(reader, ChunkReader)  # nothing runs between a question and its verdict
    if isinstance(verdict, Accept):
        status = dialogue.status_codes
        dialogue.unsent += b"".join([chunk_received(octets, status=status) for octets in sizes])
        return
    # It is the first one that is declined. Those behind it are read once more, to be read away.
    unread = memoryview(dialogue.received)[dialogue.offset :]
    dialogue.received, dialogue.offset = b"".join([behind_first, unread]), 0
    _resolve_chunk(dialogue, question, verdict)


def _begin(dialogue: Dialogue, reader: ChunkReader, octets: int, *, last: bool) -> Brought:
    was_rejected = reader.rejection is not None
    reader.begin(octets, last=last)
    if reader.rejection is not None and not was_rejected:
        dialogue.tell(MessageRejected(reader.rejection, dialogue.transaction))
    step = None if reader.left else _feed(dialogue, reader, b"")
    if step is None or dialogue.queued is None:
        return step
    dialogue.tell(step)
    return None


# --- Chunks of a message -------------------------------------------------------------------------


def _feed(dialogue: Dialogue, reader: ChunkReader, piece: bytes) -> Brought:
    """Take in a piece of a chunk. At its end a question comes of it, or the reply to a message at fault."""
    was_rejected = reader.rejection is not None
    content = reader.feed(piece)
    if reader.rejection is None:
        if reader.left:
            return MessageChunk(content) if content else None
        return _complete(dialogue, reader, content)
    if not was_rejected:
        dialogue.tell(MessageRejected(reader.rejection, dialogue.transaction))
    if reader.endless:
        last = faults_of(dialogue)
        dialogue.end_message()
        dialogue.end_at_limit("message_size", "BDAT", *last)
    elif not reader.left:
        octets = [dialogue.send_refusal(reply, "BDAT") for reply in faults_of(dialogue)]
        _end_refused(dialogue, reader, octets[-1])
    return None


def _complete(dialogue: Dialogue, reader: ChunkReader, content: bytes) -> Question:
    """The question that the end of a chunk brings, with its last piece."""
    if not reader.last:
        return dialogue.ask(ChunkComplete(content), _resolve_chunk)
    transaction = dialogue.transaction
    assert transaction is not None  # the table of sequences has seen to that
    question = MessageComplete(transaction.sender, list(transaction.recipients), content)
    return dialogue.ask(question, _resolve_message)


def _resolve_chunk(dialogue: Dialogue, question: ChunkComplete, verdict: Verdict) -> None:
    reader = dialogue.reader
    assert isinstance(reader, ChunkReader)  # nothing runs between a question and its verdict
    if isinstance(verdict, Accept):
        dialogue.unsent += chunk_received(reader.octets, status=dialogue.status_codes)
    else:
        _end_refused(dialogue, reader, dialogue.send_declined(verdict, "BDAT", replies.NOT_ACCEPTED))


def _resolve_message(dialogue: Dialogue, question: MessageComplete, verdict: Verdict) -> StandardReply | None:
    return resolve_message(dialogue, question, verdict, "BDAT")


def _end_refused(dialogue: Dialogue, reader: ChunkReader, reply: bytes) -> None:
    """Forget a message that was refused; more of its chunks may be on their way (RFC 3030 section 2)."""
    count = reply_count(dialogue)
    dialogue.end_message()
    if not reader.last:
        dialogue.reader = SkippedChunks(dialogue.max_size, count, counted=True)
    dialogue.count_refusal("BDAT", reply)


# --- Chunks of nothing ---------------------------------------------------------------------------


def _skip(dialogue: Dialogue, size: ChunkSize, refusal: Refusal) -> None:
    """Have a chunk read away that has no place. If it belongs to a message, that can't be whole any more."""
    skipped, transaction = dialogue.reader, dialogue.transaction
    if not isinstance(skipped, SkippedChunks) or transaction is not None:
        skipped = SkippedChunks(dialogue.max_size, 0 if transaction is None else reply_count(dialogue))
        if dialogue.in_message:
            dialogue.abandon_message()
        elif transaction is not None:
            dialogue.drop_transaction()
        dialogue.reader = skipped
    skipped.out_of_place = isinstance(refusal, OutOfSequence)
    skipped.refusal, skipped.notify = refusal if isinstance(refusal, OutOfSequence) else (refusal, False)
    skipped.begin(size.octets, last=size.last)
    if skipped.left:
        dialogue.in_message = True
        dialogue.tell(_START)
    else:
        _end_skipped(dialogue, skipped)


def _end_skipped(dialogue: Dialogue, skipped: SkippedChunks) -> None:
    """Answer a chunk that was read away. One that was pipelined behind a refusal is no fault of its own."""
    dialogue.in_message = False
    if skipped.endless:
        dialogue.end_at_limit("message_size", "BDAT", *faults_of(dialogue))
        return
    reply = dialogue.send_refusal(skipped.refusal, "BDAT")
    if skipped.last:
        dialogue.reader = None
        for _ in range(1, skipped.replies):  # RFC 2033 section 4.3
            dialogue.send_refusal(skipped.refusal, "BDAT")
    if not skipped.counted:
        skipped.counted = True
        if skipped.notify:
            dialogue.tell(OutOfOrder("BDAT"))
        if not (skipped.out_of_place and dialogue.counts().excuses("BDAT")):
            dialogue.count_refusal("BDAT", reply)
