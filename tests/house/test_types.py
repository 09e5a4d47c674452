"""The types that callbacks are annotated with satisfy `mypy --strict`, and say what may not be returned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CALLBACKS = """
from typing import Any

from gen_smtp.gen_smtp_server_session import (
    AuthResult, Behaviour, DataResult, ErrorResult, Extensions, InfoResult, InitResult, MessageStream,
    NoticeResult, OtherResult, Peername, Verdict, error, identified, ignore, multiple, noreply, ok, reply,
    stop,
)
from gen_smtp.sasl import Challenge, Credentials, Mechanism, SaslStep, ScramKeys


class Otp(Mechanism):
    name = "X-OTP"

    def answer(self, response: bytes) -> SaslStep:
        return Credentials("alice", response) if response else Challenge(b"more")


class Mine(Behaviour):
    mechanisms = ("PLAIN", Otp)
    takes_authzid = True

    @classmethod
    def check_options(cls, options: Any) -> None: ...

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> InitResult:
        return ok if session_count < 3 else stop("busy", "421 busy") if peername else ignore

    def handle_HELO(self, hostname: str) -> Verdict:
        return ok(1000)

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> Verdict:
        return ok(extensions) if hostname else error("550 no")

    def handle_STARTTLS(self) -> NoticeResult:
        return None if self.session.tls else stop("why")

    def handle_AUTH(self, mechanism: str, username: str, credential: str | tuple[str, str]) -> AuthResult:
        return identified("alice") if username else error

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Verdict:
        return ok(ScramKeys.decoy("SCRAM-SHA-256", username)) if mechanism else error

    def handle_MAIL(self, sender: str) -> Verdict:
        return ok

    def handle_MAIL_extension(self, extension: str) -> Verdict:
        return ok

    def handle_RCPT(self, recipient: str) -> Verdict:
        return stop("policy", "554 no") if recipient else ok

    def handle_RCPT_extension(self, extension: str) -> Verdict:
        return error("555 no")

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> DataResult:
        return multiple([ok("taken"), error("452 full")]) if data else ok("queued")

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> DataResult:
        return self.handle_DATA(sender, recipients, stream.read())

    def handle_RSET(self) -> NoticeResult:
        return ok

    def handle_VRFY(self, address: str) -> Verdict:
        return ok("252 perhaps")

    def handle_other(self, verb: str, args: str) -> OtherResult:
        return reply("214 help") if verb == "HELP" else noreply if verb == "X" else error

    def handle_info(self, message: object) -> InfoResult:
        return noreply

    def handle_error(self, error_class: str, detail: object) -> ErrorResult:
        return ok

    def terminate(self, reason: object) -> None: ...
"""
WRONG = {
    "handle_RCPT(self, recipient: str) -> Verdict": "return multiple([])",
    "handle_MAIL(self, sender: str) -> Verdict": "return '250 ok'",
    "handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> DataResult": "return noreply",
}


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)


@pytest.mark.timeout(180)
def test_the_exported_types_fit_every_callback_and_the_examples() -> None:
    ended = mypy("-c", CALLBACKS)
    assert (ended.stdout, ended.returncode) == ("", 0)
    ended = mypy("examples")
    assert (ended.stdout, ended.returncode) == ("", 0)


@pytest.mark.timeout(180)
def test_they_do_not_fit_what_may_not_be_returned() -> None:
    lines = [
        "from gen_smtp.gen_smtp_server_session import Behaviour, DataResult, Verdict, multiple, noreply",
        "class Mine(Behaviour):",
        *(f"    def {head}:\n        {body}" for head, body in WRONG.items()),
    ]
    ended = mypy("-c", "\n".join(lines))
    assert ended.stdout.count("[return-value]") == len(WRONG)
