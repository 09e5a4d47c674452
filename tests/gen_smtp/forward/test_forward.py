"""ForwardHandler between a client and next hosts, all over real sockets."""

from __future__ import annotations

import email
import queue
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.forward import Forwarded, ForwardFailed, ForwardHandler, ForwardOptions
from gen_smtp.forward.forward_options import read_forward_options
from gen_smtp.gen_smtp_server_session import Behaviour, IncompleteMessage, error, ok
from gen_smtp.options.checks import OptionsError
from gen_smtp.testing import SmtpCatcher
from tests.gen_smtp.live import DATA, MAIL, MESSAGE, Server, behaviour, collected, serving, take

LHLO = ("LHLO client.test", "MAIL FROM:<a@x.test>")


@pytest.fixture
def hop() -> Iterator[SmtpCatcher]:
    """A next host."""
    with SmtpCatcher() as running:
        yield running


@contextmanager
def forwarding(port: int | None, *, lmtp: bool = False, **options: Any) -> Iterator[Server]:
    """A server that forwards to a port of this machine."""
    given = {"relay": "127.0.0.1", "port": port, "tls": "never", **options}
    given = {name: value for name, value in given.items() if value is not None}
    session: dict[str, Any] = {"callbackoptions": given}
    if lmtp:
        session["protocol"] = "lmtp"
    with serving(ForwardHandler, sessionoptions=session) as server:
        yield server


class TestOneHost:
    def test_has_the_message_and_the_client_hears_what_it_has_said(self, hop: SmtpCatcher) -> None:
        with forwarding(hop.port) as server, collected(Forwarded) as events:
            with server.greeted(*DATA) as client:
                client.send("Subject: hello\r\n\r\n..dots\r\nend\r\n.\r\n")
                reply = client.reply()
            event = take(events)
        (message,) = hop.messages
        assert re.fullmatch(r"250 caught as [0-9a-f]{8}", reply)
        assert (message.sender, message.recipients, message.helo) == ("a@x.test", ("b@y.test",), "mx.test")
        received, rest = message.data.split(b"Subject:", 1)
        assert rest == b" hello\r\n\r\n.dots\r\nend\r\n"
        assert re.match(
            rb"Received: from client.test \(\[127.0.0.1\]\)\r\n\tby mx.test with ESMTP\r\n"
            rb"\tid [0-9a-f]{16}\r\n\tfor <b@y.test>;\r\n\t",
            received,
        )
        assert (event.host, event.recipients, event.reply) == ("127.0.0.1", ("b@y.test",), reply)

    def test_its_received_field_names_no_recipient_of_several(self, hop: SmtpCatcher) -> None:
        with forwarding(hop.port) as server, server.greeted(*MAIL) as client:
            client.say("RCPT TO:<b@y.test>", "RCPT TO:<blind@y.test>", "DATA")
            client.send(MESSAGE)
            assert client.reply().startswith("250")
        (message,) = hop.messages
        assert message.recipients == ("b@y.test", "blind@y.test")
        assert b"blind" not in message.data

    def test_refuses_a_recipient_and_so_does_the_server(self, hop: SmtpCatcher) -> None:
        hop.fail("RCPT", "550 5.1.1 nobody here", recipient="nobody@y.test")
        with (
            forwarding(hop.port) as server,
            server.greeted(*MAIL) as client,
            collected(ForwardFailed) as events,
        ):
            assert client.say("RCPT TO:<nobody@y.test>") == "550 5.1.1 nobody here"
            assert client.say("RCPT TO:<b@y.test>").startswith("250")
            client.say("DATA")
            client.send(MESSAGE)
            assert client.reply().startswith("250")
            event = take(events)
        assert [each.recipients for each in hop.messages] == [("b@y.test",)]
        assert (event.recipients, event.reason, event.permanent) == (
            ("nobody@y.test",),
            "550 5.1.1 nobody here",
            True,
        )

    def test_refuses_the_sender_and_each_recipient_hears_it(self, hop: SmtpCatcher) -> None:
        hop.fail("MAIL", "553 5.7.1 not you", times=1)
        with forwarding(hop.port) as server, server.greeted(*MAIL) as client:
            assert client.say("RCPT TO:<b@y.test>") == "553 5.7.1 not you"
            assert client.say("RCPT TO:<c@y.test>") == "553 5.7.1 not you"
            assert client.say("RSET", *DATA[1:]) == "354 enter mail, end with line containing only '.'"

    def test_refuses_the_message(self, hop: SmtpCatcher) -> None:
        hop.fail(".", "554 5.6.0 a virus", times=1)
        with forwarding(hop.port) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert client.reply() == "554 5.6.0 a virus"
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply().startswith("250")

    def test_its_reply_of_several_lines_is_whole(self) -> None:

        next_host = behaviour(handle_RCPT=lambda self, recipient: error(["550 5.7.1 first", "5.7.1 second"]))
        with (
            serving(next_host) as there,
            forwarding(there.addresses[0][1]) as server,
            server.greeted(*MAIL) as client,
        ):
            assert client.say("RCPT TO:<b@y.test>") == "550-5.7.1 first\n550 5.7.1 second"

    def test_hangs_up_and_the_client_may_try_again(self, hop: SmtpCatcher) -> None:
        hop.fail("RCPT", "421 4.3.2 shutting down", times=1)
        with forwarding(hop.port) as server, server.greeted(*MAIL) as client:
            assert client.say("RCPT TO:<b@y.test>") == "451 4.3.2 shutting down"
            client.say("RSET", *DATA[1:])
            client.send(MESSAGE)
            assert client.reply().startswith("250")

    def test_is_not_there(self) -> None:
        with SmtpCatcher() as gone:
            port = gone.port
        with forwarding(port, retries=0) as server, server.greeted(*MAIL) as client:
            reply = client.say("RCPT TO:<b@y.test>")
            assert reply.startswith("451 4.4.")
            assert "127.0.0.1: Connection refused" in reply
            assert client.say("RCPT TO:<c@y.test>") == reply
            assert client.say("NOOP").startswith("250")

    def test_cuts_the_connection_in_the_message(self, hop: SmtpCatcher) -> None:
        hop.fail("DATA", cut=True, times=1)
        with forwarding(hop.port) as server, server.greeted(*DATA) as client:
            client.send("x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 100_000 + ".\r\n")
            assert client.reply().startswith("451 4.4.2 network failure at 127.0.0.1: ")
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply().startswith("250")

    def test_has_no_message_that_the_client_did_not_end(self) -> None:
        seen: queue.SimpleQueue[str] = queue.SimpleQueue()

        def read(self: Behaviour, sender: str, recipients: list[str], stream: Any) -> Any:
            seen.put(stream.readline().decode())
            try:
                stream.read()
            except IncompleteMessage as incomplete:
                seen.put(incomplete.cause)
                raise
            seen.put("whole")
            return ok

        with (
            serving(behaviour(handle_DATA_stream=read)) as there,
            forwarding(there.addresses[0][1]) as server,
            server.greeted(*DATA) as client,
        ):
            client.send("Subject: half\r\n\r\nand then\r\n")
            assert take(seen).startswith("Received: from client.test")  # it comes before the message is whole
            client.close()
            assert take(seen) == "closed"

    def test_has_one_connection_for_all_messages_of_a_client(self) -> None:
        made: queue.SimpleQueue[Any] = queue.SimpleQueue()
        next_host = behaviour(init=lambda self, *args: made.put(self.session.ref) or ok("next"))
        with (
            serving(next_host) as there,
            forwarding(there.addresses[0][1]) as server,
            server.greeted("EHLO client.test") as client,
        ):
            for _ in range(3):
                client.say(*DATA[1:])
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
            first = take(made)
            assert made.empty()
            first.stop()  # as a host that hangs up on an idle client
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            take(made)

    def test_never_sees_a_transaction_that_the_client_gave_up(self, hop: SmtpCatcher) -> None:
        with forwarding(hop.port) as server, server.greeted(*DATA[:-1]) as client:
            client.say("RSET", "MAIL FROM:<second@x.test>", "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            client.reply()
        assert [(each.sender, each.recipients) for each in hop.messages] == [("second@x.test", ("c@y.test",))]

    def test_a_message_that_goes_in_circles_is_refused(self, hop: SmtpCatcher) -> None:
        header = "Received: from a by b; now\r\n" * 20
        with forwarding(hop.port, max_hops=20) as server, server.greeted(*DATA) as client:
            client.send(f"{header}\r\nReceived: in the text\r\n.\r\n")
            assert client.reply() == "554 5.4.6 Too many hops: the message goes in circles"
            client.say(*DATA[1:])
            client.send(f"{header[28:]}Subject: nineteen\r\n\r\nReceived: in the text\r\n.\r\n")
            assert client.reply().startswith("250")
        assert [each.subject for each in hop.messages] == ["nineteen"]


class TestLmtp:
    def test_each_recipient_hears_its_own(self) -> None:
        with SmtpCatcher(protocol="lmtp") as hop, forwarding(hop.port, lmtp=True, via="lmtp") as server:
            hop.fail(".", "452 4.2.2 full", recipient="full@y.test")
            with server.greeted(*LHLO) as client:
                for name in ("b", "full", "c"):
                    assert client.say(f"RCPT TO:<{name}@y.test>").startswith("250")
                client.say("DATA")
                client.send(MESSAGE)
                replies = [client.reply() for _ in range(3)]
            assert [reply[:3] for reply in replies] == ["250", "452", "250"]
            assert replies[1] == "452 4.2.2 full"
            assert [each.recipients for each in hop.messages] == [("b@y.test", "c@y.test")]

    def test_one_reply_stands_for_all_where_the_next_host_speaks_smtp(self, hop: SmtpCatcher) -> None:
        hop.fail(".", "552 5.3.4 too big")
        with forwarding(hop.port, lmtp=True) as server, server.greeted(*LHLO) as client:
            client.say("RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert [client.reply(), client.reply()] == ["552 5.3.4 too big"] * 2

    @pytest.mark.parametrize(
        ("said", "reply"),
        [
            ("452 4.2.2 full", "451 4.2.2 not forwarded to bad@y.test: 452 4.2.2 full"),
            ("550 5.2.1 gone", "554 5.2.1 not forwarded to bad@y.test: 550 5.2.1 gone"),
        ],
    )
    def test_a_client_of_smtp_hears_who_does_not_have_it(self, said: str, reply: str) -> None:
        with SmtpCatcher(protocol="lmtp") as hop, forwarding(hop.port, via="lmtp") as server:
            hop.fail(".", said, recipient="bad@y.test")
            with server.greeted(*MAIL) as client:
                client.say("RCPT TO:<b@y.test>", "RCPT TO:<bad@y.test>", "DATA")
                client.send(MESSAGE)
                assert client.reply() == reply

    @pytest.mark.parametrize("sender", ["a@x.test", ""])
    def test_the_sender_gets_a_report_if_that_is_wanted(self, sender: str) -> None:
        with (
            SmtpCatcher(protocol="lmtp") as hop,
            forwarding(hop.port, via="lmtp", when_some_fail="report") as server,
            server.greeted("EHLO client.test", f"MAIL FROM:<{sender}>") as client,
        ):
            hop.fail(".", "550 5.2.1 gone", recipient="bad@y.test")
            client.say("RCPT TO:<b@y.test>", "RCPT TO:<bad@y.test>", "DATA")
            client.send(MESSAGE)
            reply = client.reply()
            if not sender:  # nobody is told of a report's failure, so its client must hear
                assert reply.startswith("554 5.2.1 not forwarded to bad@y.test")
                assert len(hop.messages) == 1
                return
            assert reply.startswith("250")
            message, report = hop.messages
        assert message.recipients == ("b@y.test",)
        assert (report.sender, report.recipients) == ("", ("a@x.test",))
        text, status, header = email.message_from_bytes(report.data).get_payload()
        assert status.get_payload()[1]["Final-Recipient"] == "rfc822; bad@y.test"
        assert "550 5.2.1 gone" in status.get_payload()[1]["Diagnostic-Code"]
        assert "Subject: hello" in header.as_string()
        assert "bad@y.test" in text.as_string()


class TestHostsOfRecipients:
    """Without a relay each recipient's mail goes to its own host."""

    @pytest.fixture
    def hosts(self) -> Iterator[tuple[int, queue.SimpleQueue[Any]]]:
        """127.0.0.1 and 127.0.0.2, at one port; what they have taken."""
        taken: queue.SimpleQueue[Any] = queue.SimpleQueue()

        class NextHost(Behaviour):
            def init(self, hostname: str, *args: Any) -> Any:
                self.name = hostname
                return ok

            def handle_RCPT(self, recipient: str) -> Any:
                return error("550 5.1.1 gone") if recipient.startswith("gone@") else ok

            def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
                taken.put((self.name, recipients, data))
                return error("451 4.3.0 busy") if recipients[0].startswith("busy@") else ok("taken")

        with ExitStack() as stack:
            one = {"address": "127.0.0.1", "port": 0, "domain": "one.test"}
            first = stack.enter_context(gen_smtp_server.running(NextHost, [one]))
            port = gen_smtp_server.addresses(first)[0][1]
            two = {"address": "127.0.0.2", "port": port, "domain": "two.test"}
            stack.enter_context(gen_smtp_server.running(NextHost, [two]))
            yield port, taken

    @contextmanager
    def client(self, port: int) -> Iterator[Any]:
        options = {"callbackoptions": {"port": port, "tls": "never", "retries": 0}}
        with serving(ForwardHandler, sessionoptions=options) as server, server.greeted(*MAIL) as client:
            yield client

    def test_each_has_its_own_recipients_and_sees_no_others(self, hosts: Any) -> None:
        port, taken = hosts
        with self.client(port) as client:
            for name in ("b@[127.0.0.1]", "c@[127.0.0.2]", "d@[127.0.0.1]"):
                assert client.say(f"RCPT TO:<{name}>").startswith("250")
            assert client.say("RCPT TO:<gone@[127.0.0.2]>") == "550 5.1.1 gone"
            client.say("DATA")
            client.send("Subject: hello\r\n\r\n" + "line\r\n" * 100_000 + ".\r\n")
            assert client.reply() == "250 taken"
        both = {name: (recipients, data) for name, recipients, data in (take(taken), take(taken))}
        assert both["one.test"][0] == ["b@[127.0.0.1]", "d@[127.0.0.1]"]
        assert both["two.test"][0] == ["c@[127.0.0.2]"]
        for _, data in both.values():
            assert data.endswith(b"Subject: hello\r\n\r\n" + b"line\r\n" * 100_000)
            assert b"@[" not in data

    def test_one_that_does_not_take_it_is_named(self, hosts: Any) -> None:
        port, _ = hosts
        with self.client(port) as client:
            client.say("RCPT TO:<b@[127.0.0.1]>", "RCPT TO:<busy@[127.0.0.2]>", "DATA")
            client.send(MESSAGE)
            assert client.reply() == "451 4.3.0 not forwarded to busy@[127.0.0.2]: 451 4.3.0 busy"

    def test_one_that_cuts_the_connection_in_the_message_leaves_it_whole_for_the_other(self) -> None:
        taken: queue.SimpleQueue[Any] = queue.SimpleQueue()

        class Cutting(Behaviour):
            def handle_DATA_stream(self, sender: str, recipients: list[str], stream: Any) -> Any:
                stream.read(1000)
                self.session.ref.kill()
                stream.read()

        def keep(self: Behaviour, sender: str, recipients: list[str], data: bytes) -> Any:
            taken.put(data)
            return ok("taken")

        with serving(behaviour(handle_DATA=keep)) as whole:
            port = whole.addresses[0][1]
            with serving(Cutting, address="127.0.0.2", port=port), self.client(port) as client:
                client.say("RCPT TO:<b@[127.0.0.1]>", "RCPT TO:<c@[127.0.0.2]>", "DATA")
                client.send("Subject: hello\r\n\r\n" + "line\r\n" * 1_000_000 + ".\r\n")
                reply = client.reply()
        assert reply.startswith("451 4.4.2 not forwarded to c@[127.0.0.2]: network failure")
        assert take(taken).endswith(b"Subject: hello\r\n\r\n" + b"line\r\n" * 1_000_000)

    def test_an_address_without_a_host_and_a_host_too_many(self, hosts: Any) -> None:
        port, _ = hosts
        with self.client(port) as client:
            assert client.say("RCPT TO:<postmaster>") == "550 5.1.2 The address names no host"
            replies = [client.say(f"RCPT TO:<b@[127.0.0.{number}]>") for number in range(1, 22)]
            assert replies[0].startswith("250")
            assert replies[-1] == "452 4.5.3 Too many hosts for one message"


class TestWhatIsPassedOn:
    @contextmanager
    def between(
        self, extensions: list[tuple[str, Any]], next_options: Any = None, **options: Any
    ) -> Iterator[Any]:
        """A client of a server that forwards, and what the next host sees: session facts and transaction."""
        seen: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def take_data(self: Behaviour, sender: str, recipients: list[str], data: bytes) -> Any:
            transaction = self.session.transaction
            assert transaction is not None
            seen.put((self.session, transaction.mail_params, transaction.rcpt_params, data, sender))
            seen.put((self.session.xforward, self.session.xclient, self.session.peername))
            return ok("taken")

        next_host = behaviour(
            handle_EHLO=lambda self, name, known: ok([*known, *extensions]),
            handle_DATA=take_data,
        )
        with (
            serving(next_host, **(next_options or {})) as there,
            forwarding(there.addresses[0][1], **options) as server,
            server.greeted() as client,
        ):
            yield client, seen

    def test_the_parameters_of_dsn(self) -> None:
        with self.between([("DSN", True)], dsn=True) as (client, seen):
            assert "\n250-DSN" in (said := client.say("EHLO client.test")) or said.endswith("250 DSN")
            client.say("MAIL FROM:<a@x.test> RET=HDRS ENVID=order+2B17 SIZE=1000")
            wanted = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Me+2Bx@y.test"
            assert client.say(f"RCPT TO:<b@y.test> {wanted}").startswith("250")
            client.say("RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            _, mail, rcpt, _, _ = take(seen)
        assert (mail["RET"], mail["ENVID"], int(mail["SIZE"])) == ("HDRS", "order+2B17", 2024)
        assert set(rcpt[0]["NOTIFY"].split(",")) == {"SUCCESS", "FAILURE"}
        assert rcpt[0]["ORCPT"] == "rfc822;Me+2Bx@y.test"
        assert rcpt[1] == {}

    def test_a_parameter_of_a_recipient_that_was_refused_is_nobody_elses(self) -> None:
        with self.between([("DSN", True)], dsn=True) as (client, seen):
            client.say("EHLO client.test", "MAIL FROM:<a@x.test>")
            assert client.say("RCPT TO:<b@y.test> NOTIFY=NEVER X=1").startswith("555")
            client.say("RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            _, _, rcpt, _, _ = take(seen)
        assert rcpt == [{}]

    def test_a_sender_who_wants_to_hear_hears_of_a_host_that_sends_no_reports(self, hop: SmtpCatcher) -> None:
        with forwarding(hop.port, dsn=True) as server, server.greeted("EHLO client.test") as client:
            client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test> NOTIFY=SUCCESS", "DATA")
            client.send(MESSAGE)
            assert client.reply().startswith("250")
            message, report = hop.messages
        assert message.rcpt_params == ({},)
        assert (report.sender, report.recipients) == ("", ("a@x.test",))
        assert b"Action: relayed" in report.data

    def test_eight_bits_and_addresses_in_utf8(self) -> None:
        with self.between([]) as (client, seen):
            client.say("EHLO client.test")
            client.send("MAIL FROM:<ä@x.test> SMTPUTF8 BODY=8BITMIME\r\n".encode())
            assert client.reply().startswith("250")
            client.send("RCPT TO:<ö@y.test>\r\nDATA\r\n".encode())
            assert [client.reply()[:3], client.reply()[:3]] == ["250", "354"]
            client.send("Subject: grüße\r\n\r\nö\r\n.\r\n".encode())
            assert client.reply() == "250 taken"
            _, mail, _, data, sender = take(seen)
        assert (mail["SMTPUTF8"], mail["BODY"], sender) == (True, "8BITMIME", "ä@x.test")
        assert data.endswith("Subject: grüße\r\n\r\nö\r\n".encode())

    def test_whom_the_message_comes_from_by_xforward(self) -> None:
        allowed = {"xforward": ["127.0.0.1"]}
        with self.between([], allowed, pass_on="xforward") as (client, seen):
            client.say("EHLO client.test", *DATA[1:])
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            take(seen)
            told, _, _ = take(seen)
        assert (str(told.address), told.helo, told.protocol) == ("127.0.0.1", "client.test", "ESMTP")
        assert told.ident

    def test_who_the_client_is_by_xclient(self) -> None:
        allowed = {"xclient": ["127.0.0.1"]}
        with self.between([], allowed, pass_on="xclient") as (client, seen):
            client.say("EHLO client.test", *DATA[1:])
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            take(seen)
            _, told, peername = take(seen)
        assert (told.helo, str(peername)) == ("client.test", "127.0.0.1")


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (
                {"relai": "x"},
                "relai: there is no such option; did you mean sessionoptions.callbackoptions.relay?",
            ),
            ({"via": "uucp"}, "callbackoptions.via: "),
            ({"via": "lmtp"}, "callbackoptions.relay: "),
            ({"relay": "x", "port": 70000}, "callbackoptions.port: "),
            ({"relay": "x", "max_hops": 0}, "callbackoptions.max_hops: "),
            ({"relay": "x", "when_some_fail": "drop"}, "callbackoptions.when_some_fail: "),
            ([("relay", "x"), ("relay", "y")], "callbackoptions.relay: given twice"),
        ],
    )
    def test_that_are_wrong_are_named_at_the_start(self, options: Any, said: str) -> None:
        with pytest.raises(OptionsError) as raised:
            gen_smtp_server.start(
                ForwardHandler, [{"port": 0, "sessionoptions": {"callbackoptions": options}}]
            )
        assert said in str(raised.value)

    def test_are_taken_as_they_are(self) -> None:
        options = read_forward_options([("relay", "mail.example.com"), ("via", "lmtp"), ("port", 24)])
        assert read_forward_options(options) is options
        assert isinstance(options, ForwardOptions)
        assert (options.client.protocol, options.client.own_port) == ("lmtp", 24)
