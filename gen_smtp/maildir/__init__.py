"""Delivery to Maildirs: a callback class for real use.

Public is `MaildirHandler`; its options are in `maildir_options.MaildirOptions`, its event is
`handler.DeliveryFailed`.

Imports: `actors`, `actors.events`, `gen_smtp.callbacks`, `gen_smtp.events`, `gen_smtp.options`,
`gen_smtp.smtp_util`.
"""

from gen_smtp.maildir.handler import MaildirHandler

__all__ = ["MaildirHandler"]
