"""Opening a connection: to one host, and to the first of several that serves."""

from __future__ import annotations

import _socket
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from actors import run_long
from gen_smtp.client.driver import Driver
from gen_smtp.client.hops import Check, Hop
from gen_smtp.client.options import ClientOptions, is_address
from gen_smtp.client.protocol.errors import DeliveryError, NetworkFailure, TemporaryFailure
from gen_smtp.client.protocol.hello import introduce
from gen_smtp.client.protocol.login import log_in
from gen_smtp.client.routing.queries import addresses_of
from gen_smtp.client.stream import Address, Stream, connected, look_up

_BY_CHECK: Mapping[Check, Callable[[ClientOptions], ClientOptions]] = {
    "options": lambda options: options,
    "authority": lambda options: options.with_authority,
    "dane": lambda options: options.with_dane,
}


def open_to(hop: Hop, given: ClientOptions) -> Driver:
    """A connection to a host, after hello, TLS and login; on the hub.

    Raises:
        DeliveryError: there is none.
    """
    options = _BY_CHECK[hop.check](given)
    try:
        stream = _stream_to(hop.host, options)
    except OSError as error:
        raise NetworkFailure(error, hop.host) from error
    stream.final = time.monotonic() + options.timeouts.exchange
    driver = Driver(stream, hop, options)
    try:
        if options.ssl:
            driver.start_tls()
        driver.offer = driver.run(introduce(options.hello, driver.security))
        driver.run(log_in(options.credentials, driver.offer, hop.host))
    except DeliveryError:
        driver.quit()
        raise
    except BaseException:
        driver.abort()
        raise
    return driver


def _stream_to(host: str, options: ClientOptions) -> Stream:
    def note(address: object, error: OSError) -> None:
        if options.trace_fun is not None:
            options.trace_fun("cannot connect to %s: %s", address, error)

    found = _addresses(host, options)
    return connected(found, options.timeout, options.sockopts, options.source_address, note)


def _addresses(host: str, options: ClientOptions) -> list[Address]:
    if options.family == "unix":
        return [(_socket.AF_UNIX, b"\0" + os.fsencode(host[1:]) if host.startswith("@") else host)]
    literal = host.startswith("[") and host.endswith("]")  # RFC 5321 section 4.1.3
    name = host[1:-1].removeprefix("IPv6:") if literal else host
    if options.resolver is None or literal or is_address(name):
        return look_up(name, options.own_port)
    found = run_long(addresses_of, name, options.asked)
    return [address for each in found for address in look_up(each, options.own_port)]


def open_first(hops: Sequence[Hop], options: ClientOptions) -> Driver:
    """A connection to the first host that serves, as gen_smtp tries them.

    A host that fails for now is tried again behind all others, `retries` times. A refusal for good ends it.

    Raises:
        DeliveryError: there is none: with stage `"no_more_hosts"` after a refusal for good, else
            `"retries_exceeded"` with the last failure.
    """
    left = [(hop, options.retries) for hop in hops]
    failure: DeliveryError | None = None
    while left:
        hop, retries = left.pop(0)
        try:
            return open_perhaps_in_clear(hop, options)
        except DeliveryError as error:
            if error.permanent:
                error.stage = "no_more_hosts"
                raise
            failure = error
            failure.stage = "retries_exceeded"
            if options.trace_fun is not None:
                options.trace_fun("%s", failure)
            if retries:
                left.append((hop, retries - 1))
    assert failure is not None
    raise failure


def open_perhaps_in_clear(hop: Hop, options: ClientOptions) -> Driver:
    """As `open_to`; if TLS fails and need not be, the host is asked again without it, as gen_smtp does."""
    try:
        return open_to(hop, options)
    except TemporaryFailure as failure:
        may_be_clear = options.tls == "if_available" and not options.ssl and hop.check == "options"
        if failure.reason != "tls_failed" or not may_be_clear:
            raise
        if options.trace_fun is not None:
            options.trace_fun("TLS with %s failed, on without it: %s", hop.host, failure)
    return open_to(hop, replace(options, tls="never"))
