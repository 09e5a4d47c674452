"""Whether clients can show the certificates that a callback class wants to see."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from gen_smtp.callbacks.behaviour import Behaviour
from gen_smtp.callbacks.mechanisms import find_mechanisms
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.listener import ListenerOptions


def check_client_certificates(cls: type[Behaviour], listeners: Sequence[ListenerOptions]) -> None:
    """See that at least one listener asks for them, if a mechanism of the class needs them.

    Args:
        cls: the callback class.
        listeners: the listeners.

    Raises:
        OptionsError: none asks, so nobody could use that mechanism.
    """
    needing = [each.name for each in find_mechanisms(cls.mechanisms) if each.needs_certificate]
    if needing and not any(map(_asks, listeners)):
        raise OptionsError(
            f"{cls.__qualname__} has the mechanism {needing[0]}; no listener asks for client certificates",
            option="sessionoptions.tls_options.verify",
            allowed="True or 'optional', with cafile, for one listener at least",
        )


def _asks(listener: ListenerOptions) -> bool:
    context = listener.sessionoptions.tls_context()
    return context is not None and context.verify_mode != ssl.CERT_NONE
