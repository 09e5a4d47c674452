"""Which certificate a client is shown: wildcards, a function that chooses, and what it may do wrong."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from actors.events import HookFailed
from gen_smtp.options.tls.names import NameChooser
from tests.certificates import Certificates
from tests.gen_smtp.live import collected, everything, take
from tests.gen_smtp.options.tls.handshakes import client_context, context_of, files_of, handshake, refused


def chosen(chooser: NameChooser, name: str | None) -> Any:
    """The context that a client gets."""

    class Connection:
        context: Any = None

    connection = Connection()
    chooser(connection, name, None)  # type: ignore[arg-type]
    return connection.context


DEFAULT, EXACT, WILD, DEEP, OTHER = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(5))
HOSTS = {"mx.example.com": EXACT, "*.Example.com": WILD, "*.a.example.com": DEEP}


@pytest.mark.parametrize(
    ("name", "context"),
    [
        (None, DEFAULT),
        ("", DEFAULT),
        ("mx.example.com", EXACT),
        ("MX.Example.COM", EXACT),
        ("mx.example.com.", EXACT),
        ("other.example.com", WILD),
        ("*.example.com", WILD),
        ("a.example.com", WILD),
        ("x.a.example.com", DEEP),
        ("x.b.example.com", DEFAULT),
        ("example.com", DEFAULT),
        (".example.com", DEFAULT),
        ("mx.example.org", DEFAULT),
    ],
)
def test_a_star_stands_for_one_label_and_a_name_goes_before_it(
    name: str | None, context: ssl.SSLContext
) -> None:
    assert chosen(NameChooser(DEFAULT, HOSTS, None), name) is context


def test_a_function_is_asked_for_what_nobody_knows() -> None:
    asked: list[str] = []
    answers = {"one.test": OTHER, "two.test": "mx.example.com", "three.test": "any.EXAMPLE.com"}

    def sni_fun(name: str) -> Any:
        asked.append(name)
        return answers.get(name)

    chooser = NameChooser(DEFAULT, HOSTS, sni_fun)
    names = ["One.TEST", "two.test", "three.test", "four.test", "mx.example.com", None]
    assert [chosen(chooser, name) for name in names] == [OTHER, EXACT, WILD, DEFAULT, EXACT, DEFAULT]
    assert asked == ["one.test", "two.test", "three.test", "four.test"]


@pytest.mark.parametrize("answer", [5, "unknown.test", b"mx.example.com", RuntimeError("no database")])
def test_a_function_with_a_fault_costs_no_handshake_and_is_told(answer: Any) -> None:
    def sni_fun(name: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with collected(HookFailed) as failures:
        assert chosen(NameChooser(DEFAULT, HOSTS, sni_fun), "one.test") is DEFAULT
        event = take(failures)
    assert event.hook == "sni_fun"
    if not isinstance(answer, Exception):
        assert "an ssl.SSLContext, a name of sni_hosts, or None" in str(event.error)


def test_both_choose_in_a_handshake(certificates: Certificates) -> None:
    two = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    two.load_cert_chain(certificates.two.certfile, certificates.two.keyfile)
    context = context_of(
        **files_of(certificates.rsa),
        sni_hosts={"*.example": files_of(certificates.one)},
        sni_fun=lambda name: two if name == "two.else.example" else None,
    )
    client = client_context(certificates.cafile)
    client.check_hostname = False
    shown = {}
    for name in ("one.example", "x.example", "two.else.example", "localhost", None):
        _, end = handshake(context, client, name)
        certificate: Any = end.getpeercert()
        shown[name] = certificate["subjectAltName"][0][1]
    assert shown == {
        "one.example": "one.example",
        "x.example": "one.example",
        "two.else.example": "two.example",
        "localhost": "localhost",
        None: "localhost",
    }


@pytest.mark.parametrize("name", ["*", "*.", "*example.com", "a.*.example.com", "*.*.example.com", "**.x"])
def test_a_star_is_the_first_label_and_no_other(certificates: Certificates, name: str) -> None:
    error = refused(
        tls_options={**files_of(certificates.rsa), "sni_hosts": {name: files_of(certificates.one)}}
    )
    assert error.option == f"sessionoptions.tls_options.sni_hosts.{name}"
    assert "not a host name" in error.problem


def test_a_function_is_one(certificates: Certificates) -> None:
    error = refused(tls_options={**files_of(certificates.rsa), "sni_fun": {"a": "b"}})
    assert error.option == "sessionoptions.tls_options.sni_fun"
    host = {**files_of(certificates.one), "sni_fun": lambda name: None}
    error = refused(tls_options={**files_of(certificates.rsa), "sni_hosts": {"one.example": host}})
    assert error.option == "sessionoptions.tls_options.sni_hosts.one.example.sni_fun"


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    with collected(HookFailed) as failures:
        chosen(NameChooser(DEFAULT, HOSTS, lambda name: None), "x.test")
    assert everything(failures) == []
