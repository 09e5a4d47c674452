"""What is counted of what happens in a process, and what it costs where it is off."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import actors
from actors import events as actor_events
from gen_smtp import events, metrics
from gen_smtp.callbacks import watching
from gen_smtp.gen_smtp_server_session import error, ok
from gen_smtp.metrics.labels import Few, code_of, reason_of, verb_of
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, Server, behaviour, collected, serving, take


class Observed:
    """A server that is counted, and its figures."""

    def __init__(self, server: Server, registry: CollectorRegistry, observation: metrics.Observation) -> None:
        self.server = server
        self.registry = registry
        self.observation = observation

    def value(self, name: str, **labels: str) -> float:
        """A sample; 0 if there is none."""
        return self.registry.get_sample_value(f"gen_smtp_{name}", labels) or 0.0

    def look(self) -> None:
        """Have the gauges set."""
        actors.spawn(self.observation.gauges.look).get(timeout=PATIENCE)

    @property
    def listener(self) -> str:
        return "{}:{}".format(*self.server.addresses[0])


@contextmanager
def observed(module: Any, **options: Any) -> Generator[Observed]:
    registry = CollectorRegistry()
    with serving(module, **options) as server:
        observation = metrics.observe(server.ref, registry)
        try:
            yield Observed(server, registry, observation)
        finally:
            observation.close()


class TestWhatIsCounted:
    def test_sessions_messages_and_refusals(self) -> None:
        verdicts = [ok("queued as 1"), error("550 no")]
        module = behaviour(handle_DATA=lambda self, *_: verdicts.pop(0))
        with observed(module) as seen, collected(actor_events.SessionClosed) as closed:
            with seen.server.greeted(*DATA) as client:
                client.send(MESSAGE)
                client.reply()
                client.say("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
                client.send(MESSAGE)
                client.reply()
                client.say("FOO", "RCPT TO:<b@y.test>")
                seen.look()
                assert seen.value("sessions", listener=seen.listener) == 1
                client.say("QUIT")
            take(closed)
            seen.look()
            at = {"listener": seen.listener}
            assert seen.value("sessions", **at) == 0
            assert seen.value("sessions_started_total", **at) == 1
            assert seen.value("sessions_ended_total", **at, reason="normal") == 1
            assert seen.value("messages_total", **at, verdict="taken") == 1
            assert seen.value("messages_total", **at, verdict="refused") == 1
            assert seen.value("message_received_bytes_total", **at) == len(MESSAGE) - 3
            assert seen.value("message_recipients_total", **at) == 1
            assert seen.value("refusals_total", verb="DATA", code="550") == 1
            assert seen.value("refusals_total", verb="other", code="500") == 1
            assert seen.value("refusals_total", verb="RCPT", code="503") == 1
            assert seen.value("callback_duration_seconds_count", callback="handle_DATA") == 2
            assert seen.value("callback_duration_seconds_count", callback="init") == 1
            assert seen.value("session_duration_seconds_count") == 1

    def test_auth_by_mechanism_and_outcome(self) -> None:
        module = behaviour(
            handle_EHLO=ok([("AUTH", "PLAIN")]),
            handle_AUTH=lambda self, mechanism, name, secret: ok if secret == "right" else error,
        )
        with observed(module, sessionoptions={"allow_insecure_auth": True}) as seen:
            with seen.server.greeted("EHLO c") as client:
                for secret in ("wrong", "right"):
                    client.say("AUTH PLAIN " + base64.b64encode(f"\0eve\0{secret}".encode()).decode())
            assert seen.value("auth_attempts_total", mechanism="PLAIN", outcome="failed") == 1
            assert seen.value("auth_attempts_total", mechanism="PLAIN", outcome="succeeded") == 1

    @pytest.mark.parametrize("blocking", [set(), {"handle_VRFY"}], ids=["on the hub", "in a thread"])
    def test_a_callback_that_takes_its_time_and_fails(self, blocking: set[str]) -> None:
        waited = threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            waited.wait(0.03)
            raise LookupError("not here")

        with observed(behaviour(handle_VRFY=handle_VRFY, blocking=blocking)) as seen:
            with seen.server.greeted("EHLO c") as client:
                assert client.say("VRFY x").startswith("451")
            assert seen.value("callback_errors_total", callback="handle_VRFY") == 1
            assert seen.value("callback_duration_seconds_sum", callback="handle_VRFY") >= 0.03

    def test_an_async_callback_and_one_that_reads_a_stream(self) -> None:
        async def handle_VRFY(self: Any, address: str) -> Any:
            return ok("it")

        def handle_DATA_stream(self: Any, sender: str, recipients: Any, stream: Any) -> Any:
            return ok(str(len(stream.read())))

        with observed(behaviour(handle_VRFY=handle_VRFY, handle_DATA_stream=handle_DATA_stream)) as seen:
            with seen.server.greeted(*DATA) as client:
                client.send(MESSAGE)
                assert client.reply() == f"250 {len(MESSAGE) - 3}"
                assert client.say("VRFY x") == "250 it"
            for name in ("handle_VRFY", "handle_DATA_stream"):
                assert seen.value("callback_duration_seconds_count", callback=name) == 1

    def test_limits_and_the_process(self) -> None:
        with observed(behaviour(), serveroptions={"max_sessions": 9}) as seen:
            seen.look()
            assert seen.value("sessions_limit") == 9
            assert seen.value("message_memory_limit_bytes") >= 0
            assert seen.value("processes") == 1
            assert seen.value("actors") >= 2
            assert seen.value("process_resident_memory_bytes", worker="0") > 1_000_000
            assert seen.value("turns_total") > 0

    def test_no_more_after_the_end_and_twice_into_one_registry_is_an_error(self) -> None:
        with observed(behaviour()) as seen, pytest.raises(ValueError):
            metrics.observe(seen.server.ref, seen.registry)
        assert not watching.is_watched()
        assert not actor_events._subscribers.get(events.MessageTaken)
        assert seen.value("processes") == 0


class TestLabels:
    def test_what_clients_say_makes_no_series(self) -> None:
        assert [verb_of(each) for each in ("MAIL", "mAil", "", "...", "the connection")] == [
            "MAIL",
            "other",
            "none",
            "other",
            "connection",
        ]
        assert [code_of(each) for each in ("550 no", "550-a", "5500", "", "999 x")] == [
            "550",
            "550",
            "other",
            "other",
            "other",
        ]
        assert [reason_of(each) for each in ("normal", ("limit", "errors"), OSError(), "mine", 5)] == [
            "normal",
            "limit",
            "error",
            "other",
            "other",
        ]

    def test_values_that_are_too_many_are_other(self) -> None:
        few = Few(2)
        assert [few(each) for each in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


def test_the_names_are_the_tables() -> None:
    with observed(behaviour()) as seen:
        text = generate_latest(seen.registry).decode()
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    families = {each for each in families if not each.endswith("_created")}
    exposed = metrics.names_exposed()
    for family in families:
        assert family in exposed or f"{family}_bucket" in exposed, family


def test_nothing_is_loaded_where_it_is_off() -> None:
    code = (
        "import sys, gen_smtp.cli, gen_smtp.gen_smtp_server; "
        "print([n for n in sys.modules if n.startswith(('prometheus', 'opentelemetry', 'gen_smtp.metrics', "
        "'gen_smtp.tracing'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "[]\n", done.stderr
