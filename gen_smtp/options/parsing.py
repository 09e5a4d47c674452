"""From what users write to the records: the options of a server, and of each of its listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from gen_smtp.options.checks import OptionsError, read_record, shown_option
from gen_smtp.options.hints import with_hint
from gen_smtp.options.listener import ListenerOptions, check_tls
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.session import SessionOptions

ListenerConfiguration: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]]
"""One listener's options as a mapping, or as an Erlang-like list of (key, value) pairs."""

ServerConfiguration: TypeAlias = ServerOptions | Mapping[str, Any] | Sequence[tuple[str, Any]] | None
"""A server's options: the record, a mapping, or an Erlang-like list of (key, value) pairs."""


def parse_options(
    options: Sequence[ListenerConfiguration | ListenerOptions] | None = None,
) -> tuple[ListenerOptions, ...]:
    """Check a server's options, load certificates and keys, and give one record per listener.

    Args:
        options: a list with one mapping, list of (key, value) pairs or ListenerOptions per listener; None is
            one listener with the defaults.

    Raises:
        OptionsError: what is wrong, with the listener's number, the option and what is allowed.
    """
    if options is None:
        return (ListenerOptions(),)
    _check_shape(options)
    return tuple(_parse_listener(number, given) for number, given in enumerate(options, 1))


def _check_shape(options: Any) -> None:
    allowed = 'a list with one mapping per listener, such as [{"port": 2525}]'
    if isinstance(options, Mapping | ListenerOptions) or _looks_like_pairs(options):
        raise OptionsError("these are the options of one listener; put them into a list", allowed=allowed)
    if not isinstance(options, list | tuple):
        raise OptionsError(f"not a list of options: {shown_option(options)}", allowed=allowed)
    if not options:
        raise OptionsError("the list of options is empty: no listener, no server", allowed=allowed)


def _looks_like_pairs(options: Any) -> bool:
    first = options[0] if isinstance(options, list | tuple) and options else None
    return isinstance(first, tuple) and len(first) == 2 and isinstance(first[0], str)


def _parse_listener(number: int, given: Any) -> ListenerOptions:
    try:
        listener = read_record(ListenerOptions, given, {"sessionoptions": SessionOptions})
        check_tls(listener)
    except OptionsError as error:
        raise with_hint(error).of_listener(number) from error.__cause__
    return listener


def parse_server_options(given: ServerConfiguration = None) -> ServerOptions:
    """The record of a server's options; None is the defaults.

    Raises:
        OptionsError: what is wrong, with the option and what is allowed.
    """
    try:
        return ServerOptions() if given is None else read_record(ServerOptions, given)
    except OptionsError as error:
        raise with_hint(error.within("serveroptions")) from error.__cause__
