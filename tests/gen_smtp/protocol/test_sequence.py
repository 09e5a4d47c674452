from gen_smtp.protocol.sequence import (
    BEFORE_AUTH,
    BEFORE_TLS,
    LMTP_SEQUENCE,
    SMTP_SEQUENCE,
    TAKES_NO_ARGUMENT,
    Phase,
    phase_of,
)
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.transaction import Transaction
from gen_smtp.protocol.verbs.table import VERBS


def test_every_phase_has_a_row_of_known_verbs() -> None:
    assert set(SMTP_SEQUENCE) == set(LMTP_SEQUENCE) == set(Phase)
    for row in (*SMTP_SEQUENCE.values(), *LMTP_SEQUENCE.values()):
        assert set(row) <= set(VERBS)


def test_lmtp_refuses_the_same_verbs_with_its_own_words() -> None:
    for phase in Phase:
        assert {verb: item.notify for verb, item in SMTP_SEQUENCE[phase].items()} == {
            verb: item.notify for verb, item in LMTP_SEQUENCE[phase].items()
        }
    assert LMTP_SEQUENCE[Phase.NO_HELLO]["MAIL"].reply is replies.LHLO_FIRST


def test_verbs_of_the_policies_are_known() -> None:
    assert set(BEFORE_AUTH) | set(BEFORE_TLS) | set(TAKES_NO_ARGUMENT) <= set(VERBS)
    assert not {"MAIL", "RCPT", "DATA", "VRFY"} & BEFORE_AUTH
    assert "AUTH" not in BEFORE_TLS


def test_the_phase_follows_from_name_and_transaction() -> None:
    transaction = Transaction("a@b", {})
    assert phase_of(None, None) is Phase.NO_HELLO
    assert phase_of("client", None) is Phase.READY
    assert phase_of("client", transaction) is Phase.SENDER_GIVEN
    transaction.recipients.append("c@d")
    assert phase_of("client", transaction) is Phase.RECIPIENT_GIVEN
