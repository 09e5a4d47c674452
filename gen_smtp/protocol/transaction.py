"""A mail transaction (RFC 5321 section 3.3)."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from gen_smtp.protocol.text.command import ParameterValue

Parameters = dict[str, ParameterValue]
"""Upper-case keywords and their values as sent; ``True`` for a keyword alone."""


@dataclass(slots=True, eq=False, repr=False)
class Transaction:
    """What MAIL and RCPT have said so far; ``data`` is the callback's own, new with each MAIL.

    ``binary`` says that the message may have any octets (BODY=BINARYMIME). ``asked_params`` are those of the
    RCPT that is asked about; most have none.
    """

    sender: str
    mail_params: Parameters
    binary: bool = field(default=False, init=False)
    recipients: list[str] = field(default_factory=list, init=False)
    asked_params: Parameters | None = field(default=None, init=False)
    _rcpt_params: list[Parameters] | None = field(default=None, init=False)
    _data: SimpleNamespace | None = field(default=None, init=False)

    @property
    def rcpt_params(self) -> list[Parameters]:
        """Parallel to ``recipients``."""
        if self._rcpt_params is None:
            self._rcpt_params = []
        known = self._rcpt_params
        known.extend({} for _ in range(len(self.recipients) - len(known)))  # most have none
        return known

    @property
    def data(self) -> SimpleNamespace:
        """The callback's own."""
        if self._data is None:  # few callbacks keep anything
            self._data = SimpleNamespace()
        return self._data

    def __repr__(self) -> str:
        return f"Transaction(sender={self.sender!r}, recipients={self.recipients!r})"
