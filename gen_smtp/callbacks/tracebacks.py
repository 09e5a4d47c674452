"""What an exception of a callback keeps alive once everybody has heard of it: nothing."""

from __future__ import annotations


def let_go(error: BaseException) -> None:
    """Have an exception hold no frame any more.

    A session keeps what a callback raised as the reason of its end. Each frame of a traceback holds its
    variables and the frame that has called it: all together the session, in a circle that waits for the
    collector, and the message, which is counted by nobody any more.

    Args:
        error: what was caught, logged and told; those behind it are let go of, too.
    """
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
