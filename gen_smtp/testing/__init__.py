"""For tests of programs that send mail, and of callback classes.

Public: `SmtpCatcher` catches mail and fails as told, `CaughtMessage` is what it caught; `FakeClient` tries a
callback class in memory, `Reply` is what it hears. pytest's fixtures stand in `gen_smtp/pytest_plugin.py`.
Imports `actors`, `actors.messages`, `actors.otp`, `gen_smtp.callbacks`, `gen_smtp.gen_smtp_server`,
`gen_smtp.options`, `gen_smtp.protocol`, `gen_smtp.server`, `gen_smtp.smtp_util`, `gevent`, `pykka`,
`trustme`.
"""

from gen_smtp.testing.catcher import SmtpCatcher
from gen_smtp.testing.caught import CaughtMessage
from gen_smtp.testing.fake_client import FakeClient, Reply

__all__ = ["CaughtMessage", "FakeClient", "Reply", "SmtpCatcher"]
