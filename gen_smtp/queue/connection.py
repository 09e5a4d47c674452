"""A connection to the broker on the hub: opened, set up and kept by one greenlet, which connects again.

pika is called in the hub's thread alone. From another thread it would make a gevent hub there. An exception
in one of its callbacks closes the connection and is shown nowhere, so the callbacks here do little more than
to set a future.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions
import pykka
from pika.adapters import gevent_connection

from actors import GeventFuture, events
from actors.runtime.future import try_set, try_set_exception
from actors.runtime.hub import Hub
from gen_smtp.queue.errors import BrokerError
from gen_smtp.queue.queue_events import BrokerConnected, BrokerLost
from gen_smtp.queue.queues import NO_SUCH_QUEUE, Queue

CONNECT_TIMEOUT = 15.0
"""Seconds for a connection, and for each answer that its set-up waits for."""

CLOSE_TIMEOUT = 5.0
"""Seconds for the end of a connection."""

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0
"""Seconds between two tries to connect: each pause is twice the one before, and up to a quarter less, until
a connection is there."""

_BETWEEN_URLS = re.compile(r",\s*(?=amqps?://)")

_io_loops: dict[Hub, Any] = {}


def _io_loop() -> Any:
    """pika's side of the hub's loop, which all connections of a process share; None before the first of them.

    pika makes one for each connection if it is given none. That costs two descriptors, which stay open, since
    the end of such a loop is the end of the hub's.
    """
    return _io_loops.get(Hub.current())  # a forked child has another hub


def quiet_pika() -> None:
    """pika logs eight errors for each try to connect that fails; here that is one event."""
    logger = logging.getLogger("pika")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def parameters_of(url: str) -> Any:
    """What pika needs to connect.

    Raises:
        ValueError: the URL is none for AMQP.
    """
    if not url.startswith(("amqp://", "amqps://")):
        raise ValueError("not a URL of AMQP")
    parameters = pika.URLParameters(url)
    parameters.connection_attempts = 1  # this file has its own pauses
    parameters.socket_timeout = parameters.stack_timeout = CONNECT_TIMEOUT
    if parameters.blocked_connection_timeout is not None:
        parameters.blocked_connection_timeout = (
            None  # would close the connection: the publisher has a time-out
        )
    return parameters


def urls_of(text: str) -> list[str]:
    """The URLs of the nodes of a broker, which stand between commas."""
    return _BETWEEN_URLS.split(text.strip())


def place_of(parameters: Any) -> str:
    """A broker's node as a log shows it, without a password."""
    host = "" if parameters.virtual_host == "/" else f"/{parameters.virtual_host}"
    return f"{parameters.host}:{parameters.port}{host}"


class Link:
    """Keeps one connection to a broker, and sets it up anew whenever it was lost.

    Args:
        url: the broker's; those of several nodes between commas, which are tried in turn.
        set_up: called in a greenlet with each new connection; it may wait. What it raises closes the
            connection. It returns what is to be called, on the hub, when the connection is lost.
    """

    def __init__(self, url: str, set_up: Callable[[Any], Callable[[BaseException], object]]) -> None:
        self._nodes = itertools.cycle([parameters_of(each) for each in urls_of(url)])
        self._parameters = next(self._nodes)
        self._set_up = set_up
        self._greenlet: GeventFuture[None] | None = None
        self._lost: GeventFuture[BaseException] | None = None
        self._wake: GeventFuture[None] | None = None
        self._closing = self._was_up = False
        self.connection: Any = None
        self.first_pause = FIRST_PAUSE
        self.last_error: BaseException | None = None

    def start(self) -> None:
        """Begin to connect; from any thread. It does not wait."""
        if self._greenlet is None:
            quiet_pika()
            self._greenlet = Hub.current().spawn(self._run)

    @property
    def place(self) -> str:
        """The node that it is connected to, or tries to be."""
        return place_of(self._parameters)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Close the connection, and wait until it is; from any thread or greenlet."""
        self._closing = True
        if self._greenlet is not None:
            Hub.current().run_soon(self._end)
            with contextlib.suppress(pykka.Timeout):
                self._greenlet.get(timeout=timeout)

    def _is_closing(self) -> bool:
        return self._closing

    def _end(self) -> None:
        try_set(self._wake)
        if self.connection is not None and self.connection.is_open:
            self.connection.close()

    def _run(self) -> None:
        pause = self.first_pause
        while not self._is_closing():
            error = self._serve_once()
            if self._is_closing():
                return
            self.last_error = error
            if self._was_up:
                pause = self.first_pause
            events.emit(BrokerLost(self.place, error_text(error), round(pause, 2)))
            self._parameters = next(self._nodes)
            self._wake = GeventFuture()
            with contextlib.suppress(pykka.Timeout):
                self._wake.get(timeout=pause * random.uniform(0.75, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _serve_once(self) -> BaseException:
        """Connect, set up, and wait for the end of the connection; returns why it ended."""
        self._lost, self._was_up = GeventFuture(), False
        on_lost: Callable[[BaseException], object] | None = None
        try:
            self.connection = connect(self._parameters, self._lost)
            if self._is_closing():
                raise BrokerError("it is closed here")
            on_lost = self._set_up(self.connection)
            events.emit(BrokerConnected(self.place))
            self.last_error, self._was_up = None, True
            error: BaseException = self._lost.get()
        except Exception as raised:
            error = raised
            self._give_up()
        self.connection = None
        if on_lost is not None:
            on_lost(error)
        return error

    def _give_up(self) -> None:
        connection = self.connection
        if connection is not None and connection.is_open:
            connection.close()
            with contextlib.suppress(pykka.Timeout):
                assert self._lost is not None
                self._lost.get(timeout=CONNECT_TIMEOUT)


def connect(parameters: Any, lost: GeventFuture[BaseException]) -> Any:
    """Open a connection; in a greenlet of the hub.

    Args:
        parameters: pika's.
        lost: is set to the reason when the connection ends.

    Raises:
        BrokerError: there is none.
    """
    opened: GeventFuture[Any] = GeventFuture()
    connection = gevent_connection.GeventConnection(
        parameters,
        on_open_callback=lambda each: try_set(opened, each),
        on_open_error_callback=lambda each, error: try_set_exception(opened, BrokerError(error_text(error))),
        on_close_callback=lambda each, error: try_set(lost, error),
        custom_ioloop=_io_loop(),
    )
    _io_loops[Hub.current()] = connection.ioloop
    with asking():
        opened.get(timeout=2 * CONNECT_TIMEOUT)  # pika itself gives up after the half of that
    return connection


def open_channel(connection: Any, on_closed: Callable[[BaseException], object] | None = None) -> Any:
    """Open a channel; in a greenlet of the hub.

    Raises:
        BrokerError: there is none.
    """
    opened: GeventFuture[Any] = GeventFuture()
    channel = connection.channel(on_open_callback=lambda each: try_set(opened, each))

    def on_close(_: Any, error: BaseException) -> None:
        try_set_exception(opened, BrokerError(error_text(error)))
        if on_closed is not None:
            on_closed(error)

    channel.add_on_close_callback(on_close)
    with asking():
        return opened.get(timeout=CONNECT_TIMEOUT)


def ask(channel: Any, method: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
    """Call a method of a channel that the broker answers, and wait for the answer; in a greenlet of the hub.

    Raises:
        BrokerError: the channel was closed instead; `.code` is the broker's.
    """
    answered: GeventFuture[Any] = GeventFuture()
    channel.add_on_close_callback(
        lambda _, error: try_set_exception(answered, BrokerError(error_text(error), code_of(error)))
    )
    with asking():
        method(*args, callback=lambda frame: try_set(answered, frame), **kwargs)
        return answered.get(timeout=CONNECT_TIMEOUT)


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """What pika raises while the broker is asked, as a BrokerError."""
    try:
        yield
    except pykka.Timeout:
        raise BrokerError(f"no answer in {CONNECT_TIMEOUT:g} s") from None
    except pika.exceptions.AMQPError as error:
        raise BrokerError(error_text(error), code_of(error)) from error


def declare(connection: Any, queue: Queue) -> None:
    """Make a queue if it is not there; in a greenlet of the hub. One that is there is taken as it is.

    Raises:
        BrokerError: it can be neither found nor made.
    """
    channel = open_channel(connection)
    try:
        ask(channel, channel.queue_declare, queue.name, passive=True)
    except BrokerError as error:
        if error.code != NO_SUCH_QUEUE:
            raise
        channel = open_channel(connection)
        ask(channel, channel.queue_declare, queue.name, durable=True, arguments=dict(queue.arguments))
    with contextlib.suppress(pika.exceptions.AMQPError):
        channel.close()


def code_of(error: BaseException) -> int | None:
    """The broker's code in the end of a channel or connection; None where it said none."""
    code = getattr(error, "reply_code", None)
    return code if isinstance(code, int) else None


def error_text(error: BaseException) -> str:
    """An error of pika's in words: many of them have theirs in another one within."""
    inner = [each for each in error.args if isinstance(each, BaseException)]
    if inner:
        return error_text(inner[-1])
    nested = getattr(error, "exceptions", None)
    if nested:
        return error_text(nested[-1])
    return str(error) or repr(error)
