"""The options of the sessions of a listener: gen_smtp's `sessionoptions`."""

from __future__ import annotations

import math
import ssl
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

from gen_smtp.options.addresses import TrustedPeers, trusted_peers
from gen_smtp.options.checks import (
    Check,
    OptionsError,
    check_fields,
    file_path,
    flag,
    folder,
    greeting_delay,
    limit_from,
    mail_domain,
    one_of,
    optional,
    read_record,
    shown_option,
    timeout,
)
from gen_smtp.options.deadlines import Deadlines, read_deadlines
from gen_smtp.options.limits import Limits, read_limits
from gen_smtp.options.tls.context import make_context
from gen_smtp.options.tls.names import is_context
from gen_smtp.options.tls.record import TlsOptions, tls_options_or_context
from gen_smtp.options.transcript import TranscriptOptions, read_transcript


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What every session of a listener goes by: gen_smtp's `sessionoptions`.

    Attributes:
        allow_bare_newlines: what happens to a message with a CR or LF alone: it is refused (False), taken as
            it is (`"ignore"`), its newlines become CRLF (`"fix"`) or are removed (`"strip"`).
        bare_newlines_from: the networks, as text or `ipaddress` objects, of the only clients for which
            `allow_bare_newlines` holds; `"unix"` stands for those of a unix socket. The messages of all
            others are refused. None: it holds for all clients.
        lenient: take what devices send whose firmware nobody mends. A local-part with dots at odd places gets
            the quotes that make an address of it, as in `"ilo."@example.com`. A name in a hello, an argument
            of an unknown command, a user name or a password may be no UTF-8: its octets become text as
            `bytes.decode("utf-8", "surrogateescape")` has it. Envelopes stay UTF-8.
        hostname: the server's name in greetings, unless the listener has a `domain`.
        protocol: `"smtp"`, or `"lmtp"` (RFC 2033).
        certfile: a certificate in PEM form; stands before the one in `tls_options`.
        keyfile: its key; stands before the one in `tls_options`.
        tls_options: everything else about TLS: TlsOptions, a mapping of the same, or an `ssl.SSLContext`.
        allow_insecure_auth: offer AUTH without TLS too (RFC 4954 4).
        require_tls: answer 530 until the client has started TLS (RFC 3207 4).
        require_auth: answer 530 until the client has authenticated (RFC 4954 6).
        timeout: seconds to the client's next command (RFC 5321 4.5.3.2.7); `math.inf` is without end. Whole
            thousands from 10,000 to 3,600,000 are refused: they are milliseconds, as Erlang has them.
        deadlines: what everything else may take: Deadlines, or a mapping of the same.
        refuse_early_talkers: answer 554 to a client that sends something before the greeting, as programs do
            that only send spam (RFC 5321 4.3.1).
        greet_delay: seconds until `init` and the greeting, for such clients to give themselves away; 0 is at
            once, when only what came with the connection tells. Needs `refuse_early_talkers`, and is part of
            what the deadline `banner` allows.
        limits: how much of everything one client may bring: Limits, or a mapping of the same.
        spool_threshold: octets of a message that may be in memory before it is complete; what is more waits
            in a temporary file. None or `math.inf` writes no file.
        spool_directory: the folder for these files; None is the system's.
        transcript: where the dialogue of each session is written down, without credentials and message
            bodies: the path of a file, a `logging.Logger`, a `gen_smtp.transcript.Sink`, or
            TranscriptOptions or a mapping of the same. None: nowhere.
        transcript_from: the networks of the only clients whose sessions are, written as for
            `bare_newlines_from`. None: all.
        callbackoptions: handed to the callback's `init` as it is.

    Raises:
        OptionsError: for a value of the wrong type or out of range, or for options that exclude each other.
    """

    allow_bare_newlines: Literal[False, "ignore", "fix", "strip"] = False
    bare_newlines_from: TrustedPeers | None = None
    lenient: bool = False
    hostname: str | None = None
    protocol: Literal["smtp", "lmtp"] = "smtp"
    certfile: str | None = None
    keyfile: str | None = None
    tls_options: TlsOptions | ssl.SSLContext | None = None
    allow_insecure_auth: bool = False
    require_tls: bool = False
    require_auth: bool = False
    timeout: float = 300.0
    deadlines: Deadlines = field(default_factory=Deadlines)
    refuse_early_talkers: bool = False
    greet_delay: float = 0.0
    limits: Limits = field(default_factory=Limits)
    spool_threshold: int | float = math.inf
    spool_directory: str | None = None
    transcript: TranscriptOptions | None = None
    transcript_from: TrustedPeers | None = None
    # Often a password of some database; so it is not shown.
    callbackoptions: Any = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_fields(self, _CHECKS)
        if is_context(self.tls_options) and (self.certfile or self.keyfile):
            raise OptionsError(
                "tls_options is an SSLContext, which has its own certificate",
                option="certfile" if self.certfile else "keyfile",
                allowed="load_cert_chain() of that context, or a mapping as tls_options",
            )
        if self.bare_newlines_from is not None and not self.allow_bare_newlines:
            raise OptionsError(
                "nothing is allowed to these clients",
                option="bare_newlines_from",
                allowed="together with allow_bare_newlines",
            )
        if self.transcript_from is not None and self.transcript is None:
            raise OptionsError(
                "nothing is written down", option="transcript_from", allowed="together with transcript"
            )
        self._check_greet_delay()

    def _check_greet_delay(self) -> None:
        if self.greet_delay and not self.refuse_early_talkers:
            raise OptionsError(
                "a delay alone is for nothing: it is there to find early talkers",
                option="greet_delay",
                allowed="together with refuse_early_talkers",
            )
        if self.greet_delay >= self.deadlines.banner:
            raise OptionsError(
                f"the deadline banner is over before: {shown_option(self.deadlines.banner)} seconds",
                option="greet_delay",
                allowed="less than deadlines.banner",
            )

    def tls_context(self) -> ssl.SSLContext | None:
        """The context for TLS, made when first asked for; None when no option speaks of TLS.

        Raises:
            OptionsError: a certificate or key can't be used, and why.
        """
        return self._tls_context

    def without_tls_context(self) -> SessionOptions:
        """The same options, whose context for TLS is not made yet."""
        fresh = copy(self)
        vars(fresh).pop("_tls_context", None)
        return fresh

    @cached_property
    def spools(self) -> bool:
        """Whether large messages go to disk."""
        return self.spool_threshold < math.inf

    @cached_property
    def _tls_context(self) -> ssl.SSLContext | None:
        given = self.tls_options
        if is_context(given):
            return given
        if given is None and self.certfile is None and self.keyfile is None:
            return None
        try:
            return make_context(self._with_own_files(cast("TlsOptions | None", given) or TlsOptions()))
        except OptionsError as error:
            own = error.option in ("certfile", "keyfile") and (
                given is None or getattr(self, error.option) is not None
            )
            raise (error if own else error.within("tls_options")) from error.__cause__

    def _with_own_files(self, options: TlsOptions) -> TlsOptions:
        """`options` with this record's certificate and key in front. A key never outlives its certificate."""
        if self.certfile is not None:
            return replace(options, certfile=self.certfile, keyfile=self.keyfile)
        if self.keyfile is not None:
            return replace(options, keyfile=self.keyfile)
        return options


def read_session_options(value: Any) -> SessionOptions:
    """The check of the option `sessionoptions`: the record, a mapping, or a list of (key, value) pairs."""
    inner = {
        "tls_options": TlsOptions,
        "deadlines": Deadlines,
        "limits": Limits,
        "transcript": TranscriptOptions,
    }
    return read_record(SessionOptions, value, inner)


_CHECKS: dict[str, Check] = {
    "allow_bare_newlines": one_of(False, "ignore", "fix", "strip"),
    "bare_newlines_from": optional(trusted_peers),
    "lenient": flag,
    "hostname": optional(mail_domain),
    "protocol": one_of("smtp", "lmtp"),
    "certfile": optional(file_path),
    "keyfile": optional(file_path),
    "tls_options": optional(tls_options_or_context),
    "allow_insecure_auth": flag,
    "require_tls": flag,
    "require_auth": flag,
    "timeout": timeout,
    "deadlines": read_deadlines,
    "refuse_early_talkers": flag,
    "greet_delay": greeting_delay,
    "limits": read_limits,
    "spool_threshold": limit_from(0),
    "spool_directory": optional(folder),
    "transcript": optional(read_transcript),
    "transcript_from": optional(trusted_peers),
}
