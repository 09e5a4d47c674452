"""What a client did that leads nowhere, counted against the limits of its session.

Three things count, and each command at most as one of them. An *error* is a 5yz reply, RFC 5321 section
4.2.1's permanent negative completion: the client asked for what it can't have. One to AUTH is an *AUTH
failure*. *Junk* brings no message nearer: a command such as NOOP that succeeds, and a 4yz reply, a condition
of the server that the client is not to blame for. A message that is taken forgives errors and junk.

What a client has sent ahead, behind a MAIL or RCPT that is refused, counts as none of them (RFC 2920 section
3.1): it could not know. How it was cut into packets does not matter, so a client that did know is excused as
well; the number of commands is bounded.
"""

from collections.abc import Mapping
from typing import Literal

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.text.replies import MESSAGE_TOO_LARGE, StandardReply

LimitName = Literal[
    "auth_failures",
    "discarded_line",
    "errors",
    "junk_commands",
    "message_size",
    "messages",
    "refuse_early_talkers",
]
"""The limits that close the connection, by the names of their options."""

LIMIT_REACHED: Mapping[LimitName, StandardReply] = {
    "auth_failures": StandardReply("421", "4.7.0", "Error: too many authentication failures"),
    "discarded_line": StandardReply("421", "4.5.0", "Error: line too long"),
    "errors": StandardReply("421", "4.7.0", "Error: too many errors"),
    "junk_commands": StandardReply("421", "4.7.0", "Error: too many commands without a message"),
    "message_size": MESSAGE_TOO_LARGE,
    "messages": StandardReply("421", "4.7.0", "Error: too many messages in one session"),
    "refuse_early_talkers": StandardReply("554", "5.5.0", "Error: you must wait for the greeting"),
}
"""The last reply of each."""


class LimitCounter:
    """The counts of one session; made for the first thing that counts.

    Each method counts one more, and says which limit that has reached: the connection is to be closed.

    Attributes:
        auth_refused: what was counted last is an AUTH that was refused.
    """

    __slots__ = (
        "_auth_failures",
        "_config",
        "_errors",
        "_excess_recipients",
        "_junk",
        "_message_ahead",
        "_messages",
        "_recipients_ahead",
        "auth_refused",
    )

    def __init__(self, config: ProtocolConfig) -> None:
        self._config = config
        self.auth_refused = self._message_ahead = False
        self._recipients_ahead = 0
        self._auth_failures = self._errors = self._junk = self._excess_recipients = self._messages = 0

    def count_refusal(self, verb: str, reply: bytes) -> LimitName | None:
        """A command or a whole message got ``reply`` instead of what it asked for."""
        if reply[:1] != b"5":
            reached = self.count_junk()
        else:
            reached = self._count_auth_failure() if verb == "AUTH" else self._count_error()
        self.auth_refused = verb == "AUTH"
        self._message_ahead = verb in ("MAIL", "RCPT")
        if verb != "RCPT":
            self._recipients_ahead = self._config.max_recipients if verb == "MAIL" else 0
        return reached

    def excuses(self, verb: str) -> bool:
        """Whether a command that is out of place was sent ahead of a refusal, and is not to be counted.

        So are as many recipients behind a refused MAIL as a message may have, and one DATA or BDAT behind
        them, or behind recipients that were all refused.
        """
        if verb == "RCPT" and self._recipients_ahead:
            self._recipients_ahead -= 1
            return True
        excused = verb in ("DATA", "BDAT") and self._message_ahead
        if excused:
            self._end_pipeline()
        return excused

    def _end_pipeline(self) -> None:
        self._message_ahead = False
        self._recipients_ahead = 0

    def _count_error(self) -> LimitName | None:
        self._errors += 1
        return "errors" if self._errors >= self._config.max_errors else None

    def _count_auth_failure(self) -> LimitName | None:
        self._auth_failures += 1
        return "auth_failures" if self._auth_failures >= self._config.max_auth_failures else None

    def count_junk(self) -> LimitName | None:
        """A command that brings no message nearer."""
        self.auth_refused = False
        self._end_pipeline()
        self._junk += 1
        return "junk_commands" if self._junk >= self._config.max_junk_commands else None

    def count_excess_recipient(self) -> LimitName | None:
        """A recipient too many. Those that were pipelined before the first 452 could be heeded are free."""
        self._excess_recipients += 1
        is_free = self._excess_recipients <= self._config.max_recipients
        reached = None if is_free else self.count_junk()
        self._message_ahead = True
        return reached

    def count_message(self) -> None:
        """A message was taken: what is past is forgiven, but for failed AUTH."""
        self._messages += 1
        self._errors = self._junk = self._excess_recipients = 0
        self._end_pipeline()

    def has_enough_messages(self) -> bool:
        """Whether the next MAIL is one too many."""
        return self._messages >= self._config.max_messages
