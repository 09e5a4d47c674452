"""What the sessions of a listener have in common: their limits and policies."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from gen_smtp.protocol.parameters.limits import limits_of
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.mechanism import ChallengeMaker, NonceMaker, cram_challenge, fresh_nonce
from gen_smtp.protocol.sasl.table import ALWAYS_THERE, Mechanisms
from gen_smtp.protocol.text.address import MAX_PATH
from gen_smtp.protocol.text.content import DEFAULT_MAX_SIZE
from gen_smtp.protocol.text.whole import BareNewlines


def always(*args: object) -> bool:
    """For what nothing stands against."""
    return True


PLAIN_RECIPIENTS = 8
"""So many recipients of the plain form, of up to 256 octets, count against no memory: most have fewer."""


@dataclass(frozen=True, slots=True)
class ProtocolConfig:
    """What does not change from session to session. Sizes are in octets.

    Args:
        hostname: the server's name in its replies and challenges.
        lmtp: speak LMTP (RFC 2033) instead of SMTP.
        allow_bare_newlines: a CR or LF alone in a message: rejected (False), "ignore", "fix", "strip".
        lenient: take what some devices send against the RFCs: dots at odd places of a local-part, and octets
            that are not UTF-8 in hellos, credentials and unknown commands.
        starttls_available: a certificate is configured.
        allow_insecure_auth: offer AUTH outside TLS as well.
        require_tls: 530 before STARTTLS (RFC 3207 section 4).
        require_auth: 530 before AUTH (RFC 4954 section 6).
        refuse_early_talkers: 554 instead of the greeting for a client that does not wait for it.
        xclient: whether the peer may use XCLIENT; None where the server doesn't know the command.
        xclient_tls: a client for whom the peer speaks by XCLIENT counts as in TLS, which ends at the peer.
        xforward: whether the peer may use XFORWARD; None where the server doesn't know the command.
        max_message_size: as announced by SIZE; `math.inf` is unlimited.
        max_command_line: longest command line, with its CRLF.
        max_auth_line: longest line of an AUTH exchange, without its CRLF (RFC 4954 section 4).
        max_discarded_line: an overlong line may have this many octets before the connection is closed.
        max_text_line: longest line of a message, with its CRLF (RFC 5321 section 4.5.3.1.6).
        max_recipients: 452 for more (RFC 5321 section 4.5.3.1.10).
        max_errors: 421 after so many 5yz replies without a message taken in between (see ``LimitCounter``).
        max_junk_commands: 421 after so many commands that bring no message nearer.
        max_auth_failures: 421 after so many 5yz replies to AUTH in the whole session.
        max_messages: 421 for another MAIL after so many messages were taken.
        has_room: says at DATA whether there is room for another message; 452 without.
        take_octets: counts octets in that an envelope takes in memory; 452 where it says False.
        give_back: counts them out.
        mechanisms: the SASL mechanisms that AUTH may use where they are announced.
        certificate: the client's, verified in the TLS handshake; None if it has shown none.
        make_challenge: makes the challenge of CRAM-MD5 from the host name (RFC 2195).
        make_nonce: makes what SCRAM has the client repeat.
        shortcuts: whether usual commands go the fast path of ``verbs.plain``.
    """

    hostname: str
    lmtp: bool = False
    allow_bare_newlines: BareNewlines = False
    lenient: bool = False
    starttls_available: bool = False
    allow_insecure_auth: bool = False
    require_tls: bool = False
    require_auth: bool = False
    refuse_early_talkers: bool = False
    xclient: bool | None = None
    xclient_tls: bool = False
    xforward: bool | None = None
    max_message_size: int | float = DEFAULT_MAX_SIZE
    max_command_line: int = 2048
    max_auth_line: int = 12288
    max_discarded_line: int = 65536
    max_text_line: int | float = math.inf
    max_recipients: int = 1000
    max_errors: int | float = 20
    max_junk_commands: int | float = 100
    max_auth_failures: int | float = 6
    max_messages: int | float = math.inf
    has_room: Callable[[], bool] = always
    take_octets: Callable[[int], bool] = always
    give_back: Callable[[int], object] = always
    mechanisms: Mechanisms = ALWAYS_THERE
    certificate: ClientCertificate | None = None
    make_challenge: ChallengeMaker = cram_challenge
    make_nonce: NonceMaker = fresh_nonce
    shortcuts: bool = True
    longest_plain: int = field(init=False)
    """No longer line is plain. In a line of this length no path can be too long either."""
    plain_recipients: int = field(init=False)
    """With so many recipients the next one goes the general way, which counts it."""
    restricts: bool = field(init=False)
    """Whether anything is required before mail."""
    limits: str = field(init=False)
    """What LIMITS announces by itself."""
    counts_messages: bool = field(init=False)
    """Whether a session may bring only so many."""

    def __post_init__(self) -> None:
        if self.max_message_size <= 0 or math.isnan(self.max_message_size):
            raise ValueError(f"max_message_size must be positive, not {self.max_message_size!r}")
        longest = min(self.max_command_line, MAX_PATH) if self.shortcuts else 0
        object.__setattr__(self, "longest_plain", longest)
        object.__setattr__(self, "plain_recipients", min(self.max_recipients, PLAIN_RECIPIENTS))
        object.__setattr__(self, "limits", limits_of(self.max_recipients, self.max_messages))
        object.__setattr__(self, "restricts", self.require_tls or self.require_auth)
        object.__setattr__(self, "counts_messages", self.max_messages < math.inf)
