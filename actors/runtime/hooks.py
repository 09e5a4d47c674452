"""What an actor of this library may say of itself and do: its settings and hooks, each with its default."""

from __future__ import annotations

from typing import Any, ClassVar

import pykka

from actors.errors import ActorExit


class Hooks(pykka.Actor):
    """The settings and hooks of an actor, besides Pykka's `on_receive`, `on_stop` and `on_failure`.

    Attributes:
        exit_reason: why it ends; set before `on_stop` and `on_failure` run.
    """

    in_registry: ClassVar[bool] = True
    """Whether Pykka's `ActorRegistry` knows it. That is a list: not for actors by the thousand."""

    start_timeout: ClassVar[float | None] = None
    """Seconds that `on_start` may take; then it is cut off and the start fails. None sets no limit."""

    vsn: ClassVar[Any] = None
    """The version of the class, for `code_change` of the one that follows it."""

    exit_reason: Any

    def on_start(self) -> Any:
        """Hook: get ready; the starter waits for it.

        Returns:
            None; `IGNORE` to end at once without a fuss; or `Continue(term)`.
        """

    def handle_continue(self, term: Any) -> None:
        """Hook: go on after `on_start` returned `Continue(term)`. The starter waits no more."""

    @classmethod
    def code_change(cls, old_vsn: Any, state: dict[str, Any], extra: Any) -> dict[str, Any]:
        """Hook: the attributes of an actor that becomes one of this class (see `actors.sys.change_code`).

        Args:
            old_vsn: the old class's `vsn`.
            state: a copy of the attributes that the actor has of its own, to be changed or not.
            extra: what the caller of `change_code` said.
        """
        return state

    def on_stop_request(self, reason: Any) -> None:
        """Hook: the poison pill has come. An actor that must wind up first overrides this.

        It then goes on taking messages and raises `ActorExit(reason)` when it is ready; whoever waits for
        the stop waits till then.
        """
        raise ActorExit(reason)

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Hook: the actor ends; it may still wait here. Not run for a kill or a failed `on_start`.

        Args:
            reason: the exit reason.
            error: the exception, if that is why.
        """
        if error is None:
            self.on_stop()
        else:
            self.on_failure(type(error), error, error.__traceback__)

    def on_turn(self) -> bool:
        """Hook: the messages of a turn are done. Returns whether there is more to do without a message."""
        return False

    def on_unread(self, message: Any) -> None:
        """Hook: a message that came too late to be handled; it must not wait or raise."""

    def on_gone(self, reason: Any) -> None:
        """Hook: the actor is no more, whatever ended it, and all that it was linked to know. As `release`."""

    def release(self) -> None:
        """Hook: let go of sockets and the like, whatever ended the actor. It must not wait or raise."""
