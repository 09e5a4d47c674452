"""Fixtures for pytest: a mail server that catches what the program under test sends.

    def test_welcome(smtpd):
        send_welcome("jane@example.com", host=smtpd.host, port=smtpd.port)
        assert smtpd.messages[0].subject == "Welcome"

    @pytest.mark.smtpd(tls="starttls", users={"shop": "secret"})
    def test_password(smtpd): ...

`smtpd` and `lmtpd` start once for a session of pytest, and are empty for each test; so does one for each
set of options that the mark `smtpd` gives. `smtpd_factory` makes further ones for the length of a test.
Nothing of the server is imported before a test asks for one. See `gen_smtp.testing.SmtpCatcher`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gen_smtp.testing import SmtpCatcher

ENVIRONMENT = "smtpd_environment"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option `smtpd_environment`."""
    parser.addini(
        ENVIRONMENT,
        "environment variables for tests with the fixture smtpd, a line each: NAME={host} or NAME={port}",
        type="linelist",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """The mark `smtpd`."""
    config.addinivalue_line(
        "markers",
        "smtpd(**options): options of the fixture smtpd or lmtpd, those of gen_smtp.testing.SmtpCatcher",
    )


class _Catchers:
    """Running catchers, one for each set of options."""

    def __init__(self) -> None:
        self._made: dict[str, SmtpCatcher] = {}

    def get(self, options: dict[str, Any]) -> SmtpCatcher:
        key = repr(sorted(options.items()))
        if key not in self._made:
            self._made[key] = start_catcher(options)
        return self._made[key]

    def stop(self) -> None:
        for each in self._made.values():
            each.stop()


def start_catcher(options: dict[str, Any]) -> SmtpCatcher:
    """A catcher that runs; freezegun leaves the server its clock."""
    _spare_the_server_from_freezegun()
    from gen_smtp.testing import SmtpCatcher

    return SmtpCatcher(**options).start()


def _spare_the_server_from_freezegun() -> None:
    """A server whose clock stands still, or jumps, has deadlines that never strike, or all at once."""
    if importlib.util.find_spec("freezegun") is not None:
        freezegun = importlib.import_module("freezegun")
        freezegun.configure(extend_ignore_list=["actors", "gen_smtp", "gevent"])


@pytest.fixture(scope="session")
def _catchers() -> Iterator[_Catchers]:
    catchers = _Catchers()
    yield catchers
    catchers.stop()


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    mark = request.node.get_closest_marker("smtpd")
    if mark is None:
        return {}
    if mark.args:
        raise pytest.UsageError("the mark smtpd takes options by name alone, such as smtpd(tls='starttls')")
    return dict(mark.kwargs)


def _empty(catcher: SmtpCatcher) -> Iterator[SmtpCatcher]:
    catcher.start()  # a test may have stopped it
    catcher.clear()
    yield catcher
    catcher.clear()


@pytest.fixture
def smtpd(
    _catchers: _Catchers, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmtpCatcher]:
    """A `gen_smtp.testing.SmtpCatcher` on a free port of 127.0.0.1, empty for each test."""
    catcher = _catchers.get(_options(request))
    for line in request.config.getini(ENVIRONMENT):
        name, separator, value = line.partition("=")
        if not separator:
            raise pytest.UsageError(f"{ENVIRONMENT}: {line!r} is not NAME=value")
        monkeypatch.setenv(name.strip(), value.strip().format(host=catcher.host, port=catcher.port))
    yield from _empty(catcher)


@pytest.fixture
def lmtpd(_catchers: _Catchers, request: pytest.FixtureRequest) -> Iterator[SmtpCatcher]:
    """As `smtpd`, with LMTP: a reply for each recipient."""
    yield from _empty(_catchers.get({**_options(request), "protocol": "lmtp"}))


@pytest.fixture
def smtpd_factory() -> Iterator[Callable[..., SmtpCatcher]]:
    """Makes catchers that run for the length of the test; called with the options of `SmtpCatcher`."""
    made: list[SmtpCatcher] = []

    def make(**options: Any) -> SmtpCatcher:
        made.append(start_catcher(options))
        return made[-1]

    yield make
    for each in made:
        each.stop()
