"""The time before the greeting: a client may have to wait for it, and one that does not is refused."""

from __future__ import annotations

from gen_smtp.session.callback_session import CallbackSession


class PatientSession(CallbackSession):
    """An SMTP connection until its client is greeted (RFC 5321 4.3.1: it should wait for the greeting).

    The wait is a deadline and nothing else. What comes meanwhile is the protocol's to refuse, before there is
    a callback object.
    """

    __slots__ = ()

    def begin(self) -> None:
        """Hook: serve the client; it has waited as long as it had to."""

    def on_connect(self) -> None:
        options = self.setup.options.sessionoptions
        if options.greet_delay:
            self.set_deadline(options.greet_delay)
        elif options.refuse_early_talkers and (data := self.read_ahead()):
            self.on_data(data)
        else:
            self.begin()

    def on_timeout(self) -> None:
        if self._callback is None:
            self.begin()
        else:
            super().on_timeout()
