"""A server for tests: it takes all mail, keeps it in memory, and fails as it is told."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from gen_smtp import gen_smtp_server
from gen_smtp.testing import certificates
from gen_smtp.testing.catching import Catch
from gen_smtp.testing.caught import CaughtMessage
from gen_smtp.testing.failures import HANDSHAKE, make_failure
from gen_smtp.testing.settings import settings_of

HOST = "127.0.0.1"
Match = Callable[[CaughtMessage], bool]


class SmtpCatcher:
    """A mail server on a free port of 127.0.0.1 that catches what a program sends.

        with SmtpCatcher() as smtpd:
            program_under_test(smtpd.host, smtpd.port)
            (message,) = smtpd.wait_for(count=1)
            assert message.subject == "Welcome"

    All methods and attributes may be used from any thread.

    Args:
        protocol: `"smtp"` or `"lmtp"`.
        tls: `"starttls"` offers STARTTLS, `"implicit"` speaks TLS from the first octet on; None never.
        users: who may authenticate, with passwords. Others need not authenticate, but can't.
        require_auth: answer 530 to who has not.
        session_options: further options of the sessions, as `gen_smtp_server.start` takes them.

    Attributes:
        host, port: where it listens; the port is None while it does not run.

    Raises:
        OptionsError: an option is wrong.
        RuntimeError: there is TLS to be, and trustme is not installed.
    """

    host = HOST

    def __init__(
        self,
        *,
        protocol: Literal["smtp", "lmtp"] = "smtp",
        tls: Literal["starttls", "implicit"] | None = None,
        users: Mapping[str, str] | None = None,
        require_auth: bool = False,
        session_options: Mapping[str, Any] | None = None,
    ) -> None:
        if tls not in (None, "starttls", "implicit"):
            raise ValueError(f'tls: {tls!r} is none of "starttls", "implicit" and None')
        self.tls = tls
        self.users = dict(users or {})
        self.port: int | None = None
        self._caught: list[CaughtMessage] = []
        self._changed = threading.Condition()
        self._catch = Catch(self._keep, self.users)
        self._server: gen_smtp_server.ServerRef | None = None
        self._options = self._listener_options(protocol, require_auth, session_options or {})

    def _listener_options(
        self, protocol: str, require_auth: bool, session_options: Mapping[str, Any]
    ) -> dict[str, Any]:
        session: dict[str, Any] = {
            "protocol": protocol,
            "allow_bare_newlines": "fix",
            "allow_insecure_auth": True,
            "require_auth": require_auth,
            **session_options,
        }
        if self.tls is not None:
            failures = self._catch.failures
            session["tls_options"] = certificates.server_context(lambda: failures.take(HANDSHAKE) is not None)
        return {
            "address": HOST,
            "port": 0,
            "domain": "localhost",
            "protocol": "ssl" if self.tls == "implicit" else "tcp",
            "sessionoptions": session,
        }

    # -- its life -----------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; does nothing if it runs."""
        if self._server is None:
            limits = {"max_sessions": None, "max_sessions_per_address": None, "connections_per_minute": None}
            self._server = gen_smtp_server.start(self._catch.make, [self._options], serveroptions=limits)
            self.port = gen_smtp_server.addresses(self._server)[0][1]
        return self

    def stop(self) -> None:
        """Hang up on all clients and listen no more; what was caught is still there."""
        server, self._server, self.port = self._server, None, None
        if server is not None:
            gen_smtp_server.stop(server, grace=0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def clear(self) -> None:
        """Forget what was caught and what was to fail: the catcher is as new."""
        with self._changed:
            self._caught.clear()
        self._catch.failures.clear()

    # -- what came ----------------------------------------------------------------------------------

    @property
    def messages(self) -> list[CaughtMessage]:
        """What was caught, in the order in which it came; a list of your own."""
        with self._changed:
            return self._caught.copy()

    def wait_for(
        self, *, count: int = 1, timeout: float = 5.0, match: Match | None = None
    ) -> list[CaughtMessage]:
        """Wait until messages have come, of those that came already as well.

        Args:
            count: how many, at least.
            timeout: seconds.
            match: tells those that count; None counts all.

        Returns:
            all of them that there are by then.

        Raises:
            TimeoutError: they have not come; says what has.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(found := [each for each in self._caught if match is None or match(each)]) < count:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(self._missing(count, timeout, len(found)))
        return found

    async def wait_for_async(
        self, *, count: int = 1, timeout: float = 5.0, match: Match | None = None
    ) -> list[CaughtMessage]:
        """As `wait_for`, for a task of asyncio: its loop goes on."""
        return await asyncio.to_thread(self.wait_for, count=count, timeout=timeout, match=match)

    def _missing(self, count: int, timeout: float, found: int) -> str:
        came = ", ".join(f"{each.subject!r} to {', '.join(each.recipients)}" for each in self._caught)
        return f"{found} of {count} messages came within {timeout:g} s; caught: {came or 'nothing'}"

    def _keep(self, message: CaughtMessage) -> None:
        with self._changed:
            self._caught.append(message)
            self._changed.notify_all()

    # -- what goes wrong ----------------------------------------------------------------------------

    def fail(
        self,
        place: str,
        reply: str | None = None,
        *,
        sender: str | None = None,
        recipient: str | None = None,
        times: int | None = None,
        delay: float = 0.0,
        cut: bool = False,
    ) -> None:
        """Have something go wrong from now on.

            smtpd.fail("CONNECT")                                     # 421 instead of a greeting
            smtpd.fail("RCPT", recipient="nobody@example.com")        # 550 for this one
            smtpd.fail(".", "452 4.3.1 Disk full", times=1)           # behind the message, once
            smtpd.fail("DATA")                                        # the connection breaks in the message
            smtpd.fail("MAIL", delay=2.0)                             # slow, and then well
            smtpd.fail("STARTTLS")                                    # the handshake fails

        Args:
            place: `CONNECT`, `HELO` (EHLO and LHLO, too), `STARTTLS` (any handshake), `AUTH`, `MAIL`, `RCPT`,
                `DATA` (in the middle of the message) or `.` (behind the message).
            reply: what the client hears, with its code, 4dd or 5dd; None for the usual one.
            sender, recipient: happens with this address alone; None is any.
            times: how often it happens; None is for ever.
            delay: seconds that the client waits before. Alone, nothing else goes wrong.
            cut: the connection is closed instead of a reply.

        Raises:
            ValueError: an argument is wrong; says which, and what is allowed.
        """
        self._catch.failures.add(
            make_failure(place, reply, sender=sender, recipient=recipient, times=times, delay=delay, cut=cut)
        )

    # -- for the program under test -----------------------------------------------------------------

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """A client's context that believes the catcher's certificate."""
        return certificates.client_context()

    @property
    def authority_pem(self) -> bytes:
        """The certificate of the authority, in PEM form, for programs that take a file."""
        return certificates.authority_pem()

    def settings(self, program: str) -> dict[str, Any]:
        """The settings by which a program finds the catcher.

        Args:
            program: `"django"` and `"flask-mail"` for these, `"environment"` for variables.

        Raises:
            ValueError: there is no such program in the table; says which there are.
            RuntimeError: the catcher does not run.
        """
        if self.port is None:
            raise RuntimeError("the catcher does not run: use it in a with block, or call start()")
        user = next(iter(self.users.items()), ("", ""))
        return settings_of(program, self.host, self.port, self.tls, user)
