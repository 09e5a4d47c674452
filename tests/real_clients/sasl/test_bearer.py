"""XOAUTH2 and OAUTHBEARER of curl and msmtp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.sasl import BearerToken
from tests.certificates import Certificates
from tests.real_clients.sasl.conftest import TOKEN, SaslCollector
from tests.real_clients.tools.collector import USERNAME
from tests.real_clients.tools.mails import MESSAGES, RECIPIENT, SENDER

LOGIN_DENIED = 67
NO_PERMISSION = 77
MESSAGE = MESSAGES["attachments"]
MECHANISMS = pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])


def expected(mechanism: str, token: str, port: int) -> tuple[Any, ...]:
    """What handle_AUTH is to get."""
    if mechanism == "XOAUTH2":
        return ("xoauth2", USERNAME, BearerToken(token), None)
    return ("oauthbearer", USERNAME, BearerToken(token, "localhost", port), USERNAME)


Client = Callable[..., str]


@pytest.fixture
def curl(run_client: Client, tmp_path: Path, certificates: Certificates) -> Client:
    """`curl(port, *arguments, token=TOKEN, exit_code=0)`: send a message."""

    def run(port: int, *arguments: str, token: str = TOKEN, exit_code: int = 0) -> str:
        upload = tmp_path / "message"
        upload.write_bytes(MESSAGE)
        options = ["--disable", "--silent", "--show-error", "--ipv4", "--noproxy", "*", "--ssl-reqd"]
        bearer = ["--user", f"{USERNAME}:", "--oauth2-bearer", token, "--cacert", certificates.cafile]
        envelope = ["--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", str(upload)]
        url = f"smtp://localhost:{port}/curl.example"
        return run_client("curl", *options, *bearer, *envelope, *arguments, url, exit_code=exit_code)

    return run


class TestCurl:
    @MECHANISMS
    @pytest.mark.parametrize("initial_response", [(), ("--sasl-ir",)])
    def test_with_a_good_token_brings_its_mail(
        self,
        curl: Client,
        serve_sasl: Any,
        sasl_collector: SaslCollector,
        mechanism: str,
        initial_response: tuple[str, ...],
    ) -> None:
        port = serve_sasl(mechanism).port
        curl(port, *initial_response)
        mail = sasl_collector.mail()
        assert (mail.user, mail.data) == (USERNAME, MESSAGE)
        assert sasl_collector.login() == expected(mechanism, TOKEN, port)

    @MECHANISMS
    @pytest.mark.parametrize("initial_response", [(), ("--sasl-ir",)])
    def test_answers_the_last_challenge_and_hears_that_its_token_is_refused(
        self,
        curl: Client,
        serve_sasl: Any,
        sasl_collector: SaslCollector,
        mechanism: str,
        initial_response: tuple[str, ...],
    ) -> None:
        port = serve_sasl(mechanism).port
        curl(port, *initial_response, token="expired", exit_code=LOGIN_DENIED)
        assert sasl_collector.login() == expected(mechanism, "expired", port)
        assert sasl_collector.end() == "normal"
        assert sasl_collector.mails.empty()


@pytest.fixture
def msmtp(run_client: Client, certificates: Certificates) -> Client:
    """`msmtp(port, mechanism, token=TOKEN, exit_code=0)`: send a message."""

    def run(port: int, mechanism: str, *, token: str = TOKEN, exit_code: int = 0) -> str:
        tls = ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={certificates.cafile}"]
        login = [f"--auth={mechanism.lower()}", f"--user={USERNAME}", f"--passwordeval=echo '{token}'"]
        where = ["--file=/dev/null", "--host=localhost", f"--port={port}"]
        message = b"Subject: hello\n\nhello\n"
        arguments = [*where, *tls, *login, f"--from={SENDER}", RECIPIENT]
        return run_client("msmtp", *arguments, input=message, exit_code=exit_code)

    return run


class TestMsmtp:
    @MECHANISMS
    def test_with_a_good_token_brings_its_mail(
        self, msmtp: Client, serve_sasl: Any, sasl_collector: SaslCollector, mechanism: str
    ) -> None:
        port = serve_sasl(mechanism).port
        msmtp(port, mechanism)
        assert sasl_collector.mail().user == USERNAME
        assert sasl_collector.login() == expected(mechanism, TOKEN, port)

    @MECHANISMS
    def test_shows_the_reply_where_its_token_is_refused(
        self, msmtp: Client, serve_sasl: Any, sasl_collector: SaslCollector, mechanism: str
    ) -> None:
        output = msmtp(serve_sasl(mechanism).port, mechanism, token="expired", exit_code=NO_PERMISSION)
        assert "535 Authentication failed." in output
        assert sasl_collector.mails.empty()
