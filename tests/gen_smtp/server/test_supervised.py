"""A server in a supervision tree."""

from __future__ import annotations

import smtplib
from collections.abc import Generator
from typing import Any

import pytest

import actors
from actors import ActorExit, Supervisor
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server import BehaviourError, OptionsError
from gen_smtp.gen_smtp_server_session import Behaviour, ok

SECONDS = 10.0
LISTENER = {"address": "127.0.0.1", "port": 0, "domain": "mx.example.com"}


class Ends(Behaviour):
    """Notes why its sessions end."""

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.reasons: list[Any] = options
        return ok

    def terminate(self, reason: Any) -> None:
        self.reasons.append(reason)


def listener(port: int, reasons: list[Any]) -> dict[str, Any]:
    """A listener whose sessions note their ends."""
    return {**LISTENER, "port": port, "sessionoptions": {"callbackoptions": reasons}}


@pytest.fixture
def reasons() -> list[Any]:
    return []


@pytest.fixture
def tree(reasons: list[Any]) -> Generator[actors.GeventRef[Supervisor]]:
    """A supervisor with the server mx, which comes back to its port."""
    first = gen_smtp_server.start(Ends, [LISTENER])
    port = gen_smtp_server.addresses(first)[0][1]
    first.stop()
    supervisor = Supervisor.start([gen_smtp_server.child_spec("mx", Ends, [listener(port, reasons)])])
    yield supervisor
    supervisor.stop(timeout=SECONDS)


def connect() -> smtplib.SMTP:
    """A client of the server mx that has been greeted."""
    host, port = gen_smtp_server.addresses("mx")[0]
    return smtplib.SMTP(host, port, timeout=SECONDS)


def server() -> Any:
    """The server mx."""
    return actors.whereis("mx")


def test_a_child_specification_says_what_a_supervisor_has_to_know() -> None:
    spec = gen_smtp_server.child_spec(("local", "mx"), Ends, [LISTENER])
    assert (spec.id, spec.restart, spec.shutdown, spec.type) == (
        ("local", "mx"),
        "permanent",
        "infinity",
        "supervisor",
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("mx", Ends, [{"port": "high"}]), OptionsError),
        (("", Ends, [LISTENER]), OptionsError),
        (("mx", object, [LISTENER]), BehaviourError),
    ],
)
def test_a_wrong_argument_is_refused_before_any_supervisor_sees_it(
    arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        gen_smtp_server.child_spec(*arguments)


def test_a_supervised_server_serves_by_its_name(tree: Any) -> None:
    with connect() as client:
        assert client.noop()[0] == 250
        assert len(gen_smtp_server.sessions("mx")) == 1
    assert actors.count_children(tree) == {"specs": 1, "active": 1, "supervisors": 1, "workers": 0}


@pytest.mark.parametrize("how", ["kill", "stop", "boom"])
def test_a_server_that_ends_is_back_at_its_port_at_once(tree: Any, how: str) -> None:
    before, address = server(), gen_smtp_server.addresses("mx")
    ends: dict[str, Any] = {
        "kill": before.kill,
        "stop": before.stop,
        "boom": lambda: before.stop(reason="boom"),
    }
    ends[how]()
    actors.wait_down(before, SECONDS)
    assert actors.count_children(tree)["active"] == 1
    assert server() is not before
    assert gen_smtp_server.addresses("mx") == address
    with connect() as client:
        assert client.noop()[0] == 250


def test_the_end_of_the_tree_reaches_every_session(tree: Any, reasons: list[Any]) -> None:
    with connect() as client:
        (session,) = gen_smtp_server.sessions("mx")
        host, port = gen_smtp_server.addresses("mx")[0]
        assert tree.stop(timeout=SECONDS) is True
        assert not session.is_alive()
        assert reasons == ["shutdown"]
        assert client.noop()[0] == 421
        with pytest.raises(ConnectionRefusedError):
            smtplib.SMTP(host, port, timeout=SECONDS)


def test_a_session_that_crashes_is_no_concern_of_the_supervisor(tree: Any) -> None:
    before = server()
    with connect() as client:
        (session,) = gen_smtp_server.sessions("mx")
        actors.send_exit(session, "boom")  # type: ignore[arg-type]
        actors.wait_down(session, SECONDS)  # type: ignore[arg-type]
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    assert server() is before


def test_a_port_that_is_taken_fails_the_start_of_the_tree(tree: Any) -> None:
    taken = listener(gen_smtp_server.addresses("mx")[0][1], [])
    with pytest.raises(actors.StartError) as caught:
        Supervisor.start([gen_smtp_server.child_spec("second", Ends, [taken])])
    kind, (what, child_id, _) = caught.value.reason
    assert (kind, what, child_id) == ("shutdown", "failed_to_start_child", "second")
    chain: list[BaseException] = []
    error: BaseException | None = caught.value
    while error is not None:
        chain.append(error)
        error = error.__cause__
    assert any(isinstance(each, gen_smtp_server.ListenError) for each in chain)
    assert actors.whereis("second") is None


def test_a_server_is_part_of_a_tree_with_workers(reasons: list[Any]) -> None:
    class Worker(actors.GeventActor):
        def on_receive(self, message: Any) -> Any:
            raise ActorExit(message)

    children = [
        actors.ChildSpec("worker", Worker.start_link),
        gen_smtp_server.child_spec("mx", Ends, [listener(0, reasons)]),
    ]
    supervisor = Supervisor.start(children, strategy="rest_for_one")
    before = server()
    worker: Any = actors.which_children(supervisor)[1]["ref"]
    client = connect()
    worker.tell("boom")
    actors.wait_down(before, SECONDS)
    client.close()
    assert reasons == ["shutdown"]
    assert actors.count_children(supervisor)["active"] == 2
    supervisor.stop(timeout=SECONDS)
