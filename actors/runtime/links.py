"""Links, monitors and exit signals, as OTP has them.

All of an actor's bonds are in one `Bonds` object of its reference, so that linking and monitoring work
from any thread; see `bonds`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import pykka

from actors import messages
from actors.errors import ActorDeadError
from actors.runtime import names
from actors.runtime.bonds import LINKS, MONITORING, WATCHERS, Bonds, Monitor
from actors.runtime.future import Signal
from actors.runtime.mailbox import GONE, OPEN
from actors.runtime.refs import GeventRef, current
from actors.seconds import wait_seconds

M = TypeVar("M", bound="Monitor")


class _Wait(Monitor):
    """The monitor of a thread or greenlet that waits."""

    __slots__ = ("ended", "reason")

    def __init__(self, ref: GeventRef[Any]) -> None:
        super().__init__(ref, None)
        self.ended = Signal()
        self.reason: Any = None

    def tell(self, down: messages.Down) -> None:
        self.reason = down.reason
        self.ended.set()


class NoProc(ActorDeadError):  # noqa: N818 - OTP's word: noproc
    """The actor to link to is dead."""


def trap_exits(trap: bool = True) -> bool:
    """Have exit signals to the calling actor come as `Exit` messages: `process_flag(trap_exit, true)`.

    Returns:
        what it was before.

    Raises:
        ValueError: it is called outside any actor.
    """
    bonds = _caller("trap_exits").bonds
    before, bonds.trap_exits = bonds.trap_exits, trap
    return before


def link(one: GeventRef[Any], other: GeventRef[Any] | None = None) -> None:
    """Link two actors, `link(one, other)`, or the calling one to another, `link(other)`.

    Linking twice is linking once.

    Args:
        one: the actor that asks for it; left out for the calling one.
        other: the other actor.

    Raises:
        NoProc: `other` is dead, and `one` does not trap exits. If it does, it gets an `Exit` instead.
        ValueError: one actor is given, outside any.
    """
    one, other = _pair("link", one, other)
    if one is other:
        return
    if other.mailbox.closed is OPEN and join(one, other):
        _tell_far_of_link(one, other)
    elif not one.bonds.trap_exits:
        raise NoProc(f"cannot link to {other}: it is dead")
    else:
        one.cast(messages.Exit(other, "noproc"))


def _tell_far_of_link(one: GeventRef[Any], other: GeventRef[Any]) -> None:
    try:
        if other.far is not None:
            other.far.linked(one)
        elif one.far is not None:
            one.far.linked(other)
    except ValueError:
        part(one, other)
        raise


def unlink(one: GeventRef[Any], other: GeventRef[Any] | None = None, *, flush: bool = False) -> None:
    """Undo a link, given as to `link`.

    After it returned no `Exit` of the other comes, but one may lie in the mailbox.

    Args:
        one: the actor that asks for it; left out for the calling one.
        other: the other actor.
        flush: take such an `Exit` out of the mailbox of `one`.
    """
    one, other = _pair("unlink", one, other)
    part(one, other)
    for far, local in ((one.far, other), (other.far, one)):
        if far is not None:
            far.unlinked(local)
    if flush:
        one.mailbox.discard(lambda message: isinstance(message, messages.Exit) and message.ref is other)


def join(one: GeventRef[Any], other: GeventRef[Any]) -> bool:
    """Note a link, without telling another node of it.

    Returns:
        whether it was made; not if one of the two is dead.
    """
    own, others = one.bonds, other.bonds
    own.add(LINKS, other)
    others.add(LINKS, one)
    if not (own.ended or others.ended):
        return True
    others.remove(LINKS, one)
    # If it is not there, the end of the other one has found it, and tells of itself.
    return not own.remove(LINKS, other)


def part(one: GeventRef[Any], other: GeventRef[Any]) -> None:
    """Undo a link without telling another node of it."""
    one.bonds.remove(LINKS, other)
    other.bonds.remove(LINKS, one)


def break_link(one: GeventRef[Any], other: GeventRef[Any], reason: Any) -> None:
    """An actor elsewhere has ended, or cannot be reached: have the one that is linked to it hear of that."""
    other.bonds.remove(LINKS, one)
    _tell_linked(one, other, reason)


def fire(watching: Monitor, reason: Any) -> None:
    """What is monitored elsewhere has ended, or cannot be reached: tell the watcher, if it still watches."""
    meant = watching.name or watching.ref
    assert meant is not None
    sent = watching.tell(messages.Down(watching, meant, reason))
    # Sent first: an actor whose bond was undone, in any thread, has all that comes of it in its mailbox.
    if not _withdraw(watching) and sent is not None:
        sent.message = GONE


def spare(parent: GeventRef[Any], child: GeventRef[Any]) -> None:
    """Unlink a child whose start failed: its parent gets an exception and shall not end as well."""
    if not parent.bonds.trap_exits:
        unlink(parent, child)


def monitor(actor: GeventRef[Any] | names.Name, watcher: GeventRef[Any] | None = None) -> Monitor:
    """Have `watcher` told of the end of an actor by one `Down`.

    Args:
        actor: the actor to watch, or its name, which stands for the actor that has it now. If that is dead,
            or nobody has the name, the `Down` comes at once, with reason `noproc`.
        watcher: the actor that is told; the calling one unless given. Of its own end it is not told.

    Returns:
        the monitor, which the `Down` carries; each call makes one of its own.

    Raises:
        ValueError: it is called outside any actor, without a watcher.
    """
    told = watcher or current()
    if told is None:
        raise ValueError("outside any actor, say which actor shall be told; a thread uses wait_down")
    watcher = _linkable(told)
    if watcher.far is not None:
        raise ValueError(f"{watcher} is of another node, and only an actor here can be told")
    name = actor if isinstance(actor, str | tuple) else None
    ref = names.whereis(actor) if isinstance(actor, str | tuple) else actor
    made = Monitor(None if ref is None else _linkable(ref), watcher, name)
    return made if ref is watcher else watch(made)


def wait_down(ref: GeventRef[Any], timeout: float | None = None) -> Any:
    """Wait, in any thread or greenlet, for an actor's end.

    Args:
        ref: the actor.
        timeout: seconds; None waits for ever.

    Returns:
        its exit reason, `noproc` if it was dead already.

    Raises:
        pykka.Timeout: it is still alive.
        ValueError: the timeout is no number, or NaN.
    """
    wait_seconds(timeout)
    watching = watch(_Wait(_linkable(ref)))
    if not watching.ended.wait(timeout):
        demonitor(watching)
        raise pykka.Timeout(f"{timeout} seconds")
    return watching.reason


def demonitor(watching: Monitor, *, flush: bool = False) -> bool:
    """End a monitor; an actor its own, as in OTP, any other caller any.

    Args:
        watching: the monitor.
        flush: take its `Down`, if it was sent already, out of the watcher's mailbox.

    Returns:
        whether it was still watching; if not, its `Down` was sent and may lie in the mailbox. False, too, for
        the monitor of another actor than the calling one, which goes on watching.
    """
    if watching.watcher is not None and current() not in (None, watching.watcher):
        return False
    was_watching = _withdraw(watching)
    if flush and not was_watching and watching.watcher is not None:
        watching.watcher.mailbox.discard(
            lambda message: isinstance(message, messages.Down) and message.monitor is watching
        )
    return was_watching


def _withdraw(watching: Monitor) -> bool:
    """Take a monitor out of all books. Whether it was there: whether its `Down` never comes."""
    if watching.watcher is not None:
        watching.watcher.bonds.remove(MONITORING, watching)
    if watching.ref is None or not watching.ref.bonds.remove(WATCHERS, watching):
        return False
    if watching.ref.far is not None:
        watching.ref.far.unwatched(watching)
    return True


def send_exit(ref: GeventRef[Any], reason: Any, sender: GeventRef[Any] | None = None) -> None:
    """Send an exit signal, as `exit(Pid, Reason)` does.

    `"normal"` does nothing to an actor that does not trap exits; `"kill"` ends any actor at once, in the
    middle of its turn, with reason `killed`; any other reason ends an actor that does not trap exits, at
    once where it waits for another actor, which raises `CutByExit` in its turn, else when it has finished the
    message in hand. What the caller sends behind it never arrives. A dead actor is none of its concern.

    Args:
        ref: the actor.
        reason: the exit reason.
        sender: who the `Exit` comes from, for an actor that traps exits: by default the calling actor, or
            `ref` itself outside any actor. An actor that traps exits ends all the same if that is its parent.
    """
    target = _linkable(ref)
    if target.far is not None:
        target.far.send_exit(reason, sender)
    elif reason == "kill":
        target.kill()
    else:
        _signal(target, reason, sender or current() or target)


def tell_of_end(ref: GeventRef[Any], bonds: Bonds, reason: Any) -> None:
    """In the hub: tell all that its bonds bind to `ref` of its end, each `Exit` first, then each `Down`."""
    bonds.ended = True
    for watching in bonds.monitoring:
        _withdraw(watching)
    for other in bonds.links:
        bonds.remove(LINKS, other)
        _tell_linked(other, ref, reason)
    for watching in bonds.watchers:
        fire(watching, "noproc" if watching.is_late else reason)


def _tell_linked(other: GeventRef[Any], ref: GeventRef[Any], reason: Any) -> None:
    """Have an actor hear of the end of one that it is linked to, unless the link is undone."""
    bonds = other.bonds
    if other.far is None and bonds.trap_exits:
        sent = other.post(messages.Exit(ref, reason))
        if not bonds.remove(LINKS, ref) and sent is not None:
            sent.message = GONE
    elif bonds.remove(LINKS, ref):
        if other.far is None:
            _signal(other, reason, ref)
        else:
            other.far.link_broken(ref, reason)


def watch(made: M) -> M:
    """Begin to watch, by a monitor of any kind."""
    ref, watcher = made.ref, made.watcher
    if ref is not None:
        watched = ref.bonds
        made.is_late = ref.mailbox.closed is not OPEN
        watched.add(WATCHERS, made)
        if watcher is not None:
            watcher.bonds.add(MONITORING, made)
        if not watched.ended:
            if ref.far is not None:
                ref.far.watched(made)
            return made
        if not _withdraw(made):
            return made  # its end has found the monitor, and tells of itself
    meant = made.name or ref
    assert meant is not None
    made.tell(messages.Down(made, meant, "noproc"))
    return made


def _signal(target: GeventRef[Any], reason: Any, sender: GeventRef[Any]) -> None:
    """Have a reason, `kill` like any other, reach an actor as an `Exit` or as its end."""
    if target.bonds.trap_exits:
        target.cast(messages.Exit(sender, reason))
    elif reason != "normal":
        target.signal_exit(reason)


def _caller(wanted: str) -> GeventRef[Any]:
    caller = current()
    if caller is None:
        raise ValueError(f"{wanted} is called outside any actor, which has no links of its own")
    return caller


def _pair(
    wanted: str, one: GeventRef[Any], other: GeventRef[Any] | None
) -> tuple[GeventRef[Any], GeventRef[Any]]:
    if other is None:
        one, other = _caller(wanted), one
    return _linkable(one), _linkable(other)


def _linkable(ref: Any) -> GeventRef[Any]:
    if not hasattr(ref, "bonds"):
        raise TypeError(f"{ref!r} is not an actor of this library: it can be neither linked nor monitored")
    linkable: GeventRef[Any] = ref
    return linkable
