"""XOAUTH2, DSN and REQUIRETLS of nodemailer, with which most programs of Node.js send mail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import ok
from gen_smtp.reports import OriginalRecipient
from gen_smtp.sasl import BearerToken
from tests.certificates import Certificates
from tests.gen_smtp.live import behaviour, serving
from tests.real_clients.sasl.conftest import TOKEN, SaslCollector
from tests.real_clients.tools.collector import USERNAME
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

FOLDER = Path(__file__).parents[1] / "node"
MESSAGE = MESSAGES["attachments"]
ENVELOPE = {"envelope": {"from": SENDER, "to": [RECIPIENT]}}

Send = Callable[..., str]


@pytest.fixture
def send(run_client: Send, require_tool: Callable[[str], str]) -> Send:
    """`send(transport, message, exit_code=0)`: send MESSAGE with nodemailer; what it says."""
    require_tool("node")
    if not (FOLDER / "node_modules/nodemailer").is_dir():
        require_tool("nodemailer")  # which is no command: skips the test, or fails it in CI

    def run(transport: Any, message: Any, exit_code: int = 0) -> str:
        given = json.dumps({"transport": transport, "message": message})
        return run_client("node", str(FOLDER / "send.js"), given, input=MESSAGE, exit_code=exit_code)

    return run


@pytest.mark.parametrize(("token", "exit_code"), [(TOKEN, 0), ("expired", 1)])
def test_xoauth2(
    send: Send,
    serve_sasl: Any,
    sasl_collector: SaslCollector,
    certificates: Certificates,
    token: str,
    exit_code: int,
) -> None:
    transport = {
        "host": "localhost",
        "port": serve_sasl("XOAUTH2").port,
        "requireTLS": True,
        "tls": {"ca": Path(certificates.cafile).read_text()},
        "auth": {"type": "OAuth2", "user": USERNAME, "accessToken": token},
    }
    said = send(transport, ENVELOPE, exit_code)
    assert sasl_collector.login() == ("xoauth2", USERNAME, BearerToken(token), None)
    if exit_code:
        assert said == "Invalid login: 535 Authentication failed.\n"
        assert sasl_collector.mails.empty()
    else:
        mail = sasl_collector.mail()
        assert (mail.user, mail.sender, mail.recipients, mail.data) == (
            USERNAME,
            SENDER,
            [RECIPIENT],
            MESSAGE,
        )


def test_dsn(send: Send) -> None:
    taken: list[Any] = []

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        transaction = self.session.transaction
        taken.append((data, transaction.sender_parameters, transaction.recipient_parameters))
        return ok

    module = behaviour(handle_EHLO=ok([("DSN", True), ("SIZE", "10485760")]), handle_DATA=handle_DATA)
    wanted = {"id": "order 4711", "return": "headers", "notify": ["failure", "delay"], "recipient": SENDER}
    with serving(module) as server:
        host, port = server.addresses[0]
        send({"host": host, "port": port, "ignoreTLS": True}, {**ENVELOPE, "dsn": wanted})
    ((data, of_sender, (of_recipient,)),) = taken
    assert data == MESSAGE
    assert (of_sender.ret, of_sender.envid) == ("HDRS", "order 4711")
    assert of_recipient.notify == {"FAILURE", "DELAY"}
    assert of_recipient.orcpt == OriginalRecipient("rfc822", SENDER)


def test_requiretls(send: Send, certificates: Certificates) -> None:
    taken: list[Any] = []

    def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
        taken.append((data, self.session.transaction.sender_parameters.require_tls))
        return ok

    pair = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
    transport = {"host": "localhost", "tls": {"ca": Path(certificates.cafile).read_text()}}
    message = {"envelope": {**ENVELOPE["envelope"], "requireTLSExtensionEnabled": True}}
    for announced, exit_code in ((("REQUIRETLS", True), 0), (("8BITMIME", True), 1)):
        module = behaviour(handle_EHLO=ok([("STARTTLS", True), announced]), handle_DATA=handle_DATA)
        with serving(module, sessionoptions=pair) as server:
            said = send({**transport, "port": server.addresses[0][1]}, message, exit_code)
        assert exit_code == 0 or "does not support REQUIRETLS" in said
    assert taken == [(MESSAGE, True)]
