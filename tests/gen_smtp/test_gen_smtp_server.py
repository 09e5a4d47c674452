"""Starting, stopping and asking servers, from threads, greenlets, actors and asyncio tasks."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors import ActorDeadError, GeventRef, call, registered, whereis
from actors.runtime.links import wait_down
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server import (
    AlreadyStarted,
    BehaviourError,
    ListenerOptions,
    ListenError,
    OptionsError,
    SessionOptions,
    StartError,
)
from gen_smtp.gen_smtp_server_session import Behaviour
from tests.actors.helpers import OwnRegistry, wait_until_refused
from tests.certificates import Certificates
from tests.gen_smtp.live import DATA, PATIENCE, Client, Server, behaviour, ended, listener, serving


def port_is_free(address: Any) -> bool:
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


class TestStart:
    @pytest.mark.parametrize("start", [gen_smtp_server.start, gen_smtp_server.start_link])
    def test_module_and_options(self, start: Any) -> None:
        server = start(Behaviour, [listener()])
        assert isinstance(server, GeventRef)
        try:
            assert server.is_alive()
            with Server(server).greeted() as client:
                assert client.say("NOOP") == "250 Ok"
        finally:
            assert gen_smtp_server.stop(server) is True

    @pytest.mark.parametrize("start", [gen_smtp_server.start, gen_smtp_server.start_link])
    @pytest.mark.parametrize("name", ["mx", ("local", "mx")])
    def test_name_module_and_options(self, start: Any, name: Any) -> None:
        server: Any = start(name, Behaviour, [listener()])
        try:
            assert [whereis("mx")] == [server]
            assert gen_smtp_server.sessions("mx") == []
            assert gen_smtp_server.addresses("mx") == gen_smtp_server.addresses(server)
            assert gen_smtp_server.listeners("mx")[0].hostname == "mx.test"
        finally:
            assert gen_smtp_server.stop("mx") is True
        assert whereis("mx") is None
        assert "mx" not in registered()

    @pytest.mark.parametrize("start", [gen_smtp_server.start, gen_smtp_server.start_link])
    @pytest.mark.parametrize("more", [(), (None,)], ids=["module alone", "options None"])
    def test_module_alone_has_one_listener_with_the_defaults(
        self, start: Any, more: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The default of 2525 may be in use; that it is the default, the tests of the options show.
        monkeypatch.setattr("gen_smtp.options.listener.DEFAULT_PORT", 0)
        server = start(Behaviour, *more)
        try:
            ((host, port),) = gen_smtp_server.addresses(server)
            assert host == "0.0.0.0"
            with Client(("127.0.0.1", port)) as client:
                assert client.reply() == f"220 {gen_smtp_server.listeners(server)[0].hostname} ESMTP"
        finally:
            gen_smtp_server.stop(server)

    @pytest.mark.parametrize("start", [gen_smtp_server.start, gen_smtp_server.start_link])
    @pytest.mark.parametrize("count", [0, 4])
    def test_other_numbers_of_arguments_are_an_error_that_shows_the_forms(
        self, start: Any, count: int
    ) -> None:
        with pytest.raises(TypeError, match=r"\(Module\), \(Module, Options\) or \(Name, Module, Options\)"):
            start(*[Behaviour] * count)

    def test_a_global_name_needs_a_node(self) -> None:
        with pytest.raises(StartError, match=r"no node of one: call beam.start first"):
            gen_smtp_server.start(("global", "mx"), Behaviour, [listener()])
        with pytest.raises(ActorDeadError, match="'global', 'mx'"):
            gen_smtp_server.sessions(("global", "mx"))

    def test_a_registry_of_ones_own_knows_a_server(self) -> None:
        registry = OwnRegistry()
        name = ("via", registry, ("mx", 1))
        server = gen_smtp_server.start(name, Behaviour, [listener()])
        try:
            assert registry.refs == {("mx", 1): server}
            assert gen_smtp_server.sessions(name) == []
            with pytest.raises(AlreadyStarted) as caught:
                gen_smtp_server.start(name, Behaviour, [listener()])
            assert (caught.value.name, caught.value.ref) == (name, server)
        finally:
            assert gen_smtp_server.stop(name) is True

    def test_a_registry_has_otps_methods(self) -> None:
        with pytest.raises(OptionsError, match="register_name, unregister_name, whereis_name and send"):
            gen_smtp_server.start(("via", object(), "mx"), Behaviour, [listener()])  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["", ("local", ""), ("local",), ("via", "mx"), 7, b"mx", ("local", 7)])
    def test_what_is_no_name_is_refused(self, name: Any) -> None:
        with pytest.raises(OptionsError, match="not a server's name"):
            gen_smtp_server.start(name, Behaviour, [listener()])

    def test_a_taken_name_carries_the_reference_that_has_it(self) -> None:
        first = gen_smtp_server.start("mx", Behaviour, [listener()])
        try:
            with pytest.raises(AlreadyStarted) as caught:
                gen_smtp_server.start("mx", Behaviour, [listener()])
            assert caught.value.ref is first
            assert caught.value.name == "mx"
            assert gen_smtp_server.sessions("mx") == []
        finally:
            gen_smtp_server.stop(first)

    def test_a_name_is_free_again_after_a_stop_and_after_a_failed_start(self) -> None:
        for _ in range(3):
            server = gen_smtp_server.start("mx", Behaviour, [listener()])
            gen_smtp_server.stop("mx")
            assert server.exit_reason == "normal"
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ListenError):
            gen_smtp_server.start("mx", Behaviour, [listener(port=taken.getsockname()[1])])
        assert whereis("mx") is None

    def test_of_many_at_once_one_gets_the_name(self) -> None:
        together = threading.Barrier(8)
        results: list[Any] = []

        def start() -> None:
            together.wait(PATIENCE)
            try:
                results.append(gen_smtp_server.start("mx", Behaviour, [listener()]))
            except AlreadyStarted as error:
                results.append(error)

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        servers = [each for each in results if isinstance(each, pykka.ActorRef)]
        assert len(servers) == 1
        assert {each.ref for each in results if isinstance(each, AlreadyStarted)} == set(servers)
        assert gen_smtp_server.stop("mx") is True

    def test_every_socket_is_open_when_it_returns(self) -> None:
        server = gen_smtp_server.start(Behaviour, [listener() for _ in range(5)])
        try:
            for address in gen_smtp_server.addresses(server):
                with Client(address) as client:
                    assert client.reply() == "220 mx.test ESMTP"
        finally:
            gen_smtp_server.stop(server)

    def test_two_servers_know_nothing_of_each_other(self) -> None:
        with serving() as one, serving(domain="two.test") as two, one.greeted() as client:
            assert len(one.sessions) == 1
            assert two.sessions == []
            gen_smtp_server.stop(two.ref)
            assert client.say("NOOP") == "250 Ok"


class TestErrors:
    @pytest.mark.parametrize("error", [OptionsError, ListenError, AlreadyStarted, BehaviourError])
    def test_have_one_base(self, error: type[Exception]) -> None:
        assert issubclass(error, StartError)

    @pytest.mark.parametrize("protocol", ["tcp", "ssl"])
    def test_a_taken_port_says_where_and_why(self, protocol: str, certificates: Certificates) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ListenError) as caught:
                gen_smtp_server.start(
                    Behaviour, [listener(port=port, protocol=protocol, sessionoptions=files)]
                )
        error = caught.value
        assert (error.address, error.port, error.protocol) == ("127.0.0.1", port, protocol)
        assert error.reason.errno == errno.EADDRINUSE
        assert str(error) == f"cannot listen on 127.0.0.1 port {port} ({protocol}): Address already in use"

    def test_the_listeners_opened_before_are_closed_again(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            with pytest.raises(ListenError) as caught:
                gen_smtp_server.start(
                    Behaviour, [listener(port=free[1]), listener(port=taken.getsockname()[1]), listener()]
                )
            assert caught.value.port == taken.getsockname()[1]
        assert port_is_free(free)

    def test_the_socket_files_made_before_are_removed_again(self, short_path: Path) -> None:
        path = short_path / "mx"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            unix = {"family": "unix", "address": str(path), "domain": "mx.test"}
            with pytest.raises(ListenError):
                gen_smtp_server.start(Behaviour, [unix, listener(port=taken.getsockname()[1])])
        assert not path.exists()

    def test_an_address_that_is_not_this_machines(self) -> None:
        with pytest.raises(ListenError) as caught:
            gen_smtp_server.start(Behaviour, [listener(address="192.0.2.1")])
        assert caught.value.reason.errno == errno.EADDRNOTAVAIL

    def test_an_option_that_is_wrong_opens_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()
        with pytest.raises(OptionsError) as caught:
            gen_smtp_server.start(Behaviour, [listener(port=free[1]), listener(protocl="ssl")])
        assert isinstance(caught.value, ValueError)
        assert (caught.value.listener, caught.value.option, caught.value.nearest) == (
            2,
            "protocl",
            "protocol",
        )
        assert port_is_free(free)

    def test_a_bare_mapping_says_that_a_list_is_wanted(self) -> None:
        with pytest.raises(OptionsError, match="put them into a list"):
            gen_smtp_server.start(Behaviour, listener())  # type: ignore[call-overload]

    @pytest.mark.parametrize("missing", ["certfile", "keyfile"])
    def test_a_missing_key_file_is_found_at_start(
        self, missing: str, certificates: Certificates, tmp_path: Path
    ) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        files[missing] = str(tmp_path / "missing.pem")
        with pytest.raises(OptionsError) as caught:
            gen_smtp_server.start(Behaviour, [listener(sessionoptions=files)])
        assert caught.value.option == f"sessionoptions.{missing}"

    def test_a_key_that_does_not_match_is_found_at_start(self, certificates: Certificates) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.ecdsa.keyfile}
        with pytest.raises(OptionsError) as caught:
            gen_smtp_server.start(Behaviour, [listener(sessionoptions=files)])
        assert caught.value.listener == 1


class TestStop:
    def test_nothing_of_the_tree_is_left(self) -> None:
        with serving() as server, server.greeted() as client:
            ref, sessions, addresses = server.ref, server.sessions, server.addresses
            records = gen_smtp_server.listeners(ref)
            assert gen_smtp_server.stop(ref) is True
            assert not ref.is_alive()
            assert ref.exit_reason == "normal"
            assert [each.is_alive() for each in sessions] == [False]
            assert [record.socket.fileno() for record in records] == [-1]
            assert port_is_free(addresses[0])
            assert client.rest() == "421 mx.test Service shutting down\r\n"

    def test_a_second_time_is_harmless(self) -> None:
        with serving() as server:
            assert gen_smtp_server.stop(server.ref) is True
            assert gen_smtp_server.stop(server.ref) is False
            assert gen_smtp_server.stop(server.ref, block=False).get(timeout=PATIENCE) is False

    def test_from_many_threads_at_once(self) -> None:
        with serving() as server, server.greeted():
            answers: list[bool] = []
            threads = [
                threading.Thread(target=lambda: answers.append(gen_smtp_server.stop(server.ref)))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert len(answers) == 8
            assert not server.ref.is_alive()

    def test_an_unknown_name_says_so(self) -> None:
        for function in (gen_smtp_server.stop, gen_smtp_server.sessions, gen_smtp_server.addresses):
            with pytest.raises(ActorDeadError, match="nobody"):
                function("nobody")

    @pytest.mark.parametrize("wrong", [None, 7, ("local", 7)])
    def test_what_is_neither_reference_nor_name_is_a_type_error(self, wrong: Any) -> None:
        for function in (gen_smtp_server.stop, gen_smtp_server.sessions):
            with pytest.raises(TypeError, match="reference or its registered name"):
                function(wrong)

    def test_not_blocking_gives_a_future(self) -> None:
        with serving() as server, server.greeted() as client:
            future = gen_smtp_server.stop(server.ref, block=False)
            assert future.get(timeout=PATIENCE) is True
            assert not server.ref.is_alive()
            assert client.rest() == "421 mx.test Service shutting down\r\n"

    def test_the_future_can_be_awaited_and_the_event_loop_goes_on(self) -> None:
        with (
            serving(behaviour()) as server,
            server.greeted("EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA") as client,
        ):

            async def stop() -> list[str]:
                steps = ["asked"]
                stopped = gen_smtp_server.stop(server.ref, block=False)

                async def finish() -> None:
                    # Runs only while the other one waits, and only then can the server stop.
                    steps.append("finished the message")
                    client.send("hello\r\n.\r\n")

                task = asyncio.get_running_loop().create_task(finish())
                assert await stopped is True
                steps.append("stopped")
                await task
                return steps

            assert asyncio.run(stop()) == ["asked", "finished the message", "stopped"]

    def test_a_reference_of_a_stopped_server_says_that_it_is_dead(self) -> None:
        with serving() as server:
            gen_smtp_server.stop(server.ref)
            for function in (gen_smtp_server.sessions, gen_smtp_server.addresses, gen_smtp_server.listeners):
                with pytest.raises(ActorDeadError):
                    function(server.ref)

    def test_from_an_actor_of_somebody_elses(self) -> None:
        class Stopper(pykka.ThreadingActor):
            def on_receive(self, message: Any) -> Any:
                return gen_smtp_server.stop(message)

        stopper = Stopper.start()
        try:
            with serving() as server, server.greeted():
                assert call(stopper, server.ref, PATIENCE) is True
                assert not server.ref.is_alive()
        finally:
            stopper.stop()

    def test_pykkas_stop_all_takes_the_whole_tree_along(self) -> None:
        with serving() as server, server.greeted() as client:
            (session,) = server.sessions
            pykka.ActorRegistry.stop_all()
            assert client.rest() == "421 mx.test Service shutting down\r\n"
            assert not server.ref.is_alive()
            assert session.exit_reason == "shutdown"

    def test_a_killed_server_takes_its_sessions_along(self) -> None:
        with serving() as server, server.greeted() as client:
            (session,) = server.sessions
            address = server.addresses[0]
            server.ref.kill()
            assert ended(server.ref) == "killed"
            assert client.rest() == ""
            assert ended(session) == "killed"
            wait_until_refused(address)  # its listeners are told of its end as its sessions are
            assert port_is_free(address)


class TestAsking:
    def test_addresses_are_those_really_bound_in_the_order_of_the_options(self, short_path: Path) -> None:
        path = str(short_path / "mx")
        options = [
            listener(),
            listener(family="inet6", address="::1"),
            {"family": "unix", "address": path, "domain": "mx.test"},
            listener(),
        ]
        with gen_smtp_server.running(Behaviour, options) as server:
            first, second, third, fourth = gen_smtp_server.addresses(server)
            assert first[0] == fourth[0] == "127.0.0.1"
            assert second[0] == "::1"
            assert third == path
            assert stat.S_ISSOCK(os.stat(path).st_mode)
            assert 0 not in (first[1], second[1], fourth[1])
            with socket.create_connection(second[:2], PATIENCE) as connection:
                assert connection.recv(100) == b"220 mx.test ESMTP\r\n"
            with Client(path) as client:
                assert client.reply() == "220 mx.test ESMTP"
        assert not os.path.exists(path)

    def test_listeners_are_records_of_what_runs(self, short_path: Path) -> None:
        path = str(short_path / "mx")
        options: list[Any] = [
            ListenerOptions(
                address="127.0.0.1", port=0, domain="one.test", sessionoptions=SessionOptions(timeout=7)
            ),
            {"family": "unix", "address": path, "sessionoptions": {"hostname": "two.test"}},
        ]
        with gen_smtp_server.running(Behaviour, options) as server:
            one, two = gen_smtp_server.listeners(server)
            assert (one.hostname, two.hostname) == ("one.test", "two.test")
            assert one.port == gen_smtp_server.addresses(server)[0][1]
            assert one.socket.getsockname() == gen_smtp_server.addresses(server)[0]
            assert two.port is None
            assert two.socket.getsockname() == path
            assert one.sessionoptions.timeout == 7
            assert one.listenoptions.port == 0
            assert two.listenoptions.family == "unix"

    def test_sessions_of_a_reference_that_is_no_servers(self) -> None:
        with serving() as server, server.greeted():
            with pytest.raises(TypeError, match="not a server"):
                gen_smtp_server.sessions(server.sessions[0])
            with pytest.raises(TypeError, match="not a session"):
                gen_smtp_server_session.info(server.ref)

    def test_anybody_may_ask_at_the_same_time(self) -> None:
        with serving() as server, server.greeted():
            answers: list[Any] = []

            def ask() -> None:
                for _ in range(50):
                    answers.append(server.sessions)

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert answers == [server.sessions] * 200


class TestRunning:
    def test_stops_at_the_end_of_the_block(self) -> None:
        with gen_smtp_server.running(Behaviour, [listener()]) as server:
            assert server.is_alive()
        assert not server.is_alive()

    def test_stops_when_the_block_raises(self) -> None:
        with pytest.raises(LookupError), gen_smtp_server.running(Behaviour, [listener()]) as server:
            raise LookupError
        assert not server.is_alive()

    def test_does_not_mind_a_server_that_is_stopped_inside(self) -> None:
        with gen_smtp_server.running(Behaviour, [listener()]) as server:
            gen_smtp_server.stop(server)

    def test_raises_what_start_raises(self) -> None:
        with pytest.raises(OptionsError), gen_smtp_server.running(Behaviour, []):
            pytest.fail("it must not run")

    def test_ends_with_the_grace_that_was_asked_for(self) -> None:
        with gen_smtp_server.running(Behaviour, [listener()], grace=0.0) as ref:
            server = Server(ref)
            server.set_grace(600.0)  # which it would wait for, beyond what a test may take
            client = server.client()
            assert client.reply().startswith("220 ")
            assert client.say(*DATA).startswith("354 ")
        with client:
            assert "250" not in client.rest()

    def test_starts_nothing_with_a_grace_that_is_none(self) -> None:
        with (
            pytest.raises(OptionsError) as wrong,
            gen_smtp_server.running(Behaviour, [listener()], grace=-1.0),
        ):
            pytest.fail("it must not run")
        assert wrong.value.option == "grace"


class TestServeForever:
    def test_in_another_thread_it_ends_with_its_server(self) -> None:
        started: list[Any] = []
        up = threading.Event()

        def on_started(server: Any) -> None:
            started.append(server)
            up.set()

        thread = threading.Thread(
            target=gen_smtp_server.serve_forever,
            args=(Behaviour, [listener()]),
            kwargs={"on_started": on_started},
        )
        thread.start()
        assert up.wait(PATIENCE)
        (server,) = started
        with Server(server).greeted() as client:
            assert client.say("NOOP") == "250 Ok"
        gen_smtp_server.stop(server)
        thread.join(PATIENCE)
        assert not thread.is_alive()

    @pytest.mark.parametrize("workers", [1, 2])
    def test_nobody_is_accepted_before_on_bound_has_returned(self, short_path: Path, workers: int) -> None:
        script = f"""
import socket, threading
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour

client = socket.socket(socket.AF_UNIX)
client.settimeout(0.5)

def on_bound():
    client.connect("mail")
    try:
        print("greeted", client.recv(100))
    except TimeoutError:
        print("nothing heard")
    client.settimeout(30)

def on_started(started):
    def talk():
        print(client.recv(100)[:4])
        import os, signal
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=talk).start()

options = [{{"family": "unix", "address": "mail"}}]
hooks = {{"on_bound": on_bound, "on_started": on_started}}
gen_smtp_server.serve_forever(Behaviour, options, workers={workers}, **hooks)
client.close()
"""
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=short_path, env=environment
        )
        assert (ended.returncode, ended.stdout) == (0, "nothing heard\nb'220 '\n"), ended.stderr

    def test_what_on_bound_raises_stops_the_server(self, short_path: Path) -> None:
        def on_bound() -> None:
            assert (short_path / "mail").exists()
            raise PermissionError("cannot drop root")

        options = [{"family": "unix", "address": str(short_path / "mail")}]
        with pytest.raises(PermissionError, match="cannot drop root"):
            gen_smtp_server.serve_forever(Behaviour, options, on_bound=on_bound)
        assert not (short_path / "mail").exists()

    def test_what_on_started_raises_stops_the_server(self) -> None:
        started: list[Any] = []

        def on_started(server: Any) -> None:
            started.append(server)
            raise PermissionError("cannot drop root")

        with pytest.raises(PermissionError, match="cannot drop root"):
            gen_smtp_server.serve_forever(Behaviour, [listener()], on_started=on_started)
        assert not started[0].is_alive()

    def test_a_server_that_fails_by_itself_is_an_error(self) -> None:
        with pytest.raises(ActorDeadError) as caught:
            gen_smtp_server.serve_forever(Behaviour, [listener()], on_started=lambda server: server.kill())
        assert caught.value.reason == "killed"

    def test_a_wrong_option_raises_at_once(self) -> None:
        with pytest.raises(OptionsError):
            gen_smtp_server.serve_forever(Behaviour, [{"prt": 25}])


class TestListeners:
    def test_ports_are_free_again_after_a_stop_and_may_be_used_at_once(self) -> None:
        port = 0
        for _ in range(5):
            with serving(port=port) as server, server.greeted() as client:
                assert port in (0, server.addresses[0][1])
                port = server.addresses[0][1]
                assert client.say("NOOP") == "250 Ok"

    def test_inet_and_inet6_may_share_a_port(self) -> None:
        with serving(address="0.0.0.0") as one:
            port = one.addresses[0][1]
            with (
                gen_smtp_server.running(Behaviour, [listener(family="inet6", address="::", port=port)]),
                one.greeted() as client,
            ):
                assert client.say("NOOP") == "250 Ok"

    def test_each_has_its_domain_and_its_options(self) -> None:
        module = behaviour(
            init=lambda self, hostname, count, peer, options: gen_smtp_server_session.ok(
                f"{hostname} {options}"
            )
        )
        options = [
            listener(domain="one.test", sessionoptions={"callbackoptions": "first"}),
            listener(domain="two.test", sessionoptions={"callbackoptions": "second", "protocol": "lmtp"}),
        ]
        with gen_smtp_server.running(module, options) as ref:
            server = Server(ref)
            with server.client(0) as one, server.client(1) as two:
                assert one.reply() == "220 one.test first"
                assert two.reply() == "220 two.test second"
                assert one.say("EHLO c")[:3] == "250"
                assert two.say("EHLO c") == "500 Error: LMTP should replace HELO and EHLO with LHLO"
                assert two.say("LHLO c")[:3] == "250"

    def test_a_stale_socket_file_is_replaced_and_a_live_one_is_an_error(self, short_path: Path) -> None:
        path = str(short_path / "mx")
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(path)
        options = [{"family": "unix", "address": path, "domain": "mx.test"}]
        with gen_smtp_server.running(Behaviour, options) as server:
            with pytest.raises(ListenError) as caught:
                gen_smtp_server.start(Behaviour, options)
            assert caught.value.reason.errno == errno.EADDRINUSE
            with Client(path) as client:
                assert client.reply() == "220 mx.test ESMTP"
            assert wait_down_is_pending(server)


def wait_down_is_pending(ref: Any) -> bool:
    """Tell whether a server goes on living."""
    try:
        wait_down(ref, 0.0)
    except pykka.Timeout:
        return True
    return False
