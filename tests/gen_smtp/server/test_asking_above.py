"""A callback that asks the supervisor above its server, while that ends the server: no deadlock."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors.otp.messaging import method_call
from actors.runtime.actor import SystemCall
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, error, ok
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, Client, listener

ASKED = "550 shutdown"


class Asks(Behaviour):
    """Asks what it is told to, when a message comes."""

    def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        self.asks = options
        return ok

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        try:
            self.asks()
        except actors.ActorDeadError as dead:
            return error(f"550 {dead.reason}")
        return ok("answered")


class AsksInThread(Asks):
    blocking = frozenset({"handle_DATA"})


ENDS = {
    "stop": lambda tree: tree.stop(block=False),
    "terminate": lambda tree: tree.ask(method_call(actors.Supervisor.terminate_child, "mx"), block=False),
}


def tree_of(module: type[Behaviour], asks: Any) -> actors.GeventRef[actors.Supervisor]:
    spec = gen_smtp_server.child_spec("mx", module, [listener(sessionoptions={"callbackoptions": asks})])
    return actors.Supervisor.start([spec])


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("module", [Asks, AsksInThread])
def test_what_was_asked_before_fails_when_the_supervisor_begins_to_wait(module: Any, ends: Any) -> None:
    gate, asking = actors.GeventFuture[None](), actors.GeventFuture[None]()

    def asks() -> None:
        asking.set()
        actors.count_children(tree)

    tree = tree_of(module, asks)
    with Client(gen_smtp_server.addresses("mx")[0]) as client:
        assert client.reply().startswith("220")
        client.say(*DATA)
        tree.tell(SystemCall(lambda _: gate.get()))
        done = ends(tree)
        client.send(MESSAGE)
        asking.get(timeout=PATIENCE)
        gate.set()
        assert client.reply() == ASKED
        done.get(timeout=PATIENCE)
    tree.stop()


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("asked", ["supervisor", "server"])
@pytest.mark.parametrize("module", [Asks, AsksInThread])
def test_what_is_asked_meanwhile_fails_at_once(module: Any, asked: str, ends: Any) -> None:
    gate, reached = actors.GeventFuture[None](), actors.GeventFuture[None]()

    def asks() -> None:
        reached.set()
        gate.get()
        if asked == "server":
            gen_smtp_server.addresses(server)
        else:
            actors.start_child(tree, actors.ChildSpec("late", actors.GeventActor.start_link))

    tree = tree_of(module, asks)
    server = actors.whereis("mx")
    with (
        Client(gen_smtp_server.addresses("mx")[0]) as idle,
        Client(gen_smtp_server.addresses("mx")[0]) as busy,
    ):
        assert idle.reply()[:3] == busy.reply()[:3] == "220"
        busy.say(*DATA)
        busy.send(MESSAGE)
        reached.get(timeout=PATIENCE)
        done = ends(tree)
        assert idle.rest().startswith("421")  # the server ends
        gate.set()
        assert busy.reply() == ASKED
        done.get(timeout=PATIENCE)
    tree.stop()
