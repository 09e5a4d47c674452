"""Transcripts: the dialogues of sessions as text, without credentials and message bodies.

Public: `Sink` takes what there is to write, one `Entry` after the other. A program may bring a class of its
own; `FileSink` and `LoggerSink` are those of the options. `recorder` is what looks on at a session,
`masking` decides what of a line may be shown.

Imports: `actors.events`, `gen_smtp.events`, `gen_smtp.protocol.text`.
"""

from gen_smtp.transcript.files import FileSink
from gen_smtp.transcript.loggers import LoggerSink
from gen_smtp.transcript.sink import Entry, Sink, Speaker

__all__ = ["Entry", "FileSink", "LoggerSink", "Sink", "Speaker"]
