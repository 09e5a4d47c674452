"""The protocol's own replies: gen_smtp's text where it has one, and the status code of RFC 3463."""

from collections.abc import Mapping

from gen_smtp.protocol.limit_counter import LimitName
from gen_smtp.protocol.text.reply import StandardReply

# Any command
BAD_SYNTAX = StandardReply("500", "5.5.2", "Error: bad syntax")
LINE_TOO_LONG = StandardReply("500", "5.5.2", "Error: line too long")
NOT_UTF8 = StandardReply("501", "5.5.2", "Error: text is not valid UTF-8")
CONTROL_CHARACTERS = StandardReply("501", "5.5.2", "Error: control characters are not allowed")
NOT_RECOGNIZED = StandardReply("500", "5.5.1", "Error: command not recognized : '{verb}'")
OK = StandardReply("250", "2.0.0", "Ok")
BYE = StandardReply("221", "2.0.0", "Bye")
TLS_REQUIRED = StandardReply("530", "5.7.0", "Must issue a STARTTLS command first")
AUTH_REQUIRED = StandardReply("530", "5.7.0", "Authentication required")
NOT_ACCEPTED = StandardReply("550", "5.0.0", "Error: refused")
INTERNAL_ERROR = StandardReply("451", "4.3.0", "Error: internal server error")
INTERNAL_ERROR_CLOSING = StandardReply("421", "4.3.0", "Error: internal server error")
LIMIT_REACHED: Mapping[LimitName, StandardReply] = {
    "auth_failures": StandardReply("421", "4.7.0", "Error: too many authentication failures"),
    "discarded_line": StandardReply("421", "4.5.0", "Error: line too long"),
    "errors": StandardReply("421", "4.7.0", "Error: too many errors"),
    "junk_commands": StandardReply("421", "4.7.0", "Error: too many commands without a message"),
    "message_size": StandardReply("421", "4.3.4", "Error: refused message does not end"),
    "messages": StandardReply("421", "4.7.0", "Error: too many messages in one session"),
    "refuse_early_talkers": StandardReply("554", "5.5.0", "Error: you must wait for the greeting"),
}
TIMEOUT = StandardReply("421", "4.4.2", "Error: timeout exceeded")
TIMEOUT_BANNER = StandardReply("421", "4.4.2", "Error: timeout exceeded before the greeting")
TIMEOUT_DATA_BLOCK = StandardReply("421", "4.4.2", "Error: timeout exceeded, no more of the message has come")
TIMEOUT_MESSAGE = StandardReply("421", "4.4.2", "Error: timeout exceeded for the whole message")
TIMEOUT_RATE = StandardReply("421", "4.4.2", "Error: timeout exceeded, the message comes too slowly")
TIMEOUT_SESSION = StandardReply("421", "4.4.2", "Error: timeout exceeded for the whole session")
SHUTTING_DOWN = StandardReply("421", "4.3.2", "{hostname} Service shutting down")

# HELO, EHLO, LHLO
HELLO_SYNTAX = StandardReply("501", "", "Syntax: {verb} hostname")
HELLO_REFUSED = StandardReply("550", "", "Error: refused")
HELLO_FAILED = StandardReply("451", "", "Error: internal server error")
LHLO_IN_SMTP = StandardReply("500", "", "Error: SMTP should send HELO or EHLO instead of LHLO")
HELO_IN_LMTP = StandardReply("500", "", "Error: LMTP should replace HELO and EHLO with LHLO")

# Sequence
HELLO_FIRST = StandardReply("503", "5.5.1", "Error: send HELO/EHLO first")
EHLO_FIRST = StandardReply("503", "5.5.1", "Error: send EHLO first")
LHLO_FIRST = StandardReply("503", "5.5.1", "Error: send LHLO first")
NESTED_MAIL = StandardReply("503", "5.5.1", "Error: Nested MAIL command")
MAIL_FIRST = StandardReply("503", "5.5.1", "Error: need MAIL command")
RCPT_FIRST = StandardReply("503", "5.5.1", "Error: need RCPT command")
AUTH_IN_TRANSACTION = StandardReply("503", "5.5.1", "Error: AUTH not allowed during a mail transaction")
AUTH_TWICE = StandardReply("503", "5.5.1", "Error: already authenticated")

# MAIL and RCPT
MAIL_SYNTAX = StandardReply("501", "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = StandardReply("501", "5.5.4", "Syntax: RCPT TO:<address>")
BAD_SENDER = StandardReply("501", "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT = StandardReply("501", "5.1.3", "Bad recipient address syntax")
SENDER_OK = StandardReply("250", "2.1.0", "sender Ok")
RECIPIENT_OK = StandardReply("250", "2.1.5", "recipient Ok")
BAD_PARAMETER = StandardReply("501", "5.5.4", "Syntax error in parameters")
NOT_OFFERED = StandardReply("555", "5.5.4", "Unsupported option {keyword}")
UNSUPPORTED_OPTION = StandardReply("555", "5.5.4", "Unsupported option: {parameters}")
SIZE_TOO_LARGE = StandardReply("552", "5.3.4", "Estimated message length {size} exceeds limit of {limit}")
NEEDS_SMTPUTF8 = StandardReply("553", "5.6.7", "Error: this address needs the SMTPUTF8 parameter")
TOO_MANY_RECIPIENTS = StandardReply("452", "4.5.3", "Error: too many recipients")

# DATA
DATA_SYNTAX = StandardReply("501", "5.5.4", "Syntax: DATA")
ENTER_MAIL = StandardReply("354", "", "enter mail, end with line containing only '.'")
NO_STORAGE = StandardReply("452", "4.3.1", "Insufficient system storage")
MESSAGE_TOO_LARGE = StandardReply("552", "5.3.4", "Message too large")
TEXT_LINE_TOO_LONG = StandardReply("500", "5.6.0", "Error: text line too long")
BARE_NEWLINE = StandardReply("550", "5.6.0", "Bare newline detected")

# XCLIENT, in Postfix's words
GREETING = StandardReply("220", "", "{hostname} ESMTP")
XCLIENT_IN_TRANSACTION = StandardReply("503", "5.5.1", "Error: MAIL transaction in progress")
XCLIENT_DENIED = StandardReply("550", "5.7.0", "Error: insufficient authorization")
XCLIENT_SYNTAX = StandardReply("501", "5.5.4", "Syntax: XCLIENT attribute=value...")
XCLIENT_ATTRIBUTE = StandardReply("501", "5.5.4", "Bad XCLIENT attribute name: {name}")
XCLIENT_TWICE = StandardReply("501", "5.5.4", "Error: {name} twice")
XCLIENT_VALUE = StandardReply("501", "5.5.4", "Bad {name} syntax: {value}")

# VRFY, STARTTLS
VRFY_SYNTAX = StandardReply("501", "5.5.4", "Syntax: VRFY username/address")
VRFY_OK = StandardReply("250", "2.1.5", "{address}")
STARTTLS_SYNTAX = StandardReply("501", "5.5.4", "Syntax error (no parameters allowed)")
TLS_ACTIVE = StandardReply("500", "5.5.1", "TLS already negotiated")
TLS_IN_CLEAR = StandardReply("554", "5.5.1", "Error: TLS on a listener without TLS")
UNRECOGNIZED = StandardReply("500", "5.5.1", "Command unrecognized")
TLS_GO_AHEAD = StandardReply("220", "2.0.0", "OK")
TLS_UNAVAILABLE = StandardReply("454", "4.7.0", "TLS not available due to temporary reason")

# AUTH
AUTH_NOT_OFFERED = StandardReply("502", "5.5.1", "Error: AUTH not implemented")
AUTH_MECHANISM = StandardReply("504", "5.5.4", "Unrecognized authentication type")
AUTH_ENCRYPTION = StandardReply("538", "5.7.11", "Encryption required for requested authentication mechanism")
AUTH_CANCELLED = StandardReply("501", "5.7.0", "Authentication cancelled")
AUTH_BASE64 = StandardReply("501", "5.5.2", "Error: not base64 of UTF-8 text")
AUTH_MALFORMED = StandardReply("501", "5.5.2", "Error: malformed authentication response")
AUTH_LINE_TOO_LONG = StandardReply("500", "5.5.6", "Error: line too long")
AUTH_OK = StandardReply("235", "2.7.0", "Authentication successful.")
AUTH_FAILED = StandardReply("535", "5.7.8", "Authentication failed.")
