"""A process that serves as a node of an Erlang cluster, its server with a name there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import beam
from actors import AlreadyStarted, GeventRef, StartError, launch, register, spawn
from gen_smtp.cluster.front import SERVER, Front
from gen_smtp.options.node import NodeError, NodeOptions


class Membership:
    """This process as a node. It is left with the process.

    Args:
        options: how to join.
        server: the server that is to have the name.
        succeeds: whether a predecessor lives, whose node this one is to follow.
        place: the number of this worker, from 0; None without workers.
        places: how many workers there are.

    Raises:
        NodeError: it can't be a node, or no node of Erlang's answers that could register the name.
        AlreadyStarted: the name is taken.
    """

    def __init__(
        self,
        options: NodeOptions,
        server: GeventRef[Any],
        *,
        succeeds: bool = False,
        place: int | None = None,
        places: int = 1,
    ) -> None:
        self._front: GeventRef[Any] | None = None
        # A worker that is replaced may find its name with a predecessor's worker, which still has sessions.
        may_be_second = succeeds or place is not None
        settings = _settings(options, options.family(place, places))
        self._node = _start_node(options.places(place, places), settings, may_be_second)
        try:
            siblings = _siblings(self._node.name, place, places)
            of_predecessor = (lambda node: node not in siblings) if succeeds else None
            beam.global_names().share_with(options.is_family, of_predecessor)
            if place is not None:
                self._front = self._front_of(server, siblings)
            if options.name is not None:
                _register(options.name, self._front or server)
        except BaseException:
            self.leave()
            raise

    def take_over(self) -> None:
        """This process serves: take the name over from the predecessor's.

        Raises:
            NodeError: no node of Erlang's answers. The predecessor keeps the name.
        """
        try:
            beam.global_names().take_over()
        except StartError as error:
            raise NodeError("name", str(error)) from error

    def give_back(self) -> None:
        """This process is about to end: a predecessor that still serves has the name again."""
        beam.global_names().give_back()

    def retire(self) -> None:
        """A successor serves: it keeps the name, even if it ends before this process does."""
        beam.global_names().stop_standing_by()

    def leave(self) -> None:
        """Be a node no more."""
        if self._front is not None:
            self._front.kill()  # told to stop, it would stop the parent
        self._node.stop()

    def _front_of(self, server: GeventRef[Any], siblings: Sequence[str]) -> GeventRef[Any]:
        """What has the name of all workers, in this one; it finds the others of the same generation."""
        register(SERVER, server)
        for each in siblings:  # those that do not live yet connect to this one
            spawn(self._node.connect, each)

        def connected() -> Sequence[str]:
            nodes = self._node.nodes()
            return [each for each in siblings if each in nodes]

        return launch(Front(server, connected, os.getppid()))


def _siblings(name: str, place: int | None, places: int) -> list[str]:
    """The nodes of the other workers of the same generation."""
    if place is None:
        return []
    local, _, host = name.partition("@")
    base = local.removesuffix(f"-{place + 1}")
    return [f"{base}-{number + 1}@{host}" for number in range(places) if number != place]


def _register(name: Any, holder: GeventRef[Any]) -> None:
    try:
        register(name, holder)
    except AlreadyStarted:
        raise
    except StartError as error:
        raise NodeError("name", str(error)) from error


def check(options: NodeOptions) -> None:
    """Look at a node's options, the cookie file and the files of TLS, and start nothing.

    Raises:
        NodeError: what is wrong, with the option.
    """
    try:
        beam.check(options.node, port=options.port, **_settings(options, ()))
    except ValueError as error:
        raise _node_error(error) from error


def _start_node(
    places: Sequence[tuple[str, int]], settings: Mapping[str, Any], may_be_second: bool
) -> beam.Node:
    """The node; with the second name and port if another process has the first."""
    (name, port), (second_name, second_port) = places
    try:
        return beam.start(name, port=port, **settings)
    except (StartError, ValueError) as error:
        if not may_be_second:
            raise _node_error(error) from error
    try:
        return beam.start(second_name, port=second_port, **settings)
    except (StartError, ValueError) as error:
        raise _node_error(error) from error


def _settings(options: NodeOptions, family: Sequence[str]) -> dict[str, Any]:
    """What `beam.start` is called with. The nodes of a family may always connect with one another."""
    return {
        "cookie_file": options.cookie_file,
        "seeds": options.seeds,
        "address": options.address,
        "tls": _tls_of(options),
        "only": None if options.only is None else [*options.only, *family],
        "net_ticktime": options.net_ticktime,
    }


def _tls_of(options: NodeOptions) -> dict[str, str] | None:
    """The files of TLS, by the names that Erlang has for them."""
    if options.tls is None:
        return None
    return {"cacertfile" if name == "cafile" else name: path for name, path in options.tls.items()}


def _node_error(error: Exception) -> NodeError:
    """What is wrong with an option, by the name that it has here."""
    option = getattr(error, "option", "name")
    return NodeError("node" if option == "name" else option, str(error).removeprefix(f"{option}: "))
