"""How a message came, in the registered words for it (RFC 3848, RFC 6531 section 4.3)."""

from gen_smtp.protocol.dialogue import Dialogue


def transmission_type(dialogue: Dialogue) -> str:
    """The word behind ``with`` in a Received field: ``SMTP``, ``ESMTPSA``, ``UTF8LMTPS`` ..."""
    transaction = dialogue.transaction
    in_utf8 = transaction is not None and "SMTPUTF8" in transaction.mail_params
    if dialogue.config.lmtp:
        base = "UTF8LMTP" if in_utf8 else "LMTP"
    elif not dialogue.extensions:  # after HELO; its only type knows neither TLS nor AUTH
        return "SMTP"
    else:
        base = "UTF8SMTP" if in_utf8 else "ESMTP"
    return f"{base}{'S' if dialogue.tls else ''}{'A' if dialogue.user is not None else ''}"
