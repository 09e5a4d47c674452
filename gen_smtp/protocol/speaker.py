"""What a connection has besides whose peer may speak for others: by XCLIENT, or by XFORWARD.

Few connections are so; the others need no room for it.
"""

from typing import Literal, NamedTuple

from gen_smtp.protocol.dialogue import Dialogue


class HelloBefore(NamedTuple):
    """The hello that came before XCLIENT."""

    verb: Literal["HELO", "EHLO", "LHLO"]
    hostname: str


class SpeakerDialogue(Dialogue):
    """A dialogue with such a peer."""

    __slots__ = ("forwarded", "hello_before")

    def forget_client(self) -> None:
        super().forget_client()
        self.hello_before: HelloBefore | None = None
        """The last hello before XCLIENT."""
        self.forwarded = None

    def end_message(self, *, taken: bool = False) -> None:
        super().end_message(taken=taken)
        self.forwarded = None

    def drop_transaction(self, *, refused: bool = False) -> None:
        super().drop_transaction()
        if not refused:
            self.forwarded = None

    def last_hello(self) -> HelloBefore | None:
        """The hello that this client has said, or the one before it."""
        if self.helo is None:
            return self.hello_before
        if self.config.lmtp:
            return HelloBefore("LHLO", self.helo)
        return HelloBefore("EHLO" if self.extensions else "HELO", self.helo)
