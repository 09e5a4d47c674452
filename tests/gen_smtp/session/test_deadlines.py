"""Deadlines: what each one bounds, at, below and above it, and what the client and the callback are told.

Time stands still in these tests unless they move it (tests/gen_smtp/clock.py), so that none depends on speed.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest

from actors import run_blocking, send_exit
from gen_smtp import events, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.deadlines import EXCEEDED, Deadlines, MessageClock
from gen_smtp.options.parsing import parse_options
from gen_smtp.session.clock import touch
from tests.actors.helpers import Gate, on_hub
from tests.gen_smtp.clock import NONE, Clock, exceeded, only, sessions, wait_for_octets
from tests.gen_smtp.live import (
    DATA,
    PATIENCE,
    Client,
    Queue,
    Server,
    behaviour,
    collected,
    everything,
    serving,
    take,
)


class TestTheOption:
    def deadlines(self, **given: Any) -> Deadlines:
        (listener,) = parse_options([{"sessionoptions": {"deadlines": given}}])
        return listener.sessionoptions.deadlines

    def test_the_defaults_are_not_endless(self) -> None:
        defaults = self.deadlines()
        assert defaults == Deadlines()
        assert all(0 < value < math.inf for value in asdict(defaults).values())

    def test_each_can_be_set_and_the_others_stay(self) -> None:
        for name in asdict(Deadlines()):
            assert asdict(self.deadlines(**{name: 7})) == {**asdict(Deadlines()), name: 7.0}

    def test_a_record_is_taken_as_it_is(self) -> None:
        record = Deadlines(banner=7)
        (listener,) = parse_options([{"sessionoptions": {"deadlines": record}}])
        assert listener.sessionoptions.deadlines is record

    def test_none_is_infinite_and_a_rate_of_zero(self) -> None:
        for name in NONE:
            assert getattr(self.deadlines(**{name: math.inf}), name) == math.inf
        assert self.deadlines(minimum_rate=0).minimum_rate == 0

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *((name, value) for name in NONE for value in (0, -1, math.nan, -math.inf, "1", None, True)),
            *(("minimum_rate", value) for value in (-1, math.inf, math.nan, "1", None, True)),
        ],
    )
    def test_what_is_no_time_or_rate_is_refused(self, name: str, value: Any) -> None:
        with pytest.raises(OptionsError) as caught:
            self.deadlines(**{name: value})
        assert caught.value.option == f"sessionoptions.deadlines.{name}"
        assert caught.value.allowed is not None

    def test_an_unknown_one_is_refused_with_what_was_probably_meant(self) -> None:
        with pytest.raises(OptionsError, match=r"did you mean sessionoptions\.deadlines\.minimum_rate\?"):
            self.deadlines(min_rate=7)

    def test_one_that_stands_a_level_too_high_is_put_right(self) -> None:
        with pytest.raises(OptionsError, match=r"did you mean sessionoptions\.deadlines\.data_block\?"):
            parse_options([{"sessionoptions": {"data_block": 7}}])

    def test_each_has_a_text_of_its_own(self) -> None:
        replies = [EXCEEDED[name] for name in EXCEEDED if name != "grace"]
        assert len({reply.text for reply in replies}) == len(replies)
        assert {(reply.code, reply.status) for reply in replies} == {("421", "4.4.2")}


class TestTheClockOfAMessage:
    """A message that begins at 1000, on every deadline of which two are infinite in turn."""

    def clock(self, **deadlines: float) -> MessageClock:
        return MessageClock(Deadlines(**{**NONE, "minimum_rate": 0, **deadlines}), 1000.0)

    def test_without_deadlines_it_is_never_due(self) -> None:
        clock = self.clock()
        clock.count(10**9)
        assert clock.due(5000.0) == math.inf

    def test_a_piece_moves_the_time_for_the_next(self) -> None:
        clock = self.clock(data_block=180)
        assert (clock.due(1000.0), clock.due(1100.0)) == (1180.0, 1280.0)
        assert clock.struck(1100.0) == "data_block"

    def test_nothing_moves_the_time_of_the_whole(self) -> None:
        clock = self.clock(message=600)
        clock.count(10**9)
        assert clock.due(1599.0) == 1600.0
        assert clock.struck(1599.0) == "message"

    def test_octets_move_the_time_for_more_by_what_they_may_take(self) -> None:
        clock = self.clock(minimum_rate=4, rate_grace=60)
        assert clock.due(1000.0) == 1060.0
        clock.count(6)
        clock.count(2)
        assert clock.due(1050.0) == 1062.0
        assert clock.struck(1050.0) == "minimum_rate"

    def test_time_in_which_nobody_read_is_given_back(self) -> None:
        clock = self.clock(message=100, minimum_rate=1, rate_grace=50)
        clock.excuse(30)
        assert clock.due(1000.0) == 1080.0
        clock.count(100)
        assert clock.due(1000.0) == 1130.0

    def test_the_nearest_counts(self) -> None:
        clock = self.clock(data_block=10, message=100, minimum_rate=1, rate_grace=50)
        assert (clock.due(1000.0), clock.struck(1000.0)) == (1010.0, "data_block")
        assert (clock.due(1045.0), clock.struck(1045.0)) == (1050.0, "minimum_rate")
        clock.count(60)
        assert (clock.due(1095.0), clock.struck(1095.0)) == (1100.0, "message")


class TestBetweenCommands:
    @pytest.mark.parametrize("said", [(), DATA[:3]])
    def test_a_command_below_it_is_answered(self, said: Any, clock: Clock, struck: Queue) -> None:
        with serving(sessionoptions=only(300)) as server, server.greeted(*said) as client:
            for _ in range(3):
                clock.advance(299)
                assert client.say("NOOP") == "250 Ok"
            assert struck.empty()

    @pytest.mark.parametrize("seconds", [300, 301])
    @pytest.mark.parametrize("said", [(), DATA[:3]])
    def test_at_it_the_client_hears_421(
        self, seconds: float, said: Any, clock: Clock, struck: Queue, noting: Any, ends: Queue
    ) -> None:
        with serving(noting, sessionoptions=only(300)) as server, server.greeted(*said) as client:
            clock.advance(seconds)
            assert client.rest() == "421 Error: timeout exceeded\r\n"
            assert take(struck).deadline == "timeout"
        assert everything(ends) == [("timeout", "timeout"), "normal"]

    def test_half_a_command_does_not_put_it_off(self, clock: Clock) -> None:
        with serving(sessionoptions=only(300)) as server, server.greeted() as client:
            clock.advance(299)
            client.send("NOO")
            clock.advance(1)
            assert client.rest() == "421 Error: timeout exceeded\r\n"

    def test_it_carries_its_status_code(self, clock: Clock) -> None:
        module = behaviour(handle_EHLO=ok([("ENHANCEDSTATUSCODES", True)]))
        with serving(module, sessionoptions=only(300)) as server, server.greeted("EHLO c") as client:
            clock.advance(300)
            assert client.rest() == "421 4.4.2 Error: timeout exceeded\r\n"

    def test_infinite_is_never(self, clock: Clock) -> None:
        with serving(sessionoptions=only()) as server, server.greeted() as client:
            clock.advance(10**9)
            assert client.say("NOOP") == "250 Ok"

    def test_a_command_that_came_in_time_is_answered_however_late_the_hub_looks_at_it(self) -> None:
        entered, sent = threading.Event(), threading.Event()
        others: list[Any] = []

        def handle_VRFY(self: Any, address: str) -> Any:
            (other,) = (ref for ref in others if ref is not self.session.ref)
            other._actor_weakref().set_deadline(0.05)
            entered.set()
            assert sent.wait(PATIENCE)
            threading.Event().wait(0.1)  # blocks the hub until the other's time is over
            return ok

        with (
            serving(behaviour(handle_VRFY=handle_VRFY)) as server,
            server.greeted() as busy,
            server.greeted() as other,
        ):
            others += server.sessions
            busy.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            other.send("NOOP\r\n")
            sent.set()
            assert other.reply() == "250 Ok"
            assert busy.reply() == "250 x"


class TestTheWallClock:
    @pytest.mark.parametrize("jump", [10**9, -(10**9)])
    def test_a_jump_of_it_ends_nothing(self, jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
        real = time.time
        with serving(behaviour()) as server, server.greeted() as idle, server.greeted(*DATA) as client:
            monkeypatch.setattr("time.time", lambda: real() + jump)
            with server.greeted() as later:
                assert later.say("NOOP") == "250 Ok"
            client.send("hello\r\n.\r\n")
            assert client.reply() == "250 taken"
            assert idle.say("NOOP") == "250 Ok"

    @pytest.mark.parametrize("jump", [10**9, -(10**9)])
    def test_and_puts_nothing_off(self, jump: float, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        real = time.time
        with serving(sessionoptions=only(300)) as server, server.greeted() as client:
            monkeypatch.setattr("time.time", lambda: real() + jump)
            clock.advance(299)
            assert client.say("NOOP") == "250 Ok"
            clock.advance(300)
            assert client.rest() == "421 Error: timeout exceeded\r\n"


class TestAMessage:
    @contextmanager
    def sending(self, **deadlines: float) -> Generator[tuple[Server, Client]]:
        """A client that has read its 354. A time-out between commands of one second is no matter here."""
        options = {**only(**deadlines), "timeout": 1.0}
        with serving(behaviour(), sessionoptions=options) as server, server.greeted(*DATA) as client:
            yield server, client

    def drip(self, server: Server, client: Client, octets: int) -> None:
        """Send so many octets, and wait until the session has them."""
        before = gen_smtp_server_session.info(server.sessions[0]).octets
        client.send(b"x" * octets)
        wait_for_octets(server, before + octets)

    @pytest.mark.parametrize("name", ["data_block", "message", "rate_grace"])
    def test_below_each_it_is_taken(self, name: str, clock: Clock, struck: Queue) -> None:
        with self.sending(**{name: 180, "minimum_rate": 1 if name == "rate_grace" else 0}) as (_, client):
            clock.advance(179)
            client.send("hello\r\n.\r\n")
            assert client.reply() == "250 taken"
            assert struck.empty()

    @pytest.mark.parametrize("seconds", [180, 181])
    @pytest.mark.parametrize(
        ("name", "time"),
        [("data_block", "data_block"), ("message", "message"), ("minimum_rate", "rate_grace")],
    )
    def test_at_each_the_client_hears_421(
        self, seconds: float, name: str, time: str, clock: Clock, struck: Queue
    ) -> None:
        with self.sending(**{"minimum_rate": 1 if name == "minimum_rate" else 0, time: 180}) as (_, client):
            clock.advance(seconds)
            assert client.rest() == exceeded(name)
            assert take(struck).deadline == name

    @pytest.mark.parametrize("name", ["data_block", "message", "minimum_rate"])
    def test_the_callback_is_told_as_of_any_other(
        self, name: str, clock: Clock, noting: Any, ends: Queue
    ) -> None:
        limits = {"minimum_rate": 1, "rate_grace": 60} if name == "minimum_rate" else {name: 60}
        noting.handle_DATA = lambda self, *args: pytest.fail("half a message")
        with (
            serving(noting, sessionoptions=only(**limits)) as server,
            server.greeted(*DATA) as client,
        ):
            clock.advance(60)
            assert client.rest() == exceeded(name)
        assert everything(ends) == [("timeout", "timeout"), "normal"]

    def test_each_piece_puts_the_next_one_off(self, clock: Clock, struck: Queue) -> None:
        with self.sending(data_block=180) as (server, client):
            for _ in range(10):
                clock.advance(179)
                self.drip(server, client, 1)
            assert struck.empty()
            clock.advance(180)
            assert client.rest() == exceeded("data_block")

    def test_no_piece_puts_the_whole_off(self, clock: Clock, struck: Queue) -> None:
        with self.sending(message=600) as (server, client):
            for _ in range(5):
                clock.advance(100)
                self.drip(server, client, 1000)
            clock.advance(99)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("message")

    def test_octets_put_the_rate_off_by_what_they_may_take(self, clock: Clock, struck: Queue) -> None:
        with self.sending(minimum_rate=4, rate_grace=60) as (server, client):
            self.drip(server, client, 40)
            clock.advance(60)
            self.drip(server, client, 20)
            clock.advance(14)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("minimum_rate")

    def test_a_sender_just_fast_enough_may_go_on(self, clock: Clock, struck: Queue) -> None:
        with self.sending(minimum_rate=4, rate_grace=60) as (server, client):
            for _ in range(100):
                clock.advance(10)
                self.drip(server, client, 40)
            client.send("\r\n.\r\n")
            assert client.reply() == "250 taken"
            assert struck.empty()

    def test_the_octets_of_a_refused_message_count_as_well(self, clock: Clock, struck: Queue) -> None:
        """It is read to its end before it is answered."""
        with self.sending(minimum_rate=4, rate_grace=60) as (_, client), collected(events.CommandRefused):
            client.send(b"bare\nnewline" + b"x" * 28)  # 40 octets
            clock.advance(10)
            client.send("\r\n.\r\n")
            assert client.reply() == "550 Bare newline detected: LF without CR in line 1"
            assert struck.empty()

    def test_a_client_that_is_not_read_from_is_not_cut_and_has_that_time_besides(
        self, clock: Clock, struck: Queue
    ) -> None:
        with self.sending(data_block=10, message=100) as (server, client):
            self.drip(server, client, 1)
            (session,) = sessions()

            def hold_up() -> None:
                session.hold_reading()
                session.set_deadline(None)
                session.on_data(b"announced already")

            def let_go_on() -> None:
                assert session.message_clock is not None
                session.message_clock.excuse(1000)
                touch(session)
                session.read_on()

            on_hub(hold_up)
            clock.advance(1000)
            on_hub(let_go_on)
            for _ in range(11):
                clock.advance(9)
                self.drip(server, client, 1)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("message")

    def test_after_one_in_which_the_clock_was_looked_at_too(self, clock: Clock, struck: Queue) -> None:
        options = {**only(data_block=100), "timeout": 10.0}
        with serving(behaviour(), sessionoptions=options) as server, server.greeted(*DATA) as client:
            clock.advance(11)  # the timer rings, and it is early for the message
            client.send("hello\r\n.\r\n")
            assert client.reply() == "250 taken"
            clock.advance(9)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("timeout")

    def test_its_time_counts_from_its_354_however_long_the_client_was_silent_before(
        self, clock: Clock, struck: Queue
    ) -> None:
        options = {**only(data_block=5, message=20), "timeout": 100.0}
        with serving(behaviour(), sessionoptions=options) as server, server.greeted("EHLO c") as client:
            clock.advance(50)  # past the first look at the clock; the next one would be at 100
            client.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello")
            assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
            clock.advance(4)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("data_block")

    def test_after_it_the_commands_have_their_time_again(self, clock: Clock, struck: Queue) -> None:
        with self.sending(data_block=10, message=10) as (_, client):
            client.send("hello\r\n.\r\n")
            assert client.reply() == "250 taken"
            clock.advance(1)
            assert client.rest() == "421 Error: timeout exceeded\r\n"
            assert take(struck).deadline == "timeout"

    def test_each_message_has_its_own_time(self, clock: Clock, struck: Queue) -> None:
        with (
            serving(behaviour(), sessionoptions=only(message=10)) as server,
            server.greeted("EHLO c") as client,
        ):
            for _ in range(3):
                client.say(*DATA[1:])
                clock.advance(9)
                client.send("hello\r\n.\r\n")
                assert client.reply() == "250 taken"
            assert struck.empty()

    def test_the_grace_of_a_stop_is_told_as_such(self, clock: Clock, struck: Queue) -> None:
        with self.sending() as (server, client):
            server.set_grace(100)
            stopped = server.ref.stop(block=False)
            (session,) = sessions()
            while session.final_due == math.inf:
                pass
            clock.advance(90)
            assert client.rest() == "421 Error: timeout exceeded\r\n"
            assert take(struck).deadline == "grace"
            assert stopped.get(timeout=PATIENCE) is True


class TestTheSession:
    def test_below_it_commands_are_answered(self, clock: Clock, struck: Queue) -> None:
        with serving(sessionoptions=only(session=1000)) as server, server.greeted() as client:
            clock.advance(999)
            assert client.say("NOOP") == "250 Ok"
            assert struck.empty()

    @pytest.mark.parametrize("seconds", [1000, 1001])
    @pytest.mark.parametrize("timeout", [math.inf, 600])
    def test_at_it_the_client_hears_421_however_busy_it_is(
        self, seconds: float, timeout: float, clock: Clock, struck: Queue, noting: Any, ends: Queue
    ) -> None:
        options = only(timeout, session=1000)
        with serving(noting, sessionoptions=options) as server, server.greeted(*DATA[:3]) as client:
            clock.advance(500)
            assert client.say("NOOP") == "250 Ok"
            clock.advance(seconds - 500)
            assert client.rest() == exceeded("session")
            assert take(struck).deadline == "session"
        assert everything(ends) == [("timeout", "timeout"), "normal"]

    def test_it_begins_with_the_connection(self, clock: Clock) -> None:
        gate = Gate()

        def init(self: Any, *args: Any) -> Any:
            gate.wait()
            return ok

        with (
            serving(behaviour(init=init), sessionoptions=only(session=1000)) as server,
            server.client() as client,
        ):
            gate.reached.get(timeout=PATIENCE)
            clock.advance(400)
            gate.open()
            assert client.reply() == "220 mx.test ESMTP"
            clock.advance(600)
            assert client.rest() == exceeded("session")

    @pytest.mark.parametrize(
        ("body", "answer"),
        [
            ("hello\r\n.\r\n", "250 taken"),
            ("bare\nnewline\r\n.\r\n", "550 Bare newline detected: LF without CR in line 1"),
        ],
    )
    def test_a_message_under_way_is_answered_first(
        self, body: str, answer: str, clock: Clock, struck: Queue, noting: Any, ends: Queue
    ) -> None:
        with (
            serving(noting, sessionoptions=only(session=1000)) as server,
            server.greeted(*DATA) as client,
        ):
            clock.advance(1000)
            assert take(struck).deadline == "session"
            client.send(f"{body}NOOP\r\nQUIT\r\n")
            assert client.rest() == f"{answer}\r\n{exceeded('session')}"
        told = everything(ends)
        assert told[-2:] == [("timeout", "timeout"), "normal"]
        assert struck.empty()

    def test_such_a_message_has_its_own_deadlines_still(self, clock: Clock, struck: Queue) -> None:
        options = only(session=1000, data_block=180, message=300)
        with serving(behaviour(), sessionoptions=options) as server, server.greeted() as client:
            clock.advance(999)
            client.say(*DATA)
            clock.advance(1)
            assert take(struck).deadline == "session"
            clock.advance(178)
            assert struck.empty()
            clock.advance(1)
            assert client.rest() == exceeded("data_block")
            assert take(struck).deadline == "data_block"

    def test_in_an_exchange_of_auth_it_ends_at_once(self, clock: Clock) -> None:
        module = behaviour(handle_EHLO=ok([("AUTH", "LOGIN")]))
        options = {**only(session=1000), "allow_insecure_auth": True}
        with serving(module, sessionoptions=options) as server, server.greeted("EHLO c") as client:
            assert client.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
            clock.advance(1000)
            assert client.rest() == exceeded("session")


class TestTheEnd:
    """What runs at a session's end may take its time, whatever the clock says."""

    @pytest.mark.parametrize("where", ["between commands", "in a message", "before the greeting"])
    @pytest.mark.parametrize(
        "options", [only(300), only(session=300), only(data_block=300), only(banner=300)]
    )
    def test_terminate_and_at_end_are_not_cut_off(
        self, options: dict[str, Any], where: str, clock: Clock, struck: Queue
    ) -> None:
        in_init, in_terminate, at_end, done = Gate(), Gate(), Gate(), Queue()

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(lambda: done.put((at_end.wait(), "at_end")))
            if where == "before the greeting":
                run_blocking(in_init.wait)
            return ok

        def terminate(self: Any, reason: Any) -> None:
            done.put((in_terminate.wait(), reason))

        module = behaviour(init=init, terminate=terminate)
        with serving(module, sessionoptions=options) as server, server.client() as client:
            if where == "before the greeting":
                in_init.reached.get(timeout=PATIENCE)
                session = sessions()[0].actor_ref
            else:
                client.reply()
                (session,) = server.sessions
            if where == "in a message":
                client.say(*DATA)
                client.send("Subject: half")
                wait_for_octets(server, len("Subject: half"))
            send_exit(session, "boom")
            if where == "before the greeting":
                in_init.open()  # the signal is heard behind it
            for gate in (in_terminate, at_end):
                gate.reached.get(timeout=PATIENCE)
                clock.advance(10**6)
                clock.advance(10**6)
                gate.open()
            assert [take(done), take(done)] == [(None, "boom"), (None, "at_end")]
            assert struck.empty()
