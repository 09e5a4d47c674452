"""The inbox: order, closing, and that no message falls between an actor's last look and its end."""

from __future__ import annotations

import contextlib
import itertools
import threading

import pytest

import actors
from actors.runtime.mailbox import OPEN, Envelope, Mailbox, refuse
from tests.actors.helpers import SECONDS


class Turns(list[object]):
    """Whoever gives turns: notes whom it was asked for."""

    def schedule_later(self, actor: object) -> None:
        self.schedule(actor)

    def schedule(self, actor: object) -> None:
        self.append(actor)


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def mailbox(turns: Turns) -> Mailbox:
    """The mailbox of an actor that has started and taken its first turn."""
    made = Mailbox()
    made.begin(turns, "the owner")
    turns.clear()
    made.rest(again=False)
    return made


def test_a_message_asks_for_one_turn_however_many_follow_it(mailbox: Mailbox, turns: Turns) -> None:
    for message in range(3):
        mailbox.put(Envelope(message))
    assert len(turns) == 1
    assert [mailbox.take().message for _ in range(3)] == [0, 1, 2]
    assert mailbox.take() is None
    assert mailbox.empty()


@pytest.mark.parametrize("kept_back", [False, True])
@pytest.mark.parametrize("discarded", [False, True])
@pytest.mark.parametrize("count", range(3))
def test_where_a_look_at_a_mailbox_finds_nothing_there_is_nothing(
    mailbox: Mailbox, count: int, discarded: bool, kept_back: bool
) -> None:
    for message in range(count):
        mailbox.put(Envelope(message))
    if discarded:
        mailbox.discard(lambda _: True)
    if kept_back:
        mailbox.select(lambda _: False)
        assert mailbox.take() is None
        mailbox.select(None)
    for _ in range(3):
        nothing_waits = mailbox.taken.next is None
        taken = mailbox.take()
        assert taken is None or not nothing_waits


def test_no_turn_is_asked_for_before_the_owner_starts(turns: Turns) -> None:
    mailbox = Mailbox()
    mailbox.put(Envelope("early"))
    mailbox.wake()
    assert turns == []
    mailbox.begin(turns, "the owner")
    assert turns == [mailbox]
    assert mailbox.take().message == "early"


def test_resting_with_messages_asks_for_the_next_turn(mailbox: Mailbox, turns: Turns) -> None:
    mailbox.put(Envelope(1))
    mailbox.put(Envelope(2))
    mailbox.take()
    mailbox.rest(again=False)
    assert len(turns) == 2
    mailbox.take()
    mailbox.rest(again=False)
    assert len(turns) == 2


def test_an_owner_that_wants_to_go_on_gets_a_turn_without_a_message(mailbox: Mailbox, turns: Turns) -> None:
    mailbox.wake()
    mailbox.rest(again=True)
    assert len(turns) == 2


def test_waking_twice_asks_for_one_turn(mailbox: Mailbox, turns: Turns) -> None:
    mailbox.wake()
    mailbox.wake()
    assert len(turns) == 1


def test_closing_hands_back_what_was_not_read_in_order(mailbox: Mailbox) -> None:
    for message in "ab":
        mailbox.put(Envelope(message))
    assert [envelope.message for envelope in mailbox.close("boom")] == ["a", "b"]
    assert mailbox.closed == "boom"
    assert mailbox.close("boom") == []


def test_a_closed_mailbox_refuses_with_the_reason(mailbox: Mailbox) -> None:
    mailbox.close("boom")
    with pytest.raises(actors.ActorDeadError, match="boom") as caught:
        mailbox.put(Envelope("late"))
    assert caught.value.reason == "noproc"


def test_an_asker_who_comes_too_late_hears_it_from_the_future(mailbox: Mailbox) -> None:
    mailbox.close("boom")
    future: actors.GeventFuture[None] = actors.GeventFuture()
    mailbox.put(Envelope("late", reply_to=future))
    with pytest.raises(actors.ActorDeadError) as caught:
        future.get(timeout=0)
    assert caught.value.reason == "noproc"


def test_a_closed_mailbox_asks_for_no_turn(mailbox: Mailbox, turns: Turns) -> None:
    mailbox.close("normal")
    mailbox.wake()
    mailbox.rest(again=True)
    assert turns == []


def test_a_normal_end_is_shown_as_noproc_as_erlang_does() -> None:
    with pytest.raises(actors.ActorDeadError, match="'noproc'") as caught:
        refuse(Envelope("late"), "normal")
    assert caught.value.reason == "noproc"


def test_getting_from_an_empty_mailbox_is_an_error_not_a_wait(mailbox: Mailbox) -> None:
    with pytest.raises(LookupError):
        mailbox.get()
    mailbox.put(Envelope("here"))
    assert mailbox.get().message == "here"


def test_no_message_is_lost_between_many_putters_and_a_close() -> None:
    """Each message put is read or handed back by close, once; each after that is refused."""
    mailbox = Mailbox()
    mailbox.begin(Turns(), "the owner")
    mailbox.rest(again=False)
    ready = threading.Barrier(9)

    def put_until_refused(putter: int) -> None:
        ready.wait(SECONDS)
        with contextlib.suppress(actors.ActorDeadError):
            for count in itertools.count():
                mailbox.put(Envelope((putter, count)))
                sent[putter] = count

    sent = [-1] * 8
    threads = [threading.Thread(target=put_until_refused, args=(putter,)) for putter in range(8)]
    for thread in threads:
        thread.start()
    ready.wait(SECONDS)
    taken = []
    while len(taken) < 5000:
        envelope = mailbox.take()
        if envelope is not None:
            taken.append(envelope.message)
    taken += [envelope.message for envelope in mailbox.close("closed")]
    for thread in threads:
        thread.join(SECONDS)
    assert mailbox.empty()
    for putter in range(8):
        assert [count for who, count in taken if who == putter] == list(range(sent[putter] + 1))


def test_an_open_mailbox_says_so(mailbox: Mailbox) -> None:
    assert mailbox.closed is OPEN


# -- selective receive --------------------------------------------------------------------------------


def is_even(message: int) -> bool:
    return message % 2 == 0


def taken(mailbox: Mailbox) -> list[int]:
    """All the messages that the owner gets now."""
    envelopes = iter(mailbox.take, None)
    return [envelope.message for envelope in envelopes]


def put_all(mailbox: Mailbox, *messages: int) -> None:
    for message in messages:
        mailbox.put(Envelope(message))


def test_an_owner_that_selects_gets_what_it_wants_and_the_rest_later_in_order(mailbox: Mailbox) -> None:
    mailbox.select(is_even)
    put_all(mailbox, 1, 2, 3, 4)
    assert taken(mailbox) == [2, 4]
    assert not mailbox.suspended
    assert mailbox.empty()
    put_all(mailbox, 5)
    mailbox.select(None)
    assert taken(mailbox) == [1, 3, 5]


def test_what_is_kept_back_asks_for_no_turn_until_it_is_wanted(mailbox: Mailbox, turns: list[None]) -> None:
    mailbox.select(is_even)
    put_all(mailbox, 1)
    assert taken(mailbox) == []
    turns.clear()
    mailbox.rest(again=False)
    assert turns == []
    mailbox.select(None)
    mailbox.rest(again=False)
    assert len(turns) == 1


def test_selecting_anew_looks_at_what_was_kept_back(mailbox: Mailbox) -> None:
    mailbox.select(is_even)
    put_all(mailbox, 1, 2)
    assert taken(mailbox) == [2]
    mailbox.select(lambda message: message == 1)
    assert taken(mailbox) == [1]


def test_being_suspended_goes_before_selecting_whichever_came_first(mailbox: Mailbox) -> None:
    mailbox.select(is_even)
    mailbox.suspend(lambda message: message > 9)
    assert mailbox.suspended
    put_all(mailbox, 1, 2, 11)
    assert taken(mailbox) == [11]
    mailbox.resume()
    assert not mailbox.suspended
    assert taken(mailbox) == [2]
    mailbox.suspend(lambda message: message > 9)
    mailbox.select(None)
    assert mailbox.suspended
    assert taken(mailbox) == []
    mailbox.resume()
    assert taken(mailbox) == [1]


def test_closing_hands_back_what_was_not_selected(mailbox: Mailbox) -> None:
    mailbox.select(is_even)
    put_all(mailbox, 1, 2, 3)
    assert taken(mailbox) == [2]
    assert [envelope.message for envelope in mailbox.close("boom")] == [1, 3]
