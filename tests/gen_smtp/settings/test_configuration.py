"""From flags and TOML files to listener options."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.options.checks import option_names
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.limits import Limits
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.transcript import TranscriptOptions
from gen_smtp.settings.configuration import configuration_from_file, configure
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.layers import Given
from gen_smtp.settings.table import LIMIT_RECORDS, SETTINGS
from gen_smtp.settings.values import keys_and_values, values_of_records
from tests.certificates import Certificates


def config_file(folder: Path, text: str) -> Path:
    """A TOML file with this text."""
    path = folder / "listeners.toml"
    path.write_text(text, encoding="utf-8")
    return path


def given(flags: dict[str, Any]) -> dict[str, Given]:
    """What a command line with these flags says."""
    names = {each.flag: each.name for each in SETTINGS}
    return {names[flag]: Given(value, flag) for flag, value in flags.items()}


def listener_from_flags(flags: dict[str, Any]) -> tuple[ListenerOptions, ...]:
    return configure(given(flags)).listeners


class TestFlags:
    def test_none_given_is_a_listener_with_the_defaults(self) -> None:
        assert listener_from_flags({}) == (ListenerOptions(),)

    def test_each_sets_its_option(self, certificates: Certificates) -> None:
        (listener,) = listener_from_flags(
            {
                "--address": "::1",
                "--port": 0,
                "--family": "inet6",
                "--protocol": "ssl",
                "--domain": "d.example",
                "--certfile": certificates.rsa.certfile,
                "--keyfile": certificates.rsa.keyfile,
                "--lmtp": True,
                "--require-tls": True,
                "--require-auth": True,
                "--allow-insecure-auth": True,
                "--timeout": 7.0,
                "--allow-bare-newlines": "fix",
                "--bare-newlines-from": ["192.0.2.17"],
                "--transcript": "transcript",
                "--transcript-from": ["192.0.2.0/24"],
                "--lenient": True,
                "--refuse-early-talkers": True,
                "--greet-delay": 2.0,
                "--limit": ["errors=5", "text_line=1000"],
                "--deadline": ["banner=5", "session=inf"],
                "--callback-option": ["size=5"],
            }
        )
        session = listener.sessionoptions
        assert (listener.address, listener.port, listener.family) == ("::1", 0, "inet6")
        assert (listener.protocol, listener.domain) == ("ssl", "d.example")
        assert (session.certfile, session.keyfile) == (certificates.rsa.certfile, certificates.rsa.keyfile)
        assert (session.protocol, session.timeout, session.allow_bare_newlines) == ("lmtp", 7, "fix")
        assert str(session.bare_newlines_from) == "192.0.2.17/32"
        assert session.require_tls
        assert session.require_auth
        assert session.allow_insecure_auth
        assert session.transcript == TranscriptOptions(file="transcript")
        assert str(session.transcript_from) == "192.0.2.0/24"
        assert session.lenient
        assert (session.refuse_early_talkers, session.greet_delay) == (True, 2)
        assert session.limits == Limits(errors=5, text_line=1000)
        assert session.deadlines == Deadlines(banner=5, session=math.inf)
        assert session.callbackoptions == {"size": 5, "protocol": "lmtp"}

    def test_that_are_about_proxies_set_theirs(self) -> None:
        networks = ["10.0.0.0/8", "::1"]
        (listener,) = listener_from_flags(
            {
                "--proxy-protocol": networks,
                "--trust-proxied-tls": True,
                "--xclient": ["unix"],
                "--xforward": ["::1"],
            }
        )
        assert str(listener.proxy_protocol) == "10.0.0.0/8, ::1/128"
        assert str(listener.xclient) == "unix"
        assert str(listener.xforward) == "::1/128"
        assert listener.trust_proxied_tls

    def test_that_are_about_a_unix_socket_set_theirs(self) -> None:
        (listener,) = listener_from_flags(
            {"--family": "unix", "--address": "x", "--mode": "660", "--socket-group": str(os.getgid())}
        )
        assert (listener.mode, listener.group) == (0o660, os.getgid())

    @pytest.mark.parametrize(("flag", "value"), [("--mode", "999"), ("--socket-group", "no such group")])
    def test_that_are_wrong_are_named(self, flag: str, value: str) -> None:
        with pytest.raises(CommandLineError, match=f"{flag}: .*{value}"):
            listener_from_flags({"--family": "unix", "--address": "x", flag: value})

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ({"--port": 70000}, "--port: not a whole number in range: 70000; allowed: 0 to 65535"),
            (
                {"--xclient": ["10.0.0.1/8"]},
                "--xclient: not a network: 10.0.0.1/8 has host bits set; allowed: ",
            ),
            ({"--trust-proxied-tls": True}, "--trust-proxied-tls: there is no proxy where the client's TLS"),
            ({"--timeout": -1.0}, "--timeout: not a time in seconds: -1.0; allowed: "),
            ({"--greet-delay": 5.0}, "--greet-delay: a delay alone is for nothing"),
            ({"--limit": ["recipients=5"]}, "--limit recipients: not a whole number in range: 5; allowed: "),
            ({"--deadline": ["reply=0"]}, "--deadline reply: not a time in seconds: 0; allowed: "),
            (
                {"--deadline": ["minimum_rate=-1"]},
                "--deadline minimum_rate: not a rate",
            ),
            ({"--keyfile": "x"}, "--certfile: TLS needs a certificate; allowed: "),
            ({"--lmtp": True, "--port": 25}, "--port: LMTP is not for port 25"),
            ({"--require-tls": True}, "--require-tls: nobody can start TLS here"),
        ],
    )
    def test_that_are_wrong_are_named_as_they_were_written(self, flags: dict[str, Any], message: str) -> None:
        with pytest.raises(CommandLineError) as caught:
            listener_from_flags(flags)
        assert str(caught.value).startswith(message)

    def test_an_encrypted_key_is_the_keyfiles_fault(self, certificates: Certificates) -> None:
        files = certificates.encrypted
        with pytest.raises(CommandLineError, match=r"^--keyfile: the key in .* is encrypted"):
            listener_from_flags({"--certfile": files.certfile, "--keyfile": files.keyfile})


class TestFile:
    def test_every_table_is_a_listener(self, tmp_path: Path) -> None:
        path = config_file(
            tmp_path,
            """
            [[listener]]
            port = 2626
            domain = "d.example"

            [[listener]]
            family = "inet6"
            [listener.sessionoptions]
            timeout = inf
            callbackoptions = { auth = true, size = 5 }
            """,
        )
        first, second = configuration_from_file(path).listeners
        assert (first.port, first.domain) == (2626, "d.example")
        assert (second.address, second.sessionoptions.timeout) == ("::", math.inf)
        assert second.sessionoptions.callbackoptions == {"auth": True, "size": 5}

    def test_the_table_server_is_for_all_listeners(self, tmp_path: Path) -> None:
        path = config_file(
            tmp_path,
            """
            [[listener]]
            [server]
            max_sessions = 5
            max_buffered = inf
            exempt = ["192.0.2.0/24"]
            """,
        )
        expected = ServerOptions(max_sessions=5, max_buffered=math.inf, exempt=["192.0.2.0/24"])
        assert configuration_from_file(path).server == expected

    def test_tls_options_and_names(self, tmp_path: Path, certificates: Certificates) -> None:
        path = config_file(
            tmp_path,
            f"""
            [[listener]]
            protocol = "ssl"
            [listener.sessionoptions.tls_options]
            certfile = "{certificates.rsa.certfile}"
            keyfile = "{certificates.rsa.keyfile}"
            [listener.sessionoptions.tls_options.sni_hosts."one.example"]
            certfile = "{certificates.one.certfile}"
            keyfile = "{certificates.one.keyfile}"
            """,
        )
        (listener,) = configuration_from_file(path).listeners
        assert listener.sessionoptions.tls_context() is not None

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[[listener]]\n[[listener]]\nport = 70000", "listener 2, option port: not a whole number"),
            ("[[listener]]\nprt = 25", "listener 1, option prt: there is no such option; did you mean port?"),
            ("[[listener]]\nport = ", "not a TOML file: "),
            (
                "[[listeners]]\nport = 25",
                "there is no 'listeners' here; every listener is a [[listener]] table",
            ),
            ("port = 25", "there is no 'port' here"),
            ("[listener]\nport = 25", "every listener is a [[listener]] table, with two brackets"),
            ("listener = []", "every listener is a [[listener]] table"),
            ("listener = [5]", "listener 1: not options"),
            ("[[listener]]\n[server]\nmax_sessions = 0", "option server.max_sessions: not a limit: 0"),
            (
                "[[listener]]\n[server]\nmax_session = 5",
                "option server.max_session: there is no such option; did you mean server.max_sessions?",
            ),
            ("[[listener]]\n[[server]]\n", "option server: "),
            (
                "[[listener]]\nmax_sessions = 5",
                "listener 1, option max_sessions: there is no such option; did you mean server.max_sessions?",
            ),
        ],
    )
    def test_that_is_wrong_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        path = config_file(tmp_path, text)
        with pytest.raises(CommandLineError) as caught:
            configuration_from_file(path)
        said = str(caught.value).removeprefix(str(path))
        assert re.sub(r"^, line \d+", "", said).startswith(f": {message}")

    def test_that_is_not_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "latin1.toml"
        path.write_bytes(b"# \xe9")
        with pytest.raises(CommandLineError, match="not a TOML file"):
            configuration_from_file(path)

    def test_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(CommandLineError, match=r"^--config: cannot read .*: No such file or directory$"):
            configuration_from_file(tmp_path / "missing.toml")


def server_with(*limits: str) -> ServerOptions:
    """The limits of a server that has these on its command line."""
    return configure(given({"--limit": list(limits)})).server


class TestLimits:
    def test_none_given_are_the_defaults(self) -> None:
        assert server_with() == ServerOptions()

    def test_are_names_and_values(self) -> None:
        server = server_with("max_sessions=5", "refuse_when_full=true", "max_buffered=inf", "ipv6_prefix=48")
        assert (server.max_sessions, server.refuse_when_full) == (5, True)
        assert (server.max_buffered, server.ipv6_prefix) == (math.inf, 48)

    def test_those_of_sessions_and_those_of_the_server_go_each_to_its_place(self) -> None:
        limits = ["messages=5", "max_sessions=6", "auth_failures=inf"]
        assert values_of_records("--limit", limits, LIMIT_RECORDS) == {
            "server": {"max_sessions": 6},
            "listener.sessionoptions.limits": {"messages": 5, "auth_failures": math.inf},
        }

    def test_no_name_stands_for_two_of_them(self) -> None:
        names = [name for record in LIMIT_RECORDS.values() for name in option_names(record)]
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize("text", ["192.0.2.0/24,2001:db8::/32", "['192.0.2.0/24', '2001:db8::/32']"])
    def test_networks_are_a_list_or_have_commas_between(self, text: str) -> None:
        assert [str(network) for network in server_with(f"exempt={text}").exempt] == [
            "192.0.2.0/24",
            "2001:db8::/32",
        ]

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            (["max_sessions=0"], "--limit max_sessions: not a limit: 0; allowed: a whole number from 1 up"),
            (["max_sessions"], "--limit max_sessions: not a limit: True"),
            (["exempt=localhost"], "--limit exempt: not a network: 'localhost'"),
            (
                ["max_session=5"],
                "--limit: option max_session: there is no such option; did you mean max_sessions?",
            ),
            (
                ["recipient=5"],
                "--limit: option recipient: there is no such option; did you mean recipients?",
            ),
            (["=5"], "--limit: '=5' has no key; write KEY=VALUE"),
            (["max_sessions=1", "max_sessions=2"], "--limit: 'max_sessions' is given twice"),
        ],
    )
    def test_that_are_wrong_are_named(self, limits: list[str], message: str) -> None:
        with pytest.raises(CommandLineError) as caught:
            server_with(*limits)
        assert str(caught.value).startswith(message)


class TestCallbackOptions:
    @pytest.mark.parametrize(
        ("text", "key", "value"),
        [
            ("auth", "auth", True),
            ("auth=false", "auth", False),
            ("size=655360", "size", 655360),
            ("size=inf", "size", math.inf),
            ("folder=/var/mail", "folder", "/var/mail"),
            ("text=a = b", "text", "a = b"),
            ("empty=", "empty", ""),
            ('quoted="5"', "quoted", "5"),
            ("hosts=['a', 'b']", "hosts", ["a", "b"]),
            ("two=1\nthree=3", "two", "1\nthree=3"),
        ],
    )
    def test_are_toml_values_or_text(self, text: str, key: str, value: Any) -> None:
        assert keys_and_values("--callback-option", [text]) == {key: value}

    @pytest.mark.parametrize("texts", [["=5"], [""], ["a=1", "a=2"]])
    def test_without_a_key_or_with_one_twice_are_refused(self, texts: list[str]) -> None:
        with pytest.raises(CommandLineError, match=r"^--callback-option: "):
            keys_and_values("--callback-option", texts)
