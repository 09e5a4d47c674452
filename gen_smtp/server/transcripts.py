"""What a listener's option `transcript` leads to."""

from __future__ import annotations

import os

from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.transcript import TranscriptOptions
from gen_smtp.transcript.files import file_sink
from gen_smtp.transcript.loggers import LoggerSink
from gen_smtp.transcript.recorder import Transcript


def transcript_of(options: TranscriptOptions | None) -> Transcript | None:
    """Where the dialogues of a listener's sessions go. A file is opened for the first of them."""
    if options is None:
        return None
    lengths = options.line_length, options.session_size
    if options.file is not None:
        return Transcript(file_sink(options.file, options.file_size), options.file, *lengths)
    if options.logger is not None:
        return Transcript(LoggerSink(options.logger), options.logger.name, *lengths)
    assert options.sink is not None  # one of the three is there
    return Transcript(options.sink, type(options.sink).__name__, *lengths)


def check_transcript_file(options: ListenerOptions) -> None:
    """See whether this process, as the user that it is now, may write a listener's transcript.

    Raises:
        OptionsError: why not.
    """
    transcript = options.sessionoptions.transcript
    if transcript is None or transcript.file is None:
        return
    try:
        file_sink(transcript.file, transcript.file_size).open()
    except OSError as error:
        raise OptionsError(
            f"cannot write {transcript.file!r}: {error.strerror or os.strerror(error.errno or 0)}",
            option="sessionoptions.transcript",
            allowed="a file that the process may append to",
        ) from error
