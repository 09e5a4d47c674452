"""The steps of a script: what it wants done on its connection before it goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

from gen_smtp.client.protocol.text.replies import Reply

T = TypeVar("T")


class Ask(NamedTuple):
    """Send commands, perhaps a message, and wait for all replies.

    Attributes:
        octets: the commands, or a whole message.
        commands: what is answered, in order: one name for each reply.
        body: more octets behind, in pieces; None for none.
        ends: the last step of its script, whatever is answered: what follows may be sent with it
            (RFC 2920 section 3.1).
        shown: the octets as a trace may show them; None is as they are.
    """

    octets: bytes
    commands: tuple[str, ...]
    body: Iterable[bytes] | None = None
    ends: bool = False
    shown: str | None = None


@dataclass(slots=True)
class Security:
    """How far a connection is to be trusted. The connection that runs a script keeps it true.

    Attributes:
        secure: TLS is in force.
        verified: the server has shown a certificate that is for it.
    """

    secure: bool = False
    verified: bool = False


class StartTls(NamedTuple):
    """Throw away what has come in clear, and begin TLS. The replies to it are none."""


Step: TypeAlias = Ask | StartTls
Replies: TypeAlias = list[Reply]
Script: TypeAlias = Generator[Step, Replies, T]


def command(line: str, *, shown: str | None = None) -> Ask:
    """One command alone."""
    return Ask(line.encode() + b"\r\n", (line.partition(" ")[0],), shown=shown)


def run_in_memory(script: Script[T], replies: Iterable[Any]) -> tuple[T, list[Step]]:
    """Run a script against replies that are given. Each is a list for a step, or an exception to throw.

    Returns:
        its result, and the steps that it took.
    """
    steps: list[Step] = [next(script)]
    for given in replies:
        try:
            steps.append(script.throw(given) if isinstance(given, Exception) else script.send(given))
        except StopIteration as ended:
            return ended.value, steps
    raise AssertionError(f"the script wants more: {steps[-1]}")
