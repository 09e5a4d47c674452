"""The callback options, looked at by the class that they are for, before a server goes by them."""

from __future__ import annotations

from collections.abc import Iterable

from gen_smtp.callbacks.behaviour import Behaviour
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import ListenerOptions

_PLACE = "callbackoptions"


def check_callback_options(cls: type[Behaviour], listeners: Iterable[ListenerOptions]) -> None:
    """Have a callback class check the options of each listener; one that has no check takes everything.

    Args:
        cls: the callback class.
        listeners: the listeners.

    Raises:
        OptionsError: the class has raised it, or another ValueError; names the listener and the option.
    """
    for number, listener in enumerate(listeners, 1):
        try:
            cls.check_options(listener.sessionoptions.callbackoptions)
        except ValueError as error:
            raise _placed(error).within("sessionoptions").of_listener(number) from error


def _placed(error: ValueError) -> OptionsError:
    """As an error of the session option that it is about."""
    if not isinstance(error, OptionsError):
        return OptionsError(str(error), option=_PLACE)
    is_placed = error.option is not None and error.option.split(".")[0] == _PLACE
    return error if is_placed else error.within(_PLACE)
