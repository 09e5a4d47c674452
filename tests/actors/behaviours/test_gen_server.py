"""gen_server: clauses for call, cast and info; timeouts, continue, stop and replies that come later."""

from __future__ import annotations

import queue
from typing import Any

import pytest

import actors
from actors import gen_server
from actors.behaviours.gen_server import NoReply, Reply, Stop
from tests.actors.helpers import SECONDS, hear, raise_


class Server(gen_server.GenServer):
    """Runs the functions that it is sent, in the clause that they came to."""

    heard: queue.SimpleQueue[Any]

    def init(self, outcome: Any = None) -> Any:
        self.heard = queue.SimpleQueue()
        return outcome

    def handle_call(self, request: Any, caller: Any) -> Any:
        return request(self, caller) if callable(request) else Reply(("call", request))

    def handle_cast(self, message: Any) -> Any:
        self.heard.put(("cast", message))
        return message(self) if callable(message) else None

    def handle_info(self, message: Any) -> Any:
        self.heard.put(("info", message))
        return message(self) if callable(message) else None

    def handle_continue(self, term: Any) -> Any:
        self.heard.put(("continue", term))
        return term(self) if callable(term) else None

    def terminate(self, reason: Any) -> Any:
        self.heard.put(("terminate", reason))


def start(outcome: Any = None) -> tuple[actors.GeventRef[Any], queue.SimpleQueue[Any]]:
    ref = Server.start(outcome)
    return ref, ref.proxy().heard.get(timeout=SECONDS)


def test_each_message_comes_to_its_clause() -> None:
    ref, heard = start()
    assert gen_server.call(ref, 1) == ("call", 1)
    assert ref.ask(2, timeout=SECONDS) == ("call", 2)
    gen_server.cast(ref, 3)
    actors.send(ref, 4)
    assert [hear(heard), hear(heard)] == [("cast", 3), ("info", 4)]
    ref.stop()
    assert hear(heard) == ("terminate", "normal")


def test_a_caller_may_be_answered_later() -> None:
    ref, _ = start()
    kept: list[Any] = []

    def keep(server: Server, caller: Any) -> NoReply:
        kept.append(caller)
        return NoReply()

    answer = ref.ask(keep, block=False)
    gen_server.call(ref, "in between")
    gen_server.reply(kept[0], "later")
    assert answer.get(timeout=SECONDS) == "later"
    unanswered = ref.ask(keep, block=False)
    gen_server.call(ref, "in between")
    ref.stop(reason="enough")
    with pytest.raises(actors.ActorDeadError) as caught:
        unanswered.get(timeout=SECONDS)
    assert caught.value.reason == "enough"


@pytest.mark.parametrize(
    "go", [lambda ref: gen_server.call(ref, lambda *_: Reply("x", timeout=0.001)), None, "cast", "init"]
)
def test_a_timeout_comes_if_no_message_does(go: Any) -> None:
    ref, heard = start(NoReply(timeout=0.001) if go == "init" else None)
    if go is None:
        actors.send(ref, lambda _: NoReply(timeout=0.001))
        hear(heard)
    elif go == "cast":
        gen_server.cast(ref, lambda _: NoReply(timeout=0.001))
        hear(heard)
    elif callable(go):
        assert go(ref) == "x"
    assert hear(heard) == ("info", "timeout")
    ref.stop()


def test_any_message_takes_a_timeout_back() -> None:
    ref, heard = start()

    def set_and_send(server: Server) -> NoReply:
        server.actor_ref.tell("a message")  # in the mailbox before the time is over
        return NoReply(timeout=0)

    actors.send(ref, set_and_send)
    hear(heard)
    assert hear(heard) == ("info", "a message")
    gen_server.call(ref, "x")
    assert heard.empty()
    ref.stop()


def test_continue_comes_before_any_message() -> None:
    ref, heard = start()

    def go_on(server: Server, caller: Any) -> Reply:
        server.actor_ref.tell("behind")
        return Reply("reply", then=actors.Continue("term"))

    assert gen_server.call(ref, go_on) == "reply"
    assert [hear(heard), hear(heard)] == [("continue", "term"), ("info", "behind")]
    ref.stop()


@pytest.mark.parametrize("way", ["cast", "info", "continue", "init"])
def test_continue_is_had_from_everywhere(way: str) -> None:
    ref, heard = start(actors.Continue("term") if way == "init" else None)
    further = NoReply(then=actors.Continue("term"))
    if way == "cast":
        gen_server.cast(ref, lambda _: further)
        hear(heard)
    elif way == "info":
        actors.send(ref, lambda _: further)
        hear(heard)
    elif way == "continue":
        actors.send(ref, lambda _: NoReply(then=actors.Continue(lambda _: further)))
        hear(heard), hear(heard)
    assert hear(heard) == ("continue", "term")
    ref.stop()


def test_a_timeout_behind_the_start_may_come_of_continue() -> None:
    ref, heard = start(actors.Continue(lambda _: NoReply(timeout=0.001)))
    assert hear(heard)[0] == "continue"
    assert hear(heard) == ("info", "timeout")
    ref.stop()


def test_stop_ends_it_with_a_reply_or_without() -> None:
    ref, heard = start()
    assert gen_server.call(ref, lambda *_: Stop("done", "bye")) == "bye"
    assert hear(heard) == ("terminate", "done")
    assert ref.exit_reason == "done"
    ref, _ = start()
    with pytest.raises(actors.ActorDeadError) as caught:
        gen_server.call(ref, lambda *_: Stop("done"))
    assert caught.value.reason == "done"
    for way in (gen_server.cast, actors.send):
        ref, _ = start()
        way(ref, lambda _: Stop("enough"))
        actors.wait_down(ref, SECONDS)
        assert ref.exit_reason == "enough"


def test_init_may_ignore_or_stop() -> None:
    assert Server.start(actors.IGNORE) is None
    with pytest.raises(actors.StartError) as caught:
        Server.start(Stop("no disk"))
    assert caught.value.reason == "no disk"


def test_an_exception_goes_to_the_caller_or_ends_the_server() -> None:
    ref, _ = start()

    def fail(*_: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        gen_server.call(ref, fail)
    assert ref.is_alive()
    gen_server.cast(ref, fail)
    actors.wait_down(ref, SECONDS)
    assert isinstance(ref.exit_reason, ValueError)


@pytest.mark.parametrize("options", [{}, {"reply": "bye"}])
def test_an_exit_ends_it_from_a_call_too(options: dict[str, Any]) -> None:
    ref, heard = start()
    asked = ref.ask(lambda *_: raise_(actors.ActorExit("done", **options)), block=False)
    assert hear(heard) == ("terminate", "done")
    if options:
        assert asked.get(timeout=SECONDS) == "bye"
    else:
        with pytest.raises(actors.ActorDeadError) as caught:
            asked.get(timeout=SECONDS)
        assert caught.value.reason == "done"
    assert ref.exit_reason == "done"


def test_an_exception_behind_the_answer_ends_the_server() -> None:
    ref, heard = start()
    error = ValueError("bad")
    assert (
        ref.ask(lambda *_: Reply("yes", then=actors.Continue(lambda _: raise_(error))), timeout=SECONDS)
        == "yes"
    )
    assert hear(heard)[0] == "continue"
    assert hear(heard) == ("terminate", error)
    assert actors.wait_down(ref, SECONDS) in (error, "noproc")


def test_a_wrong_result_ends_it_as_in_otp() -> None:
    ref, _ = start()
    with pytest.raises(actors.ActorDeadError) as caught:
        gen_server.call(ref, lambda *_: 17)
    assert caught.value.reason == ("bad_return_value", 17)


def test_a_server_without_clauses() -> None:
    ref = gen_server.GenServer.start()
    with pytest.raises(ValueError, match="GenServer understands no such call: 'x'"):
        gen_server.call(ref, "x")
    gen_server.cast(ref, "x")
    actors.send(ref, "x")
    assert ref.stop()
