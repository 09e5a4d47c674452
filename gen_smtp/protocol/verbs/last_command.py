"""The one command that a client may still say behind a message that was taken while the session ends.

Many a client would take a 421 that comes at once behind its 250 for the reply to QUIT: Go's `smtp.SendMail`
and s-nail report a failure then, and the mail is sent a second time. So the 421 (RFC 5321 section 3.8) waits
for a command to answer.
"""

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import NEED_DATA, Step
from gen_smtp.protocol.text.command import parse_command
from gen_smtp.protocol.verbs.table import run_quit


def read_last_command(dialogue: Dialogue) -> Step | None:
    """Deal with the next line: QUIT is run, anything else is answered with the last reply."""
    config = dialogue.config
    line = dialogue.next_line(config.max_command_line, config.max_discarded_line)
    if line is None:
        return NEED_DATA
    if isinstance(line, bytes) and parse_command(line) == ("QUIT", ""):
        return run_quit(dialogue)
    dialogue.say_goodbye()
    return None
