"""What a client did that leads nowhere, counted against the limits of its session.

Three things count, and each command at most as one of them. An *error* is a 5yz reply, RFC 5321 section
4.2.1's permanent negative completion: the client asked for what it can't have. One to AUTH is an *AUTH
failure*. *Junk* brings no message nearer: a command such as NOOP that succeeds, and a 4yz reply, a condition
of the server that the client is not to blame for. A message that is taken forgives errors and junk.
"""

from collections.abc import Mapping
from typing import Literal

from gen_smtp.protocol.config import ProtocolConfig
from gen_smtp.protocol.text.replies import StandardReply

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
    "message_size": StandardReply("421", "4.3.4", "Error: refused message does not end"),
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
        "_messages",
        "auth_refused",
    )

    def __init__(self, config: ProtocolConfig) -> None:
        self._config = config
        self.auth_refused = False
        self._auth_failures = self._errors = self._junk = self._excess_recipients = self._messages = 0

    def count_refusal(self, verb: str, reply: bytes) -> LimitName | None:
        """A command or a whole message got ``reply`` instead of what it asked for."""
        if reply[:1] != b"5":
            reached = self.count_junk()
        else:
            reached = self._count_auth_failure() if verb == "AUTH" else self._count_error()
        self.auth_refused = verb == "AUTH"
        return reached

    def _count_error(self) -> LimitName | None:
        self._errors += 1
        return "errors" if self._errors >= self._config.max_errors else None

    def _count_auth_failure(self) -> LimitName | None:
        self._auth_failures += 1
        return "auth_failures" if self._auth_failures >= self._config.max_auth_failures else None

    def count_junk(self) -> LimitName | None:
        """A command that brings no message nearer."""
        self.auth_refused = False
        self._junk += 1
        return "junk_commands" if self._junk >= self._config.max_junk_commands else None

    def count_excess_recipient(self) -> LimitName | None:
        """A recipient too many. Those that were pipelined before the first 452 could be heeded are free."""
        self._excess_recipients += 1
        return self.count_junk() if self._excess_recipients > self._config.max_recipients else None

    def count_message(self) -> None:
        """A message was taken: what is past is forgiven, but for failed AUTH."""
        self._messages += 1
        self._errors = self._junk = self._excess_recipients = 0

    def has_enough_messages(self) -> bool:
        """Whether the next MAIL is one too many."""
        return self._messages >= self._config.max_messages
