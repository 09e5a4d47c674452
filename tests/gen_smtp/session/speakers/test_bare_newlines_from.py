"""Bare newlines for some clients alone: who the client is, as a proxy or XCLIENT says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import ok
from tests.gen_smtp.live import DATA, Client, behaviour, serving
from tests.gen_smtp.proxy_headers import LINE, LOCAL, block

OLD_DEVICE = "127.0.0.2"
MESSAGE = "Subject: old\n\nold\r\n.\r\n"
HERE = ["127.0.0.1"]


def options(*networks: str, mode: str = "fix", **others: Any) -> dict[str, Any]:
    """Of a listener that takes bare newlines from these networks."""
    return {"sessionoptions": {"allow_bare_newlines": mode, "bare_newlines_from": networks}, **others}


def is_taken(client: Client) -> bool:
    """Whether a message with bare newlines is taken, from a client that was greeted."""
    assert client.say(*DATA).startswith("354")
    client.send(MESSAGE)
    reply = client.reply()
    assert reply == "250 taken" or reply.startswith("550 Bare newline detected: LF without CR in line 1")
    return reply == "250 taken"


@pytest.mark.parametrize(("source", "taken"), [(OLD_DEVICE, True), ("127.0.0.3", False)])
def test_a_direct_client_is_its_address(source: str, taken: bool) -> None:
    seen: list[bytes] = []

    def handle(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        seen.append(data)
        return ok("taken")

    with (
        serving(behaviour(handle_DATA=handle), **options(OLD_DEVICE)) as server,
        server.client(source=source) as client,
    ):
        client.reply()
        assert is_taken(client) is taken
    assert seen == ([b"Subject: old\r\n\r\nold\r\n"] if taken else [])


@pytest.mark.parametrize(("source", "code"), [(OLD_DEVICE, "250"), ("127.0.0.3", "550")])
def test_chunks_are_judged_as_data_is(source: str, code: str) -> None:
    module = behaviour(handle_EHLO=ok([("CHUNKING", True)]))
    with serving(module, **options(f"{OLD_DEVICE}/32")) as server, server.client(source=source) as client:
        client.reply()
        client.say(*DATA[:-1])
        client.send("BDAT 4 LAST\r\na\nb\n")
        assert client.reply().startswith(code)


def test_the_clients_of_a_unix_socket_can_be_named(tmp_path: Path) -> None:
    where = {"family": "unix", "address": str(tmp_path / "socket"), "port": None}
    for networks, taken in ((["unix"], True), (["127.0.0.0/8"], False)):
        with serving(behaviour(), **options(*networks, **where)) as server, server.greeted() as client:
            assert is_taken(client) is taken


class TestBehindAProxy:
    @pytest.mark.parametrize(("network", "taken"), [("192.0.2.0/24", True), ("127.0.0.1", False)])
    def test_the_client_of_the_header_counts_and_not_the_proxy(self, network: str, taken: bool) -> None:
        with (
            serving(behaviour(), **options(network, proxy_protocol=HERE)) as server,
            server.client() as client,
        ):
            client.send(LINE)
            client.reply()
            assert is_taken(client) is taken

    @pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", block(LOCAL, 0)])
    def test_a_client_that_the_header_does_not_name_is_none_of_them(self, header: bytes) -> None:
        with (
            serving(behaviour(), **options("127.0.0.1", "unix", proxy_protocol=HERE)) as server,
            server.client() as client,
        ):
            client.send(header)
            client.reply()
            assert not is_taken(client)


class TestWithXClient:
    @pytest.mark.parametrize(
        ("said", "taken"),
        [
            ([], False),
            (["ADDR=192.0.2.7"], True),
            (["ADDR=192.0.2.7 PORT=25"], True),
            (["ADDR=192.0.2.7", "NAME=other.test"], True),  # the client stays who it was
            (["ADDR=192.0.2.7", "ADDR=198.51.100.1"], False),
            (["ADDR=192.0.2.7", "ADDR=[UNAVAILABLE]"], False),
        ],
    )
    def test_the_client_that_is_spoken_for_counts(self, said: list[str], taken: bool) -> None:
        with (
            serving(behaviour(), **options("192.0.2.0/24", "unix", xclient=HERE)) as server,
            server.greeted(*(f"XCLIENT {each}" for each in said)) as client,
        ):
            assert is_taken(client) is taken

    def test_a_peer_that_may_send_them_itself_may_not_for_others(self) -> None:
        with (
            serving(behaviour(), **options("127.0.0.1", xclient=HERE)) as server,
            server.greeted() as client,
        ):
            assert is_taken(client)
            assert client.say("XCLIENT ADDR=192.0.2.7").startswith("220")
            assert not is_taken(client)

    def test_tls_that_the_proxy_has_changes_nothing_of_it(self) -> None:
        trusted = {"xclient": HERE, "trust_proxied_tls": True, "xforward": HERE}
        with (
            serving(behaviour(), **options("192.0.2.7", **trusted)) as server,
            server.greeted("XCLIENT ADDR=192.0.2.7") as client,
        ):
            assert is_taken(client)
