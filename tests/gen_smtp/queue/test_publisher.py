"""The publisher, with a real broker: what it says is in the queue is there, and what is not, it says."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from actors import GeventFuture, events, spawn
from benchmarks.queue.broker import Broker, free_ports, wait_until
from gen_smtp.queue import (
    BrokerBlocked,
    MessageTooLarge,
    NotConfirmed,
    Publisher,
    QueueFull,
    QueueMissing,
    queue_events,
)
from gen_smtp.queue.connection import parameters_of, place_of, urls_of
from gen_smtp.queue.queues import incoming_queue
from tests.gen_smtp.live import collected

pytestmark = pytest.mark.timeout(180)  # the broker starts first, and may have to be waited for

Make = Callable[..., Publisher]


def test_a_message_is_in_the_queue_when_publish_returns(
    broker: Broker, queue: str, make_publisher: Make
) -> None:
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    publisher.publish(queue, b"hello", message_id="one", headers={"n": 1, "t": "ü", "l": ["a", {"b": True}]})
    ((properties, body),) = broker.take_all(queue)
    assert (body, properties.message_id, properties.delivery_mode) == (b"hello", "one", 2)
    assert {name: properties.headers[name] for name in "ntl"} == {"n": 1, "t": "ü", "l": ["a", {"b": True}]}


def test_many_threads_and_greenlets_share_one_connection(
    broker: Broker, queue: str, make_publisher: Make
) -> None:
    """R4: pika is called on the hub's thread alone, wherever publish is called."""
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    threads = [threading.Thread(target=publisher.publish, args=(queue, b"from a thread")) for _ in range(5)]
    for thread in threads:
        thread.start()
    futures: list[GeventFuture[None]] = [spawn(publisher.publish, queue, b"from the hub") for _ in range(50)]
    for future in futures:
        future.get(timeout=30)
    for thread in threads:
        thread.join(30)
    assert broker.count(queue) == 55


def test_a_queue_that_is_gone_is_an_error_and_is_made_again(
    broker: Broker, queue: str, make_publisher: Make
) -> None:
    """R1: without `mandatory` the broker confirms what it throws away; with it, it returns it before that."""
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    publisher.publish(queue, b"first")
    with broker.channel() as channel:
        channel.queue_delete(queue)
    with pytest.raises(QueueMissing, match=queue):
        publisher.publish(queue, b"lost")
    wait_until(lambda: broker.count(queue) is not None)
    publisher.publish(queue, b"second")
    assert [body for _, body in broker.take_all(queue)] == [b"second"]


def test_a_queue_that_nobody_makes_is_an_error(broker: Broker, queue: str, make_publisher: Make) -> None:
    publisher = make_publisher(broker)
    with pytest.raises(QueueMissing):
        publisher.publish(queue, b"lost", message_id="same")
    assert broker.count(queue) is None


def test_the_returned_message_alone_fails(broker: Broker, queue: str, make_publisher: Make) -> None:
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    publisher.publish(queue, b"first")
    under_way = [publisher.submit(name, b"x", message_id="same") for name in (queue, f"{queue}.gone", queue)]
    publisher.wait(under_way[0])
    publisher.wait(under_way[2])
    with pytest.raises(QueueMissing):
        publisher.wait(under_way[1])


def test_a_full_queue_is_an_error(broker: Broker, queue: str, make_publisher: Make) -> None:
    """R5: the limit is soft, and the nack comes some messages later."""
    publisher = make_publisher(broker, queues=[incoming_queue(queue, 3)])

    def fill() -> None:
        for number in range(100):
            publisher.publish(queue, str(number).encode())

    with pytest.raises(QueueFull):
        fill()
    count = broker.count(queue)
    assert count is not None
    assert 3 <= count < 20


def test_a_message_that_is_too_large_is_an_error_and_no_other_message_suffers(
    broker: Broker, queue: str, make_publisher: Make
) -> None:
    """R7: the broker closes the channel for it, and with it all that is under way."""
    publisher = make_publisher(broker, queues=[incoming_queue(queue)], max_message=1000)
    with pytest.raises(MessageTooLarge, match="1001 octets"):
        publisher.publish(queue, bytes(1001))
    publisher.publish(queue, bytes(1000))


def test_the_publisher_learns_the_brokers_own_limit(
    lone_broker: Broker, queue: str, make_publisher: Make
) -> None:
    lone_broker.run("application:set_env(rabbit, max_message_size, 5000)")
    try:
        publisher = make_publisher(lone_broker, queues=[incoming_queue(queue)])
        with pytest.raises(MessageTooLarge, match="5000"):
            publisher.publish(queue, bytes(5001))
        assert publisher.max_message == 5000
        publisher.publish(queue, bytes(5000))
    finally:
        lone_broker.run("application:set_env(rabbit, max_message_size, 134217728)")


def test_headers_that_do_not_fit_in_a_frame_are_an_error(
    broker: Broker, queue: str, make_publisher: Make
) -> None:
    """The broker would close the connection, since AMQP has all headers in one frame."""
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    with pytest.raises(MessageTooLarge, match="frame"):
        publisher.publish(queue, b"x", headers={"list": ["x" * 1000] * 130})
    publisher.publish(queue, b"x", headers={"list": ["x" * 1000] * 125})


@pytest.mark.parametrize("headers", [{"CC": ["other"]}, {"BCC": ["other"]}, {"x": 1.5}, {"x": object()}])
def test_headers_that_can_not_be_are_an_error(
    broker: Broker, queue: str, make_publisher: Make, headers: dict[str, Any]
) -> None:
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    with pytest.raises(ValueError):
        publisher.publish(queue, b"x", headers=headers)
    publisher.publish(queue, b"x")
    assert broker.count(queue) == 1


def test_what_is_under_way_is_bounded_in_messages_and_octets(
    lone_broker: Broker, queue: str, make_publisher: Make
) -> None:
    """R7: pika would take without end what a broker does not read."""
    by_count = make_publisher(lone_broker, queues=[incoming_queue(queue)], max_messages=2)
    by_size = make_publisher(lone_broker, queues=[incoming_queue(queue)], max_octets=1000)
    for each in (by_count, by_size):
        each.publish(queue, b"first")
    lone_broker.pause()
    try:
        pending = [each.submit(queue, bytes(400)) for each in (by_count, by_size) for _ in range(10)]
        assert spawn(by_count.under_way).get(timeout=5) == (2, 800)
        assert spawn(by_size.under_way).get(timeout=5) == (2, 800)
    finally:
        lone_broker.go_on()
    for number, each in enumerate(pending):
        (by_count if number < 10 else by_size).wait(each)
    assert spawn(by_size.under_way).get(timeout=5) == (0, 0)


def test_without_a_confirm_in_time_it_is_an_error(
    lone_broker: Broker, queue: str, make_publisher: Make
) -> None:
    publisher = make_publisher(lone_broker, queues=[incoming_queue(queue)], confirm_timeout=0.3)
    publisher.publish(queue, b"first", timeout=20)
    lone_broker.pause()
    try:
        with pytest.raises(NotConfirmed, match=r"no confirm in 0\.3 s"):
            publisher.publish(queue, b"second")
    finally:
        lone_broker.go_on()
    publisher.publish(queue, b"third", timeout=20)


def test_an_alarm_blocks_until_it_is_over(lone_broker: Broker, queue: str, make_publisher: Make) -> None:
    """R3: the broker says that it blocks behind the first message alone, which it does not confirm."""
    publisher = make_publisher(lone_broker, queues=[incoming_queue(queue)], confirm_timeout=1.0)
    publisher.publish(queue, b"first", timeout=20)
    with (
        collected(queue_events.BrokerStopsMessages) as stops,
        collected(queue_events.BrokerTakesMessages) as takes,
    ):
        lone_broker.set_memory_alarm(True)
        try:
            with pytest.raises((BrokerBlocked, NotConfirmed)):
                publisher.publish(queue, b"second")
            assert "memory" in stops.get(timeout=10).reason
            with pytest.raises(BrokerBlocked):
                publisher.publish(queue, b"third", timeout=20)
        finally:
            lone_broker.set_memory_alarm(False)
        takes.get(timeout=10)
    publisher.publish(queue, b"fourth", timeout=20)
    assert b"third" not in [body for _, body in lone_broker.take_all(queue)]


def test_fifty_reconnects_leave_no_descriptor(broker: Broker, queue: str, make_publisher: Make) -> None:
    """R2: a loop of pika's for each connection would leave two."""
    publisher = make_publisher(broker, queues=[incoming_queue(queue)])
    publisher.publish(queue, b"first")
    with collected(queue_events.BrokerConnected) as connected:
        before = len(os.listdir("/proc/self/fd"))
        publisher.link.first_pause = 0.001
        for _ in range(50):
            spawn(publisher.link.connection.close).get(timeout=10)
            connected.get(timeout=10)
        assert len(os.listdir("/proc/self/fd")) <= before
    publisher.publish(queue, b"last")
    assert broker.count(queue) == 2


def test_a_broker_that_is_not_there_is_one_event_for_each_try_and_no_log_of_pikas(
    queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    """R6: pika logs eight errors each time."""
    (port,) = free_ports(1)
    publisher = Publisher(f"amqp://guest:secret@127.0.0.1:{port}/", confirm_timeout=0.2)
    with caplog.at_level(logging.WARNING), collected(queue_events.BrokerLost) as lost:
        with pytest.raises(NotConfirmed, match="refused"):
            publisher.publish(queue, b"x")
        assert lost.get(timeout=10).broker == f"127.0.0.1:{port}"
        publisher.close()
    assert not [each for each in caplog.records if each.name.startswith("pika")]
    assert "secret" not in caplog.text


def test_another_node_is_tried_where_one_is_not_there(broker: Broker, queue: str) -> None:
    (port,) = free_ports(1)
    publisher = Publisher(f"amqp://127.0.0.1:{port}/, {broker.url}", queues=[incoming_queue(queue)])
    publisher.publish(queue, b"x")
    publisher.close()


def test_by_tls_the_broker_must_show_a_certificate_that_is_believed(
    broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.tls_url is not None
    assert broker.cafile is not None
    stranger = Publisher(broker.tls_url, queues=[incoming_queue(queue)], confirm_timeout=1.0)
    with pytest.raises(NotConfirmed, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.publish(queue, b"x")
    stranger.close()
    monkeypatch.setenv("SSL_CERT_FILE", broker.cafile)
    friend = Publisher(broker.tls_url, queues=[incoming_queue(queue)])
    friend.publish(queue, bytes(3_000_000))
    friend.close()


@pytest.mark.parametrize("url", ["http://host/", "", "amqp"])
def test_a_url_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(ValueError):
        Publisher(url)


def test_a_place_shows_no_password() -> None:
    assert place_of(parameters_of("amqp://user:secret@broker:5673/mail")) == "broker:5673/mail"
    assert urls_of("amqp://a/,amqps://b,c/") == ["amqp://a/", "amqps://b,c/"]


def test_a_subscriber_that_raises_does_not_close_the_connection(broker: Broker, queue: str) -> None:
    """R4: an exception in one of pika's callbacks would."""
    publisher = Publisher(broker.url, queues=[incoming_queue(queue)])

    def fail(event: object) -> None:
        raise RuntimeError("a subscriber's fault")

    unsubscribe = events.subscribe(queue_events.BrokerConnected, fail)
    try:
        publisher.publish(queue, b"x")
        gevent.sleep(0)
        publisher.publish(queue, b"y")
    finally:
        unsubscribe()
        publisher.close()
