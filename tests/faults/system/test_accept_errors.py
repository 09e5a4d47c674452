"""A listening socket that fails at every kind of connection, between those that it accepts."""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

import pytest

import actors
from actors import events
from actors.net.listener import FAILURES_IN_A_ROW
from gen_smtp.options.parsing import parse_options
from gen_smtp.server.server import SmtpServer
from tests.actors.helpers import FlakySocket, flaky_socket
from tests.faults.recovery import Mails, assert_recovered, deliver
from tests.gen_smtp.live import PATIENCE, Server, collected, everything, listener, take

GONE_BEFORE = [errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM, errno.ETIMEDOUT]
NETWORK = [
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENONET,
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPROTONOSUPPORT,
    errno.ESOCKTNOSUPPORT,
]
WANT = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSR]
BROKEN = [errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EFAULT]


@contextmanager
def flaky(mails: Mails, errors: deque[int]) -> Generator[Server]:
    """A server whose listening socket fails with these errors as soon as there are any."""

    def open_flaky(endpoint: actors.Endpoint) -> FlakySocket:
        return flaky_socket(endpoint, errors)

    class Flaky(SmtpServer):
        def open_listener(self, endpoint: actors.Endpoint, index: int) -> actors.ListenerActor:
            return actors.ListenerActor(endpoint, index, self.actor_ref, open_flaky)

    ref = actors.launch(Flaky(mails.behaviour(), parse_options([listener()])))
    try:
        yield Server(ref)
    finally:
        ref.stop(timeout=PATIENCE)


def test_every_client_is_served_whatever_accept_fails_with_before_it() -> None:
    mails, errors = Mails(), deque[int]()
    with (
        flaky(mails, errors) as server,
        collected(events.AcceptPaused) as pauses,
        collected(events.ListenerEnded) as broken,
    ):
        for number in [*GONE_BEFORE, *NETWORK, *WANT]:
            errors.append(number)
            deliver(server.client(), f"{number}\r\n")
            assert not errors
        errors.extend([*GONE_BEFORE, errno.EMFILE, *NETWORK])
        assert_recovered(server)
        assert mails.bodies[:-1] == [b"%d\r\n" % number for number in [*GONE_BEFORE, *NETWORK, *WANT]]
        assert [pause.seconds for pause in everything(pauses)] == [0.05] * (len(WANT) + 1)
        assert broken.empty()


def test_a_broken_socket_is_replaced_and_the_session_under_way_goes_on() -> None:
    mails, errors = Mails(), deque[int]()
    with (
        flaky(mails, errors) as server,
        server.greeted("EHLO client.test") as spared,
        collected(events.ListenerStarted) as restarted,
    ):
        for number in BROKEN:
            errors.append(number)
            with contextlib.suppress(ConnectionError), server.client() as bounced:
                assert bounced.rest() == ""
            assert take(restarted).address == server.addresses[0]
            deliver(server.client())
            assert spared.say("NOOP") == "250 Ok"
        spared.send("QUIT\r\n")
        assert_recovered(server)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_errors_without_end_hold_up_nothing_but_their_listener(number: int) -> None:
    """Such a listener goes on trying, now and then; sessions and other actors have the hub meanwhile."""
    mails, errors = Mails(), deque[int]()
    with flaky(mails, errors) as server, server.greeted("EHLO client.test") as served:
        with collected(events.AcceptPaused) as pauses:
            errors.extend([number] * (3 * FAILURES_IN_A_ROW))
            waiting = server.client()
            for seconds in (0.05, 0.1, 0.2):
                assert take(pauses).seconds == seconds
                assert served.say("NOOP") == "250 Ok"
        deliver(waiting)
        served.send("QUIT\r\n")
        assert_recovered(server)
