"""A cable is pulled between two hosts of a cluster, and put back in.

Network namespaces stand for the hosts. Where the machine allows none, there are no such tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.beam.beams import Beam, Epmd, PythonNode, write_cookie
from tests.beam.namespaces import Network, can_make_namespaces

TICK = 4
"""Seconds of net_ticktime: a node that is silent for so long, or a quarter more, is taken for dead."""

LIMIT = 30.0


class Cluster:
    """Two hosts: one with a BEAM and a Python node, the other one with a BEAM.

    Attributes:
        ours: the BEAM beside the Python node, which decides conflicts.
        theirs: the other BEAM.
        python: the Python node; its name comes last, so that it loses.
    """

    def __init__(self, network: Network, folder: Path, stack: ExitStack) -> None:
        here, there = network.addresses
        epmds = [Epmd(4369, prefix=network.prefix(host), address=network.addresses[host]) for host in (0, 1)]
        for epmd in epmds:
            stack.callback(epmd.stop)
        tick = ("-kernel", "net_ticktime", str(TICK))
        self.ours = Beam(epmds[0], "aa", folder, *tick, host=here, prefix=network.prefix(0))
        stack.callback(self.ours.close)
        self.theirs = Beam(epmds[1], "bb", folder, *tick, host=there, prefix=network.prefix(1))
        stack.callback(self.theirs.close)
        self.ours.connect(self.theirs.name)
        self.python = PythonNode(epmds[0], "zz", folder, prefix=network.prefix(0))
        stack.callback(self.python.close)
        self.python("import actors, beam")
        cookie = str(write_cookie(folder))
        self.python(
            f"node = beam.start('zz@{here}', cookie_file={cookie!r}, seeds=[{self.ours.name!r}], "
            f"address='0.0.0.0', net_ticktime={TICK})"
        )
        self.python("ref = actors.launch(actors.GeventActor(), name=('global', 'mx'))")
        self.theirs.wait_until("is_pid(global:whereis_name(mx))")


if can_make_namespaces():

    @pytest.fixture
    def network() -> Iterator[Network]:
        made = Network(2)
        yield made
        made.close()

    @pytest.fixture
    def cluster(network: Network, tmp_path: Path) -> Iterator[Cluster]:
        with ExitStack() as stack:
            yield Cluster(network, tmp_path, stack)

    @pytest.mark.timeout(120)
    def test_the_other_half_takes_the_name_and_one_keeps_it_when_they_meet(
        network: Network, cluster: Cluster
    ) -> None:
        ours, theirs, python = cluster.ours, cluster.theirs, cluster.python
        theirs("Watched = monitor(process, global:whereis_name(mx))")
        network.cut(1)
        down = theirs("receive {'DOWN', Watched, _, _, Why} -> Why end", timeout=LIMIT)
        assert down == "noconnection"
        theirs.wait_until("global:whereis_name(mx)", "undefined")
        assert theirs("global:register_name(mx, self())") == "yes"
        ours.wait_until("nodes()", "[]", timeout=LIMIT)
        assert ours("is_pid(global:whereis_name(mx))") == "true"  # in our half it is ours still
        network.heal(1)
        ours.wait_until(f"net_adm:ping('{theirs.name}')", "pong", timeout=LIMIT)
        owner = "case global:whereis_name(mx) of undefined -> undefined; P_ -> node(P_) end"
        ours.wait_until(owner, f"'{theirs.name}'", timeout=LIMIT)
        assert theirs("global:whereis_name(mx) =:= self()") == "true"
        assert "global_name_conflict" in python(
            f"actors.wait_down(ref, {LIMIT}) and ref.exit_reason", timeout=LIMIT
        )
