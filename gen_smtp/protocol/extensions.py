"""Who does what an extension of SMTP promises: the table that decides what EHLO may announce.

The keywords are those of IANA's registry of SMTP service extensions, and of servers that have some of their
own. What stands in no row is the callback's affair, as in gen_smtp: it gets unknown verbs in `handle_other`,
and parameters in `handle_MAIL_extension` and `handle_RCPT_extension`.
"""

import enum
from collections.abc import Mapping


class Doer(enum.Enum):
    """Who keeps the promise."""

    PROTOCOL = "protocol"
    """The protocol by itself, in whole or as far as it can be done without knowing the mail."""
    CALLBACK = "callback"
    """The callback: its commands are one line each with one reply, its parameters stand in MAIL and RCPT."""
    NOBODY = "nobody"
    """Nobody: it changes how the connection is read, what ends a message, how many replies there are, or what
    opens a transaction. A client that believes in it and a server that does not lose each other: the octets
    behind a command would be run as commands, say."""


EXTENSIONS: Mapping[str, Doer] = {
    "SIZE": Doer.PROTOCOL,  # RFC 1870
    "8BITMIME": Doer.PROTOCOL,  # RFC 6152
    "PIPELINING": Doer.PROTOCOL,  # RFC 2920
    "SMTPUTF8": Doer.PROTOCOL,  # RFC 6531
    "ENHANCEDSTATUSCODES": Doer.PROTOCOL,  # RFC 2034
    "STARTTLS": Doer.PROTOCOL,  # RFC 3207
    "AUTH": Doer.PROTOCOL,  # RFC 4954
    "CHUNKING": Doer.PROTOCOL,  # RFC 3030
    "BINARYMIME": Doer.PROTOCOL,  # RFC 3030
    "XCLIENT": Doer.PROTOCOL,  # Postfix
    "XFORWARD": Doer.PROTOCOL,  # Postfix
    "HELP": Doer.CALLBACK,  # RFC 5321
    "EXPN": Doer.CALLBACK,  # RFC 5321
    "ETRN": Doer.CALLBACK,  # RFC 1985
    "VERB": Doer.CALLBACK,  # Sendmail
    "ONEX": Doer.CALLBACK,  # Sendmail
    "DSN": Doer.PROTOCOL,  # RFC 3461
    "DELIVERBY": Doer.PROTOCOL,  # RFC 2852
    "NO-SOLICITING": Doer.CALLBACK,  # RFC 3865
    "MTRK": Doer.CALLBACK,  # RFC 3885
    "SUBMITTER": Doer.CALLBACK,  # RFC 4405
    "CONPERM": Doer.CALLBACK,  # RFC 4141
    "CONNEG": Doer.CALLBACK,  # RFC 4141
    "FUTURERELEASE": Doer.PROTOCOL,  # RFC 4865
    "MT-PRIORITY": Doer.PROTOCOL,  # RFC 6710
    "RRVS": Doer.PROTOCOL,  # RFC 7293
    "REQUIRETLS": Doer.PROTOCOL,  # RFC 8689
    "LIMITS": Doer.PROTOCOL,  # RFC 9422
    "BURL": Doer.NOBODY,  # RFC 4468: brings a part of a message, or ends it
    "XEXCH50": Doer.NOBODY,  # Microsoft Exchange: octets behind the command
    "X-ANONYMOUSTLS": Doer.NOBODY,  # Microsoft Exchange: a handshake behind the command
    "CHECKPOINT": Doer.NOBODY,  # RFC 1845: DATA is answered 355, and a message goes on in the middle
    "PRDR": Doer.NOBODY,  # Exim: a reply for each recipient behind a message
    "ATRN": Doer.NOBODY,  # RFC 2645: client and server change places
    "TURN": Doer.NOBODY,  # RFC 821: the same
    "SEND": Doer.NOBODY,  # RFC 821: opens a transaction
    "SOML": Doer.NOBODY,  # RFC 821: the same
    "SAML": Doer.NOBODY,  # RFC 821: the same
    "UTF8SMTP": Doer.NOBODY,  # RFC 5336, which SMTPUTF8 has replaced: addresses in UTF-8 without a parameter
}


def nobody_does(name: str) -> bool:
    """Whether an extension, its name in upper case, is withheld because it can't be done."""
    return EXTENSIONS.get(name) is Doer.NOBODY
