"""Options of a server: what is taken, what it becomes, and how an error says what is wrong."""

from __future__ import annotations

import grp
import ipaddress
import math
import os
from pathlib import Path
from typing import Any

import pytest

from actors.errors import StartError
from gen_smtp import smtp_util
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.hints import OTHER_NAMES, PLACES
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.parsing import parse_options
from gen_smtp.options.session import SessionOptions
from gen_smtp.options.tls.record import TlsOptions
from tests.certificates import Certificates


def one(**options: Any) -> ListenerOptions:
    """The record of a single listener."""
    (listener,) = parse_options([options])
    return listener


def refused(options: Any) -> OptionsError:
    """The error that these options of a server get."""
    with pytest.raises(OptionsError) as caught:
        parse_options(options)
    return caught.value


def session_refused(**sessionoptions: Any) -> OptionsError:
    """The error that these session options get."""
    return refused([{"sessionoptions": sessionoptions}])


class TestDefaults:
    def test_no_options_are_one_listener_on_every_ipv4_address_at_port_2525(self) -> None:
        (listener,) = parse_options()
        assert (listener.address, listener.port) == ("0.0.0.0", 2525)
        assert (listener.family, listener.protocol, listener.domain) == ("inet", "tcp", None)
        assert listener.backlog == 4096

    def test_none_is_no_options(self) -> None:
        assert parse_options(None) == parse_options()

    def test_an_empty_mapping_is_a_listener_with_the_defaults(self) -> None:
        assert parse_options([{}]) == parse_options()

    def test_inet6_listens_on_every_ipv6_address(self) -> None:
        assert one(family="inet6").address == "::"

    def test_of_sessions(self) -> None:
        session = one().sessionoptions
        assert session.allow_bare_newlines is False
        assert (session.protocol, session.timeout, session.callbackoptions) == ("smtp", 300, {})
        assert (session.allow_insecure_auth, session.require_tls, session.require_auth) == (
            False,
            False,
            False,
        )
        assert session.tls_context() is None

    def test_listeners_do_not_share_their_default_callbackoptions(self) -> None:
        first, second = parse_options([{}, {}])
        assert first.sessionoptions.callbackoptions is not second.sessionoptions.callbackoptions


class TestShapes:
    def test_every_listener_of_the_list_has_its_record_in_order(self) -> None:
        assert [listener.port for listener in parse_options([{"port": 1}, {"port": 2}, {"port": 3}])] == [
            1,
            2,
            3,
        ]

    def test_a_tuple_of_listeners_is_a_list(self) -> None:
        assert parse_options(({"port": 1},)) == parse_options([{"port": 1}])

    def test_erlangs_list_of_pairs(self) -> None:
        proplist = [("port", 25), ("address", (127, 0, 0, 1)), ("sessionoptions", [("timeout", 180)])]
        (listener,) = parse_options([proplist])
        assert (listener.port, listener.address, listener.sessionoptions.timeout) == (25, "127.0.0.1", 180)

    def test_a_typed_record_is_taken_as_it_is(self) -> None:
        typed = ListenerOptions(port=26, sessionoptions=SessionOptions(protocol="lmtp"))
        assert parse_options([typed])[0] is typed

    def test_a_record_checks_its_fields_itself(self) -> None:
        with pytest.raises(OptionsError) as caught:
            ListenerOptions(port=70000)
        assert (caught.value.listener, caught.value.option) == (None, "port")

    def test_typed_session_options_in_a_mapping(self) -> None:
        session = SessionOptions(timeout=7)
        assert one(sessionoptions=session).sessionoptions is session

    @pytest.mark.parametrize(
        "options", [{}, {"port": 25}, ListenerOptions(), [("port", 25)], (("port", 25),)]
    )
    def test_one_listener_outside_a_list_is_told_so(self, options: Any) -> None:
        error = refused(options)
        assert "put them into a list" in str(error)
        assert (error.listener, error.option) == (None, None)

    def test_an_empty_list_is_told_so(self) -> None:
        assert "the list of options is empty" in str(refused([]))

    @pytest.mark.parametrize("options", ["port", 25, {25}, iter([{}]), b"x"])
    def test_anything_else_is_no_list(self, options: Any) -> None:
        assert "not a list of options" in str(refused(options))

    @pytest.mark.parametrize("listener", [25, "inet6", None, {25}])
    def test_a_listener_that_is_no_mapping(self, listener: Any) -> None:
        error = refused([{}, listener])
        assert error.listener == 2
        assert error.allowed == "a mapping, or a list of (key, value) pairs"

    @pytest.mark.parametrize("pair", ["inet6", ("port",), ("port", 1, 2), (25, "port")])
    def test_a_list_of_pairs_with_something_else_in_it(self, pair: Any) -> None:
        assert "not a (key, value) pair" in str(refused([[("family", "inet6"), pair]]))

    def test_an_option_twice_in_a_list_of_pairs(self) -> None:
        error = refused([[("port", 25), ("port", 26)]])
        assert (error.option, error.problem) == ("port", "given twice")


class TestErrors:
    def test_is_a_start_error_and_a_value_error(self) -> None:
        assert issubclass(OptionsError, StartError)
        assert issubclass(OptionsError, ValueError)

    def test_names_listener_option_and_what_is_allowed(self) -> None:
        error = refused([{}, {"port": 65536}])
        assert (error.listener, error.option, error.allowed) == (2, "port", "0 to 65535")
        assert (
            str(error) == "listener 2, option port: not a whole number in range: 65536; allowed: 0 to 65535"
        )

    def test_names_the_place_of_an_inner_option(self) -> None:
        error = session_refused(tls_options={"verify": "yes"})
        assert error.option == "sessionoptions.tls_options.verify"

    @pytest.mark.parametrize(
        ("options", "nearest"),
        [
            ({"adress": "::"}, "address"),
            ({"Port": 25}, "port"),
            ({"sesionoptions": {}}, "sessionoptions"),
            ({"certfile": "x.pem"}, "sessionoptions.certfile"),
            ({"sessionoptions": {"time_out": 3}}, "sessionoptions.timeout"),
            ({"sessionoptions": {"cafile": "x.pem"}}, "sessionoptions.tls_options.cafile"),
            ({"sessionoptions": {"tls_options": {"cert_file": "x"}}}, "sessionoptions.tls_options.certfile"),
            ({"host": "::"}, "address"),
            ({"auth_required": True}, "sessionoptions.require_auth"),
            ({"sessionoptions": {"auth_required": True}}, "sessionoptions.require_auth"),
            ({"sessionoptions": {"auth_require_tls": False}}, "sessionoptions.allow_insecure_auth"),
            ({"require_starttls": True}, "sessionoptions.require_tls"),
            ({"ssl_context": None}, "sessionoptions.tls_options"),
            ({"sessionoptions": {"tls_context": None}}, "sessionoptions.tls_options"),
            ({"max_sessions": 5}, "serveroptions.max_sessions"),
            ({"sessionoptions": {"max_sessions": 5}}, "serveroptions.max_sessions"),
            ({"maxsessions": 5}, "serveroptions.max_sessions"),
            ({"ranch_opts": {}}, "serveroptions.max_sessions or backlog"),
            ({"smtpd_authorized_xforward_hosts": []}, "xforward"),
            ({"sessionoptions": {"strict_rfc821_envelopes": False}}, "sessionoptions.lenient"),
            ({"data_size_limit": 5}, "sessionoptions.limits.message_size"),
            ({"message_size": 5}, "sessionoptions.limits.message_size"),
            ({"message_siz": 5}, "sessionoptions.limits.message_size"),
            ({"sessionoptions": {"port": 25}}, "port"),
            ({"sessionoptions": {"server_hostname": "x"}}, "domain"),
            ({"timeout": 180000}, "sessionoptions.timeout"),
            ({"sessionoptions": {"tls_options": {"cacertfile": "x"}}}, "sessionoptions.tls_options.cafile"),
            ({"sessionoptions": {"limits": {"data_block": 5}}}, "sessionoptions.deadlines.data_block"),
        ],
    )
    def test_an_unknown_option_is_told_the_nearest(self, options: dict[str, Any], nearest: str) -> None:
        error = refused([options])
        assert error.nearest == nearest
        assert f"did you mean {nearest}?" in str(error)

    def test_every_hint_names_an_option_that_there_is(self) -> None:
        meant = {each for hint in OTHER_NAMES.values() for each in hint.split(" or ")}
        assert meant - set(PLACES.values()) == {"sessionoptions.protocol"}  # which the listener has, too
        assert not [name for name in OTHER_NAMES if "_" in name or name != name.lower()]

    @pytest.mark.parametrize("milliseconds", [30000, 180000, 300000.0])
    def test_milliseconds_are_told_from_seconds(self, milliseconds: float) -> None:
        error = session_refused(timeout=milliseconds)
        assert error.problem == f"these seem to be milliseconds: {milliseconds!r}"
        assert error.allowed == (
            f"a number of seconds, here {milliseconds / 1000:g}; or math.inf for no limit"
        )

    def test_an_unknown_option_is_told_all_there_are(self) -> None:
        error = refused([{"xyzzy": 1}])
        assert error.nearest is None
        assert error.allowed == (
            "domain, address, port, protocol, family, backlog, mode, group, proxy_protocol, "
            "trust_proxied_tls, xclient, xforward, sessionoptions"
        )

    def test_an_option_whose_name_is_no_text(self) -> None:
        assert "the name of an option is not text: 25" in str(refused([{25: "port"}]))

    @pytest.mark.parametrize(
        "sessionoptions",
        [
            "s3cret",
            {"tls_options": "s3cret"},
            {"tls_options": {"password": ["s3cret"]}},
            {"tls_options": {"certfile": {"password": "s3cret"}}},
            {"timeout": {"password": "s3cret"}},
            {"hostname": ("password", "s3cret")},
        ],
    )
    def test_never_shows_what_could_be_a_password(self, sessionoptions: Any) -> None:
        assert "s3cret" not in str(refused([{"sessionoptions": sessionoptions}]))

    @pytest.mark.parametrize("value", [10**5000, -(10**5000), (10**5000,), "x" * 5000], ids=lambda _: "value")
    def test_shows_monstrous_values_in_short(self, value: Any) -> None:
        assert len(str(refused([{"address": value}]))) < 250
        assert len(str(refused([{"port": value}]))) < 250


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "text"),
        [
            ("127.0.0.1", "127.0.0.1"),
            ((127, 0, 0, 1), "127.0.0.1"),
            (ipaddress.IPv4Address("127.0.0.1"), "127.0.0.1"),
            ("localhost", "localhost"),
            ("mail_1.example.com", "mail_1.example.com"),
        ],
    )
    def test_of_ipv4(self, address: Any, text: str) -> None:
        assert one(address=address).address == text

    @pytest.mark.parametrize(
        ("address", "text"),
        [
            ("::1", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ((0, 0, 0, 0, 0, 0, 0, 1), "::1"),
            ((0xFE80, 0, 0, 0, 0, 0, 0, 0xFFFF), "fe80::ffff"),
            (ipaddress.IPv6Address("::1"), "::1"),
            ("fe80::1%lo", "fe80::1%lo"),
            ("localhost", "localhost"),
        ],
    )
    def test_of_ipv6(self, address: Any, text: str) -> None:
        assert one(address=address, family="inet6").address == text

    @pytest.mark.parametrize(
        "address",
        ["", "127.1", "1.2.3.400", "[::1]", "a b", "a\nb", "-a", "a..b", 2130706433, b"127.0.0.1", {},
         (127, 0, 0), (127, 0, 0, 256), (127, 0, 0, -1), (True, 0, 0, 1), ("127", 0, 0, 1), [127, 0, 0, 1],
         "bücher.example"],
    )  # fmt: skip
    @pytest.mark.parametrize("family", ["inet", "inet6"])
    def test_anything_else_is_refused(self, address: Any, family: str) -> None:
        assert refused([{"address": address, "family": family}]).option == "address"

    @pytest.mark.parametrize(
        ("address", "family", "other"), [("::1", "inet", "inet6"), ((127, 0, 0, 1), "inet6", "inet")]
    )
    def test_of_the_other_family_is_told_the_family(self, address: Any, family: str, other: str) -> None:
        error = refused([{"address": address, "family": family}])
        assert error.problem.endswith(f"family {other}")

    def test_of_a_unix_socket_is_its_path(self, tmp_path: Path) -> None:
        for path in (Path("mail.sock"), "mail.sock"):
            listener = one(family="unix", address=path)
            assert (listener.address, listener.port) == ("mail.sock", None)

    @pytest.mark.parametrize(
        "options", [{}, {"address": ""}, {"address": (127, 0, 0, 1)}, {"address": "a\0b"}]
    )
    def test_of_a_unix_socket_must_be_a_path(self, options: dict[str, Any]) -> None:
        assert refused([{"family": "unix", **options}]).option == "address"

    def test_of_a_unix_socket_has_107_octets_at_most(self) -> None:
        assert one(family="unix", address="x" * 107).address == "x" * 107
        assert refused([{"family": "unix", "address": "ä" * 54}]).allowed == "up to 107 octets"

    def test_a_unix_socket_has_no_port(self) -> None:
        assert refused([{"family": "unix", "address": "x", "port": 2525}]).option == "port"

    @pytest.mark.parametrize("mode", [0o660, "660", "0660", "0o660"])
    def test_of_a_unix_socket_has_permissions(self, mode: Any) -> None:
        assert one(family="unix", address="x", mode=mode).mode == 0o660

    @pytest.mark.parametrize("mode", [660, -1, 0o1000, True, 1.0, "", "8", "1777", "rw", "٦٦٠"])
    def test_of_a_unix_socket_has_no_other_permissions(self, mode: Any) -> None:
        error = refused([{"family": "unix", "address": "x", "mode": mode}])
        assert (error.option, error.allowed) == (
            "mode",
            "octal permissions up to 0o777, such as 0o660; as text '660'",
        )

    def test_of_a_unix_socket_has_a_group_by_name_or_number(self) -> None:
        group = grp.getgrgid(os.getgid())
        for given in (group.gr_name, group.gr_gid, str(group.gr_gid)):
            assert one(family="unix", address="x", group=given).group == group.gr_gid

    @pytest.mark.parametrize("group", ["no such group", "", -1, 2**40, str(2**40), True, 1.0])
    def test_of_a_unix_socket_has_no_group_that_is_not_there(self, group: Any) -> None:
        error = refused([{"family": "unix", "address": "x", "group": group}])
        assert error.option == "group"
        assert error.problem.startswith("there is no such group: ")

    @pytest.mark.parametrize("option", [{"mode": 0o660}, {"group": 0}])
    @pytest.mark.parametrize("family", ["inet", "inet6"])
    def test_without_a_file_has_neither(self, family: str, option: dict[str, Any]) -> None:
        error = refused([{"family": family, **option}])
        assert error.option in option
        assert error.problem == "only a unix socket has a file"


class TestValues:
    @pytest.mark.parametrize("port", [0, 1, 25, 65535])
    def test_ports(self, port: int) -> None:
        assert one(port=port).port == port

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *(("port", value) for value in (-1, 65536, True, "25", 25.0, b"25")),
            *(("backlog", value) for value in (0, -1, True, None, "9", 2**31)),
            *(("protocol", value) for value in ("TCP", "tls", None, True, 0)),
            *(("family", value) for value in ("inet4", 2, None, "")),
            *(
                ("domain", value)
                for value in ("", "a b", "a\r\n250 b", "a\0", 5, b"a", "<a>", "a@b", "x" * 256, "[]")
            ),
            *(("sessionoptions", value) for value in (None, 5, "x")),
        ],
    )
    def test_of_a_listener_that_are_refused(self, option: str, value: Any) -> None:
        assert refused([{option: value}]).option == option

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            *(("allow_bare_newlines", value) for value in (True, 0, None, "", "FIX")),
            *(("protocol", value) for value in ("tcp", None, "LMTP")),
            *(("timeout", value) for value in (0, -1, True, None, "300", math.nan, -math.inf, 10**400)),
            *(("hostname", value) for value in ("", "a b", "a\t", 5)),
            *(("certfile", value) for value in ("", 5, b"x", "a\0b")),
            *(("keyfile", value) for value in ("", 5, b"x")),
            *(("allow_insecure_auth", value) for value in (1, 0, None, "yes")),
            *(("require_tls", value) for value in (1, None)),
            *(("require_auth", value) for value in (1, None)),
        ],
    )
    def test_of_a_session_that_are_refused(self, option: str, value: Any) -> None:
        assert session_refused(**{option: value}).option == f"sessionoptions.{option}"

    @pytest.mark.parametrize("value", [False, "ignore", "fix", "strip"])
    def test_of_allow_bare_newlines(self, value: Any) -> None:
        assert one(sessionoptions={"allow_bare_newlines": value}).sessionoptions.allow_bare_newlines is value

    def test_of_bare_newlines_from(self) -> None:
        given = {"allow_bare_newlines": "fix", "bare_newlines_from": "192.0.2.0/24, unix"}
        peers = one(sessionoptions=given).sessionoptions.bare_newlines_from
        assert str(peers) == "192.0.2.0/24, unix"
        for wrong in ([], "192.0.2.1/24", 5, "host.test"):
            refused = session_refused(allow_bare_newlines="fix", bare_newlines_from=wrong)
            assert refused.option == "sessionoptions.bare_newlines_from"
        assert "together with allow_bare_newlines" in str(session_refused(bare_newlines_from="192.0.2.1"))

    @pytest.mark.parametrize("value", [0.001, 1, 180, 7200, 86400, 1e9, math.inf])
    def test_of_timeout(self, value: float) -> None:
        assert one(sessionoptions={"timeout": value}).sessionoptions.timeout == value

    @pytest.mark.parametrize("value", [None, [], object(), {"password": "s3cret"}])
    def test_callbackoptions_are_handed_over_as_they_are(self, value: Any) -> None:
        assert one(sessionoptions={"callbackoptions": value}).sessionoptions.callbackoptions is value


class TestCombinations:
    def test_lmtp_on_port_25_is_refused(self) -> None:
        error = refused([{"port": 25, "sessionoptions": {"protocol": "lmtp"}}])
        assert error.option == "port"
        assert "LMTP" in error.problem

    def test_lmtp_elsewhere_is_taken(self) -> None:
        assert one(port=24, sessionoptions={"protocol": "lmtp"}).sessionoptions.protocol == "lmtp"
        assert one(family="unix", address="x", sessionoptions={"protocol": "lmtp"}).port is None

    def test_ssl_needs_a_certificate(self) -> None:
        error = refused([{}, {"protocol": "ssl"}])
        assert (error.listener, error.option) == (2, "protocol")
        assert "certfile" in str(error.allowed)

    def test_require_tls_needs_a_certificate(self) -> None:
        assert session_refused(require_tls=True).option == "sessionoptions.require_tls"

    def test_require_auth_needs_tls_or_leave_to_do_without(self, certificates: Certificates) -> None:
        assert session_refused(require_auth=True).option == "sessionoptions.require_auth"
        assert one(
            sessionoptions={"require_auth": True, "allow_insecure_auth": True}
        ).sessionoptions.require_auth
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        assert one(sessionoptions={"require_auth": True, **files}).sessionoptions.require_auth


class TestHostname:
    def test_is_the_domain_first(self) -> None:
        assert one(domain="d.example", sessionoptions={"hostname": "h.example"}).hostname() == "d.example"

    def test_is_the_session_option_next(self) -> None:
        assert one(sessionoptions={"hostname": "h.example"}).hostname() == "h.example"

    def test_is_the_machines_name_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(smtp_util, "guess_FQDN", lambda: "machine.example")
        assert one().hostname() == "machine.example"

    @pytest.mark.parametrize(
        "name", ["localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "xn--bcher-kva.example.", "a_b"]
    )
    def test_may_be_a_name_or_an_address_literal(self, name: str) -> None:
        assert one(domain=name).hostname() == name


class TestRepr:
    def test_shows_no_password(self) -> None:
        tls = TlsOptions(password="s3cret", sni_hosts={"a.example": TlsOptions(password=b"s3cret")})
        session = SessionOptions(tls_options=tls, callbackoptions={"database": "s3cret"})
        for record in (tls, session, ListenerOptions(sessionoptions=session)):
            assert "s3cret" not in repr(record)
