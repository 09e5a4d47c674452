"""What callbacks see of parameters that extensions bring: as they were sent, and as values with types."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.protocol.parameters.deliver_by import DeliverBy
from gen_smtp.reports import OriginalRecipient
from tests.gen_smtp.live import Queue, behaviour, serving, take

LISTED = ok([("DSN", True), ("DELIVERBY", True), ("MT-PRIORITY", True), ("SMTPUTF8", True)])
SAID = (
    "EHLO c",
    "MAIL FROM:<a@x.test> RET=HDRS ENVID=a+2Bb BY=60;RT MT-PRIORITY=-3",
    "RCPT TO:<plain@y.test>",
    r"RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;\x{FC}@y.test",
    "RCPT TO:<plain2@y.test>",
)


@pytest.fixture
def seen() -> Queue:
    return queue.SimpleQueue()


def noting(seen: Queue) -> Any:
    """A handle_DATA that hands the transaction to the test."""

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        transaction = self.session.transaction
        seen.put((transaction.sender_parameters, transaction.recipient_parameters, transaction.mail_params))
        return ok

    return handle_DATA


def test_values_have_types_for_each_recipient(seen: Queue) -> None:
    module = behaviour(handle_EHLO=LISTED, handle_DATA=noting(seen))
    with serving(module) as server, server.greeted(*SAID, "DATA") as client:
        assert client.say(".") == "250 Ok"
        sender, recipients, sent = take(seen)
        assert (sender.ret, sender.envid, sender.priority) == ("HDRS", "a+b", -3)
        assert sender.deliver_by == DeliverBy(60, "R", trace=True)
        assert (sender.hold, sender.require_tls) == (None, False)
        assert [each.notify for each in recipients] == [None, {"SUCCESS", "FAILURE"}, None]
        assert recipients[1].orcpt == OriginalRecipient("utf-8", "ü@y.test")
        assert recipients[1].valid_since is None
        assert sent["ENVID"] == "a+2Bb"
        assert "ENVID" in repr(sender)
        assert "NOTIFY" in repr(recipients[1])


def test_a_callback_is_asked_as_ever_and_keeps_what_it_likes(seen: Queue) -> None:
    def noted(self: Any, extension: str) -> Any:
        seen.put(extension)
        return ok

    module = behaviour(handle_EHLO=LISTED, handle_MAIL_extension=noted, handle_RCPT_extension=noted)
    with serving(module) as server, server.greeted(*SAID):
        asked = [take(seen) for _ in range(6)]
    assert asked[:4] == ["RET=HDRS", "ENVID=a+2Bb", "BY=60;RT", "MT-PRIORITY=-3"]
    assert asked[4:] == ["NOTIFY=SUCCESS,FAILURE", r"ORCPT=utf-8;\x{FC}@y.test"]


def test_without_the_extension_it_is_all_up_to_the_callback(seen: Queue) -> None:
    taking = behaviour(handle_MAIL_extension=ok, handle_RCPT_extension=ok, handle_DATA=noting(seen))
    with serving(taking) as server, server.greeted(*SAID, "DATA") as client:
        assert client.say(".") == "250 Ok"
        assert take(seen)[0].envid == "a+b"
    with serving(behaviour()) as server, server.greeted("EHLO c") as client:
        assert client.say("MAIL FROM:<a@x.test> RET=FULL") == "555 Unsupported option: RET=FULL"


@pytest.mark.parametrize(
    ("result", "reply"),
    [(error, "250 sender Ok"), (error("554 5.7.1 no priorities"), "554 5.7.1 no priorities")],
)
def test_an_error_without_a_message_is_of_who_does_not_know_it(result: Any, reply: str) -> None:
    module = behaviour(handle_EHLO=LISTED, handle_MAIL_extension=result)
    with serving(module) as server, server.greeted("EHLO c") as client:
        assert client.say("MAIL FROM:<a@x.test> MT-PRIORITY=9") == reply


def test_what_was_taken_by_a_callback_and_says_nothing_is_none(seen: Queue) -> None:
    module = behaviour(handle_MAIL_extension=ok, handle_RCPT_extension=ok, handle_DATA=noting(seen))
    said = (
        "EHLO c",
        "MAIL FROM:<a@x.test> RET=X HOLDFOR=1 HOLDUNTIL=x",
        "RCPT TO:<b@y.test> NOTIFY=?",
        "DATA",
    )
    with serving(module) as server, server.greeted(*said) as client:
        assert client.say(".") == "250 Ok"
        sender, (recipient,), sent = take(seen)
        assert (sender.ret, sender.hold, recipient.notify) == (None, None, None)
        assert sent["RET"] == "X"
