"""What another Python node sees of a server with a name: the functions of `gen_smtp_server`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import actors
import beam as erlang
from actors import wait_down
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from tests.actors.helpers import wait_until_refused
from tests.beam.beams import Beam, BeamError, Beams, Epmd, PythonNode, write_cookie
from tests.beam.names.conftest import Serve
from tests.gen_smtp.live import DATA, PATIENCE

Join = Callable[..., erlang.Node]


@pytest.fixture(scope="module")
def other(epmd: Epmd, beam: Beam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonNode]:
    """Another Python node, connected to the BEAM."""
    folder: Path = tmp_path_factory.mktemp("other")
    with closing(Beams(epmd, folder)) as nodes:
        node = nodes.start_python()
        cookie = str(write_cookie(folder))
        node("import actors, beam\nfrom gen_smtp import gen_smtp_server")
        node(f"node = beam.start('other@127.0.0.1', cookie_file={cookie!r}, seeds=[{beam.name!r}])")
        assert node(f"node.connect({beam.name!r})") == "True"
        yield node


@pytest.mark.parametrize("name", [("global", "mx"), ("mx", "py@127.0.0.1")], ids=["global", "name and node"])
def test_sessions_and_addresses(
    join: Join, serve: Serve, beam: Beam, other: PythonNode, name: tuple[str, str]
) -> None:
    join(beam)
    server = serve(name if name[0] == "global" else "mx")
    assert other(f"gen_smtp_server.sessions({name!r})") == "[]"
    with server.greeted():
        other(f"(session,) = gen_smtp_server.sessions({name!r})")
        assert other("session.node") == "'py@127.0.0.1'"
        other("from gen_smtp import gen_smtp_server_session")
        facts = gen_smtp_server_session.info(gen_smtp_server.sessions(server.ref)[0])
        other("info = gen_smtp_server_session.info(session)")
        assert other("type(info).__name__, info.ref is session, info.server.node") == repr(
            ("SessionInfo", True, "py@127.0.0.1")
        )
        same = (
            "hostname",
            "peername",
            "peer_port",
            "tls",
            "proxy",
            "helo",
            "recipients",
            "started",
            "octets",
        )
        assert other(f"[getattr(info, name) for name in {same}]") == repr(
            [getattr(facts, name) for name in same]
        )
        assert other(f"gen_smtp_server.addresses({name!r})") == repr(server.addresses)
        other("session.kill()")
        (session,) = server.sessions or [None]
        if session is not None:
            assert wait_down(session, PATIENCE) in ("killed", "noproc")
    assert other(f"gen_smtp_server.sessions({name!r})") == "[]"


def test_a_reference_is_the_same_each_time(join: Join, serve: Serve, beam: Beam, other: PythonNode) -> None:
    join(beam)
    serve(("global", "mx"))
    assert other("actors.whereis(('global', 'mx')) is actors.whereis(('global', 'mx'))") == "True"


def test_stop_with_a_grace(join: Join, serve: Serve, beam: Beam, other: PythonNode) -> None:
    join(beam)
    server = serve(("global", "mx"))
    with server.greeted(*DATA):
        assert other("gen_smtp_server.stop(('global', 'mx'), grace=0.05)") == "True"
        assert not server.ref.is_alive()
    assert server.ref.exit_reason == "normal"


def test_stop_with_a_drain(join: Join, serve: Serve, beam: Beam, other: PythonNode) -> None:
    join(beam)
    server = serve(("global", "mx"))
    with server.greeted() as client:
        other(f"stopped = gen_smtp_server.stop(('global', 'mx'), drain={PATIENCE}, block=False)")
        wait_until_refused(server.addresses[0])
        assert client.say("NOOP") == "250 Ok"
        assert client.say("QUIT").startswith("221")
    assert other("stopped.get(timeout=10)") == "True"


def test_what_belongs_into_the_servers_own_process_says_so(
    join: Join, serve: Serve, beam: Beam, other: PythonNode
) -> None:
    join(beam)
    serve(("global", "mx"))
    for use in ("listeners(('global', 'mx'))", "suspend(('global', 'mx'))", "reload_tls(('global', 'mx'))"):
        with pytest.raises(BeamError, match="TypeError") as caught:
            other(f"gen_smtp_server.{use}")
        assert "in the process of the server itself" in caught.value.term


def test_a_name_that_a_python_node_has_is_taken(
    join: Join, serve: Serve, beam: Beam, other: PythonNode
) -> None:
    join(beam)
    serve(("global", "mx"))
    with pytest.raises(BeamError, match="AlreadyStarted"):
        other("actors.launch(actors.GeventActor(), name=('global', 'mx'))")


def test_actors_of_two_python_nodes_watch_each_other(
    join: Join, serve: Serve, beam: Beam, other: PythonNode
) -> None:
    join(beam)
    other("ref = actors.launch(actors.GeventActor(), name=('global', 'far'))")
    far: Any = actors.whereis(("global", "far"))
    assert far.node == "other@127.0.0.1"
    other("ref.stop(reason=('gone', 7))")
    assert wait_down(far, PATIENCE) in ((b"gone", 7), ("gone", 7), "noproc")
