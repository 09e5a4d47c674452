"""Which certificate a client is shown, by the host that it asks for (SNI, RFC 6066 section 3)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from actors import events as actor_events
from gen_smtp.options.checks import OptionsError, host_name

Choice = ssl.SSLContext | str | None
"""What a `sni_fun` returns: a context, a name of `sni_hosts`, or None for the listener's certificate."""

SniFun = Callable[[str], Choice]

_ANY = "*."


def is_context(value: Any) -> TypeGuard[ssl.SSLContext]:
    """Whether a value is an SSLContext, also one made before gevent's monkey-patching replaced the class."""
    return callable(getattr(value, "wrap_bio", None))


def sni_name(value: Any) -> str:
    """The check of a name in `sni_hosts`: a host name, or one with `*` in the place of its first label."""
    if isinstance(value, str) and value.startswith(_ANY):
        return f"{_ANY}{host_name(value.removeprefix(_ANY))}"
    return host_name(value)


class NameChooser:
    """Puts a context into a connection, by the name that the client asks for. It is a `sni_callback`.

    Args:
        default: for clients that name none, or one that nobody knows.
        contexts: by name.
        sni_fun: asked for a name that is not among them; None for nobody.
    """

    def __init__(
        self, default: ssl.SSLContext, contexts: Mapping[str, ssl.SSLContext], sni_fun: SniFun | None
    ) -> None:
        self._default = default
        self._contexts = {_plain(name): context for name, context in contexts.items()}
        self._sni_fun = sni_fun

    def __call__(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._default if name is None else self._choose(_plain(name))

    def _choose(self, name: str) -> ssl.SSLContext:
        found = self._find(name)
        if found is None and self._sni_fun is not None:
            found = self._ask(self._sni_fun, name)
        return self._default if found is None else found

    def _find(self, name: str) -> ssl.SSLContext | None:
        """A name counts before one with `*`, which stands for one label (RFC 6125 section 6.4.3)."""
        label, _, parent = name.partition(".")
        return self._contexts.get(name) or (self._contexts.get(f"{_ANY}{parent}") if label else None)

    def _ask(self, sni_fun: SniFun, name: str) -> ssl.SSLContext | None:
        """The function's choice. Whatever it does, the client gets a certificate."""
        try:
            choice: Any = sni_fun(name)
            if choice is None or is_context(choice):
                return choice
            found = self._find(_plain(choice)) if isinstance(choice, str) else None
            if found is None:
                raise OptionsError(
                    f"sni_fun returned {type(choice).__name__} for {name}",
                    option="sni_fun",
                    allowed="an ssl.SSLContext, a name of sni_hosts, or None",
                )
        except Exception as error:
            actor_events.emit(actor_events.HookFailed("the TLS handshake", "sni_fun", error))
            return None
        return found


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")
