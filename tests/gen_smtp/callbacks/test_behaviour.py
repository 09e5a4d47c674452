"""Callback modules: what a server starts with, and what it refuses, and how it says so."""

from __future__ import annotations

import functools
import inspect
import threading
from ipaddress import IPv4Address
from typing import Any

import pytest

from gen_smtp import gen_smtp_server
from gen_smtp.callbacks.behaviour import check_module, checked_class
from gen_smtp.gen_smtp_server import BehaviourError, StartError
from gen_smtp.gen_smtp_server_session import Behaviour, Extensions, error, ok, reply, stop
from tests.gen_smtp.live import DATA, MAIL, MESSAGE, PATIENCE, RCPT, behaviour, listener, serving

CALLBACKS = [
    "init",
    "handle_HELO",
    "handle_EHLO",
    "handle_STARTTLS",
    "handle_AUTH",
    "handle_AUTH_keys",
    "handle_MAIL",
    "handle_MAIL_extension",
    "handle_RCPT",
    "handle_RCPT_extension",
    "handle_DATA",
    "handle_DATA_stream",
    "handle_RSET",
    "handle_VRFY",
    "handle_required",
    "handle_EXPN",
    "handle_HELP",
    "handle_ETRN",
    "handle_other",
    "handle_info",
    "handle_error",
    "terminate",
]


def refusal(module: Any) -> str:
    """What a start says of a module that it refuses; nothing may be left of the server."""
    with pytest.raises(BehaviourError) as caught:
        gen_smtp_server.start(module, [listener()])
    assert isinstance(caught.value, StartError)
    assert isinstance(caught.value, TypeError)
    return str(caught.value)


class TestTheShape:
    @pytest.mark.parametrize("callback", CALLBACKS)
    def test_an_async_callback_is_known_by_name(self, callback: str) -> None:
        async def handler(self: Any, *args: Any) -> None:
            """Nobody waits for this here."""

        module = behaviour(**{callback: handler})
        checked_class(module)
        assert module().coroutines == {callback}

    @pytest.mark.parametrize("kind", [staticmethod, classmethod])
    def test_an_async_callback_is_found_behind_a_decorator(self, kind: Any) -> None:
        async def handler(*args: Any) -> None:
            """Nobody waits for this here."""

        assert behaviour(handle_MAIL=kind(handler)).coroutines == {"handle_MAIL"}

    def test_an_async_generator_is_refused(self) -> None:
        async def handler(self: Any, *args: Any) -> Any:
            yield ok

        assert "handle_MAIL has a `yield`" in refusal(behaviour(handle_MAIL=handler))

    def test_an_async_callback_needs_no_thread(self) -> None:
        async def handler(self: Any, *args: Any) -> None:
            """Nobody waits for this here."""

        said = refusal(behaviour(handle_MAIL=handler, blocking={"handle_MAIL"}))
        assert "blocking names 'handle_MAIL', which is `async def`" in said

    @pytest.mark.parametrize("name", ["check_options", "code_change"])
    def test_what_is_no_callback_is_not_async(self, name: str) -> None:
        async def method(cls: Any, *args: Any) -> None:
            """Nobody would wait for this."""

        assert f"{name} is `async def`, which only callbacks can be" in refusal(
            behaviour(**{name: classmethod(method)})
        )

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("handle_data", "handle_DATA"),
            ("handle_mail", "handle_MAIL"),
            ("handle_Rcpt_Extension", "handle_RCPT_extension"),
            ("handle_OTHER", "handle_other"),
            ("HANDLE_VRFY", "handle_VRFY"),
            ("Terminate", "terminate"),
            ("Init", "init"),
            ("handleRCPT", "handle_RCPT"),
            ("handle_MAILextension", "handle_MAIL_extension"),
        ],
    )
    def test_a_misspelt_callback_is_refused_and_the_right_name_told(self, written: str, meant: str) -> None:
        said = refusal(behaviour(**{written: lambda self, *args: ok}))
        assert said == f"Scripted.{written} is never called; did you mean {meant}?"

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("handle_RCTP", "handle_RCPT"),
            ("handle_DAT", "handle_DATA"),
            ("handle_DATA_steam", "handle_DATA_stream"),
            ("handle_STARTLS", "handle_STARTTLS"),
            ("handle_recipient", "handle_RCPT"),
            ("Handle_Eror", "handle_error"),
        ],
    )
    @pytest.mark.parametrize("inherited", [False, True])
    def test_whatever_else_begins_as_a_callback_is_refused_and_the_nearest_told(
        self, written: str, meant: str, inherited: bool
    ) -> None:
        module = behaviour(**{written: lambda self, *args: ok})
        said = refusal(type("Scripted", (module,), {}) if inherited else module)
        assert said.startswith(f"Scripted.{written} is never called; did you mean {meant}? Only callbacks'")

    @pytest.mark.parametrize("value", [None, 7, "250 Ok", ok, staticmethod(len)])
    def test_so_is_an_attribute_of_such_a_name(self, value: Any) -> None:
        assert "Odd.handle_RCTP is never called" in refusal(type("Odd", (Behaviour,), {"handle_RCTP": value}))

    @pytest.mark.parametrize("name", ["_handle_RCTP", "_handle_rcpt", "handler", "handles", "my_handle_data"])
    def test_names_that_begin_otherwise_are_ones_own(self, name: str) -> None:
        module = behaviour(**{name: lambda self: ok})
        assert check_module(module) is module

    @pytest.mark.parametrize(
        ("callback", "function", "parameters"),
        [
            ("handle_MAIL", lambda self: ok, "self, sender"),
            ("handle_DATA", lambda self, sender, data: ok, "self, sender, recipients, data"),
            ("handle_RSET", lambda self, argument: ok, "self"),
            ("init", lambda self, hostname, session_count, peername: ok, None),
            ("handle_EHLO", lambda self, hostname, extensions, *, strict: ok, "self, hostname, extensions"),
            ("terminate", lambda self: None, "self, reason"),
        ],
    )
    def test_a_callback_that_takes_other_arguments_is_refused(
        self, callback: str, function: Any, parameters: str | None
    ) -> None:
        wanted = parameters or "self, hostname, session_count, peername, options"
        assert refusal(behaviour(**{callback: function})) == f"Scripted.{callback} must take ({wanted})"

    @pytest.mark.parametrize("value", [None, 7, "250 Ok"])
    def test_an_attribute_in_place_of_a_callback_is_refused(self, value: Any) -> None:
        module = type("Odd", (Behaviour,), {"handle_MAIL": value})
        assert "Odd.handle_MAIL must be a method" in refusal(module)

    @pytest.mark.parametrize("module", [None, 42, "module:Class", Behaviour()])
    def test_what_is_no_class_is_refused(self, module: Any) -> None:
        assert "must be a class derived from gen_smtp_server_session.Behaviour" in refusal(module)

    @pytest.mark.parametrize("module", [object, dict, functools.partial(object), lambda: 42])
    def test_what_makes_something_else_is_refused(self, module: Any) -> None:
        assert "must be derived from gen_smtp_server_session.Behaviour" in refusal(module)

    def test_a_factory_that_raises_is_refused(self) -> None:
        def module() -> Behaviour:
            raise LookupError("no database")

        assert "must make a callback object without arguments" in refusal(module)
        assert "no database" in refusal(module)

    def test_a_class_that_needs_arguments_is_refused(self) -> None:
        class Needy(Behaviour):
            def __init__(self, database: str) -> None:
                self.database = database

        assert "without arguments" in refusal(Needy)
        assert "without arguments" in refusal(functools.partial(functools.partial(Needy)))
        with serving(functools.partial(Needy, "sqlite")) as server, server.greeted() as client:
            assert client.say("NOOP") == "250 Ok"

    def test_the_name_session_is_reserved(self) -> None:
        assert "Scripted.session is reserved" in refusal(behaviour(session="mine"))

    @pytest.mark.parametrize("blocking", [{"handle_data"}, ["handle_DATA", "handle_data"], ("handle_data",)])
    def test_an_unknown_name_in_blocking_is_refused(self, blocking: Any) -> None:
        said = refusal(behaviour(blocking=blocking))
        assert (
            said == "Scripted.blocking names 'handle_data', which is no callback; did you mean handle_DATA?"
        )

    @pytest.mark.parametrize("blocking", ["handle_DATA", None, True, 7])
    def test_a_blocking_that_is_no_collection_of_names_is_refused(self, blocking: Any) -> None:
        assert "Scripted.blocking must be a set of callbacks' names" in refusal(behaviour(blocking=blocking))


class TestModules:
    @pytest.mark.parametrize(
        "module",
        [
            Behaviour,
            functools.partial(Behaviour),
            functools.partial(functools.partial(behaviour())),
            lambda: Behaviour(),
            behaviour(handle_MAIL=staticmethod(lambda sender: ok)),
            behaviour(handle_MAIL=classmethod(lambda cls, sender: ok)),
            behaviour(handle_MAIL=lambda self, *args, **more: ok),
            behaviour(handle_MAIL=lambda self, whoever, strict=False: ok),
            behaviour(handle_MAIL=functools.partialmethod(lambda self, strict, sender: ok, True)),
        ],
    )
    def test_anything_that_makes_a_callback_object_will_do(self, module: Any) -> None:
        with serving(module) as server, server.greeted() as client:
            assert client.say(*MAIL) == "250 sender Ok"

    def test_each_session_has_an_object_of_its_own_whose_attributes_are_its_state(self) -> None:
        class Counting(Behaviour):
            count = 0

            def handle_MAIL(self, sender: str) -> Any:
                self.count += 1
                return ok(f"number {self.count}")

        with serving(Counting) as server, server.greeted(*MAIL) as one, server.greeted("EHLO c") as other:
            assert one.say("RSET", MAIL[1]) == "250 number 2"
            assert other.say(MAIL[1]) == "250 number 1"

    def test_a_partial_may_carry_what_all_sessions_share(self) -> None:
        class Sharing(Behaviour):
            def __init__(self, shared: list[str]) -> None:
                self.shared = shared

            def handle_MAIL(self, sender: str) -> Any:
                self.shared.append(sender)
                return ok

        shared: list[str] = []
        with serving(functools.partial(Sharing, shared)) as server:
            with server.greeted("EHLO c") as client:
                client.say("MAIL FROM:<one@x.test>")
            with server.greeted("EHLO c") as client:
                client.say("MAIL FROM:<two@x.test>")
        assert shared == ["one@x.test", "two@x.test"]

    def test_a_factory_that_goes_wrong_later_turns_clients_away(self) -> None:
        made = iter([Behaviour(), 42])
        with serving(lambda: next(made)) as server:  # type: ignore[arg-type, return-value]
            with server.client() as client:
                assert client.rest() == "421 Error: internal server error\r\n"
            with server.client() as client:
                assert client.rest() == "421 Error: internal server error\r\n"


class TestTheBaseClass:
    def test_has_every_callback_and_nothing_else_that_looks_like_one(self) -> None:
        public = [name for name in vars(Behaviour) if not name.startswith("_")]
        assert sorted(public) == sorted(
            [
                *CALLBACKS,
                "blocking",
                "coroutines",
                "vsn",
                "mechanisms",
                "takes_authzid",
                "session",
                "check_options",
                "code_change",
            ]
        )
        assert all(callable(getattr(Behaviour, name)) for name in CALLBACKS)

    def test_every_callback_is_documented(self) -> None:
        assert [name for name in CALLBACKS if not inspect.getdoc(getattr(Behaviour, name))] == []

    def test_a_class_that_has_only_handle_DATA_is_a_mail_server(self) -> None:
        taken: list[Any] = []

        class Taking(Behaviour):
            def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
                taken.append((sender, recipients, data))
                return ok("queued")

        with serving(Taking) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert client.reply() == "250 queued"
            assert client.say("QUIT") == "221 Bye"
        assert taken == [("a@x.test", ["b@y.test"], b"Subject: hello\r\n\r\nhello\r\n")]

    def test_answers_as_a_plain_mail_server_would(self) -> None:
        with serving() as server, server.client() as client:
            assert client.reply() == "220 mx.test ESMTP"
            assert client.say("HELO c") == "250 mx.test"
            assert client.say("EHLO c").splitlines() == [
                "250-mx.test",
                "250-SIZE 10485760",
                "250-8BITMIME",
                "250-PIPELINING",
                "250 SMTPUTF8",
            ]
            assert client.say("VRFY someone") == "252 VRFY disabled by policy, just send some mail"
            assert client.say("xyzzy") == "500 Error: command not recognized : 'XYZZY'"
            assert client.say("MAIL FROM:<a@x.test> X=1") == "555 Unsupported option: X=1"
            assert client.say("MAIL FROM:<a@x.test>") == "250 sender Ok"
            assert client.say("RCPT TO:<b@y.test> X=1") == "555 Unsupported option: X=1"
            assert client.say("RCPT TO:<b@y.test>") == "250 recipient Ok"
            assert client.say("DATA")[:3] == "354"
            client.send(MESSAGE)
            assert client.reply() == "554 This server takes no messages"
            assert client.say("RSET") == "250 Ok"
            assert client.say("QUIT") == "221 Bye"

    def test_code_change_hands_the_state_to_the_new_class(self) -> None:
        class New(Behaviour):
            vsn = 2

        old = Behaviour()
        old.count = 7  # type: ignore[attr-defined]
        new = New.code_change(Behaviour.vsn, old, None)
        assert type(new) is New
        assert new.count == 7  # type: ignore[attr-defined]


class TestArguments:
    def test_are_those_of_gen_smtp(self) -> None:
        calls: list[Any] = []

        class Noting(Behaviour):
            def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
                calls.append(("init", hostname, session_count, peername, options))
                return ok

            def handle_HELO(self, hostname: str) -> Any:
                calls.append(("HELO", hostname))
                return ok

            def handle_EHLO(self, hostname: str, extensions: Extensions) -> Any:
                calls.append(("EHLO", hostname, list(extensions)))
                extensions.append(("AUTH", "PLAIN LOGIN"))
                return ok(extensions)

            def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> Any:
                calls.append((mechanism, username, credential))
                return error

            def handle_MAIL(self, sender: str) -> Any:
                calls.append(("MAIL", sender))
                return ok

            def handle_MAIL_extension(self, extension: str) -> Any:
                calls.append(("MAIL extension", extension))
                return ok

            def handle_RCPT(self, recipient: str) -> Any:
                calls.append(("RCPT", recipient))
                return ok

            def handle_RCPT_extension(self, extension: str) -> Any:
                calls.append(("RCPT extension", extension))
                return ok

            def handle_VRFY(self, address: str) -> Any:
                calls.append(("VRFY", address))
                return ok

            def handle_other(self, verb: str, args: str) -> Any:
                calls.append((verb, args))
                return reply("214 help yourself")

        options = {"allow_insecure_auth": True, "callbackoptions": ("any", "object")}
        built_in = [("SIZE", "10485760"), ("8BITMIME", True), ("PIPELINING", True), ("SMTPUTF8", True)]
        with serving(Noting, sessionoptions=options) as server, server.greeted() as client:
            client.say("HELO Client.test", "EHLO Client.test", "EHLO again")
            client.say("AUTH PLAIN AHVzZXIAU2VjcmV0", "VRFY Someone@Y.test", "help  Me, please")
            client.say("MAIL FROM:<A@x.test> x-One=Two three")
            client.say("RCPT TO:<B@y.test> x-Four=Five", "RCPT TO:<B@y.test>")
        assert calls == [
            ("init", "mx.test", 1, IPv4Address("127.0.0.1"), ("any", "object")),
            ("HELO", "Client.test"),
            ("EHLO", "Client.test", built_in),
            ("EHLO", "again", built_in),
            ("plain", "user", "Secret"),
            ("VRFY", "Someone@Y.test"),
            ("HELP", "Me, please"),
            ("MAIL extension", "X-ONE=Two"),
            ("MAIL extension", "THREE"),
            ("MAIL", "A@x.test"),
            ("RCPT extension", "X-FOUR=Five"),
            ("RCPT", "B@y.test"),
            ("RCPT", "B@y.test"),
        ]

    def test_text_that_is_not_utf8_reaches_no_callback(self) -> None:
        called: list[str] = []

        def note(self: Any, *args: Any) -> Any:
            called.append(args[0])
            return ok

        module = behaviour(handle_HELO=note, handle_EHLO=note, handle_MAIL=note, handle_other=note)
        with serving(module) as server, server.greeted() as client:
            for line in (
                b"EHLO caf\xe9\r\n",
                b"HELO \xff\r\n",
                b"XYZZY \xc3\x28\r\n",
                b"M\xe9IL FROM:<a@b>\r\n",
            ):
                client.send(line)
                assert client.reply()[:3] == "501"
            assert client.say("NOOP") == "250 Ok"
        assert called == []

    def test_extensions_are_a_fresh_list_each_time(self) -> None:
        def handle_EHLO(self: Any, hostname: str, extensions: Extensions) -> Any:
            extensions.clear()
            extensions.append(("X-MINE", True))
            return ok(extensions)

        with serving(behaviour(handle_EHLO=handle_EHLO)) as server:
            for _ in range(2):
                with server.greeted() as client:
                    assert client.say("EHLO c", "EHLO c") == "250-mx.test\n250 X-MINE"

    def test_what_handle_EHLO_leaves_out_is_not_there(self) -> None:
        with serving(behaviour(handle_EHLO=ok([]))) as server, server.greeted("EHLO c") as client:
            assert client.say("MAIL FROM:<a@x.test> BODY=8BITMIME") == "555 Unsupported option BODY"
            assert client.say("MAIL FROM:<a@x.test> SMTPUTF8") == "555 Unsupported option SMTPUTF8"
            assert client.say("STARTTLS") == "502 Error: STARTTLS not offered"
            assert client.say("AUTH PLAIN") == "502 Error: AUTH not implemented"

    def test_a_refused_parameter_spares_handle_MAIL(self) -> None:
        called: list[str] = []

        def handle_MAIL(self: Any, sender: str) -> Any:
            called.append(sender)
            return ok

        with serving(behaviour(handle_MAIL=handle_MAIL)) as server, server.greeted("EHLO c") as client:
            assert client.say("MAIL FROM:<a@x.test> X=1") == "555 Unsupported option: X=1"
            assert called == []
            assert client.say("MAIL FROM:<a@x.test>") == "250 sender Ok"
            assert called == ["a@x.test"]


NOT_CALLED = {"handle_STARTTLS", "handle_DATA_stream", "handle_AUTH_keys", "handle_required"}
"""Callbacks that need a connection of another kind; they have tests of their own."""


class TestBlocking:
    @pytest.mark.parametrize("callback", [name for name in CALLBACKS if name not in NOT_CALLED])
    def test_a_callback_named_so_runs_in_a_worker_thread(self, callback: str) -> None:
        threads: dict[str, int] = {}
        done = threading.Event()

        def noting(name: str) -> Any:
            def call(self: Any, *args: Any) -> Any:
                threads[name] = threading.get_ident()
                if name == "terminate":
                    done.set()
                    return None
                return ok([("AUTH", "PLAIN"), ("ETRN", True)]) if name == "handle_EHLO" else ok

            return call

        wanted = set(CALLBACKS) - NOT_CALLED
        module = behaviour(**{name: noting(name) for name in wanted}, blocking={callback})
        with (
            serving(module, sessionoptions={"allow_insecure_auth": True}) as server,
            server.greeted() as client,
        ):
            server.sessions[0].tell("hello")
            client.say("MAIL FROM:<a@x.test>", "HELO c", "EHLO c", "AUTH PLAIN AHVzZXIAc2VjcmV0")
            client.say("RSET", "VRFY someone", "HELP", "EXPN x", "ETRN x", "XYZZY")
            client.say("MAIL FROM:<a@x.test> X=1", "RCPT TO:<b@y.test> X=1", "DATA")
            client.send(f"{MESSAGE}QUIT\r\n")
            assert client.rest() == "250 Ok\r\n221 Bye\r\n"
            assert done.wait(PATIENCE)
        assert sorted(threads) == sorted(wanted)
        hub_threads = {ident for name, ident in threads.items() if name != callback}
        assert len(hub_threads) == 1
        assert threads[callback] not in {*hub_threads, threading.get_ident()}

    def test_one_that_blocks_does_not_delay_another_session(self) -> None:
        entered, leave = threading.Event(), threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            if address == "slow":
                entered.set()
                leave.wait(PATIENCE)
            return ok

        module = behaviour(handle_VRFY=handle_VRFY, blocking={"handle_VRFY"})
        with serving(module) as server, server.greeted() as slow, server.greeted() as quick:
            slow.send("VRFY slow\r\nNOOP\r\n")
            assert entered.wait(PATIENCE)
            assert quick.say("NOOP") == "250 Ok"
            assert quick.say("VRFY quick") == "250 quick"
            leave.set()
            assert [slow.reply(), slow.reply()] == ["250 slow", "250 Ok"]

    def test_one_that_raises_ends_its_session_as_any_other(self) -> None:
        def handle_VRFY(self: Any, address: str) -> Any:
            raise LookupError(address)

        module = behaviour(handle_VRFY=handle_VRFY, blocking=["handle_VRFY"])
        with serving(module) as server, server.greeted() as client:
            client.send("VRFY someone\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"

    def test_stop_from_one_ends_the_session(self) -> None:
        module = behaviour(handle_RCPT=stop("done", "221 done"), blocking=("handle_RCPT",))
        with serving(module) as server, server.greeted(*MAIL) as client:
            client.send(f"{RCPT[-1]}\r\n")
            assert client.rest() == "221 done\r\n"


def test_replies_that_are_ready_do_not_wait_for_a_callback_that_blocks() -> None:
    go_on = threading.Event()

    def handle_RCPT(self: Any, recipient: str) -> Any:
        go_on.wait(PATIENCE)
        return ok

    slow = behaviour(handle_RCPT=handle_RCPT, blocking={"handle_RCPT"})
    with serving(slow) as server, server.greeted("EHLO client.test") as client:
        client.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n")
        assert client.reply() == "250 sender Ok"
        go_on.set()
        assert client.reply() == "250 recipient Ok"
