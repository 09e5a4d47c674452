"""XCLIENT: an authorised peer says for whom it speaks (Postfix's XCLIENT_README)."""

from functools import partial

from gen_smtp.protocol.dialogue import Dialogue, Login
from gen_smtp.protocol.questions import Hello, XClient
from gen_smtp.protocol.speaker import HelloBefore, SpeakerDialogue
from gen_smtp.protocol.text import attributes, replies
from gen_smtp.protocol.text.attributes import BadAttributesError, read_attributes
from gen_smtp.protocol.text.replies import StandardReply
from gen_smtp.protocol.verbs.envelope import MailQuestion, run_mail
from gen_smtp.protocol.verbs.hello import resolve_hello, run_hello
from gen_smtp.protocol.verdicts import Accept, Verdict

ATTRIBUTES = attributes.names_of(attributes.XCLIENT)
"""As EHLO announces them."""


def run_xclient(dialogue: Dialogue, argument: str) -> XClient | None:
    """Ask the driver, if the peer may say this, now and so."""
    if dialogue.transaction is not None:
        dialogue.refuse_out_of_order(replies.SPEAKER_IN_TRANSACTION, "XCLIENT")
    elif not dialogue.config.xclient:
        dialogue.refuse_command(replies.SPEAKER_DENIED, "XCLIENT")
    else:
        readers = attributes.XCLIENT_IN_LMTP if dialogue.config.lmtp else attributes.XCLIENT
        try:
            fields = read_attributes("XCLIENT", argument, readers)
        except BadAttributesError as bad:
            dialogue.refuse_command(bad.reply, "XCLIENT")
        else:
            _begin_again(dialogue, fields.get("helo"))
            login = fields.get("login")
            dialogue.login = None if login is None else Login(login)
            return dialogue.ask(XClient(fields), _resolve)
    return None


def _begin_again(dialogue: Dialogue, hostname: str | None) -> None:
    """Forget the client before, but that it has said a hello; ``hostname`` is the new one's."""
    before = dialogue.last_hello() if isinstance(dialogue, SpeakerDialogue) else None
    dialogue.forget_client()
    dialogue.counter = None  # those were the faults of somebody else
    dialogue.tls = dialogue.tls or dialogue.config.xclient_tls
    if before is not None and isinstance(dialogue, SpeakerDialogue):
        dialogue.hello_before = HelloBefore(before.verb, hostname or before.hostname)


def _resolve(dialogue: Dialogue, question: XClient, verdict: Verdict) -> StandardReply | None:
    if isinstance(verdict, Accept):
        return replies.GREETING(hostname=dialogue.config.hostname)
    dialogue.login = None
    dialogue.decline(verdict, "XCLIENT", replies.SPEAKER_DENIED)
    return None


# --- MAIL without another hello --------------------------------------------------------------------


def may_send_at_once(dialogue: Dialogue) -> bool:
    """Whether MAIL may come without a hello: there was one before XCLIENT.

    Filters that pass on the client's own hello, and say XCLIENT behind it, say no other: proxsmtp and
    clamsmtp. Postfix takes MAIL then.
    """
    return isinstance(dialogue, SpeakerDialogue) and dialogue.hello_before is not None


def run_mail_at_once(dialogue: Dialogue, argument: str) -> Hello | MailQuestion | None:
    """MAIL; where no hello came behind XCLIENT, the one before it is asked about first."""
    if dialogue.helo is not None:
        return run_mail(dialogue, argument)
    assert isinstance(dialogue, SpeakerDialogue)  # the table of sequences has seen to that
    before = dialogue.hello_before
    assert before is not None
    question = run_hello(before.verb, dialogue, before.hostname)
    dialogue.resolve = partial(_resolve_hello, argument)
    return question


def _resolve_hello(
    argument: str, dialogue: Dialogue, question: Hello, verdict: Verdict
) -> MailQuestion | None:
    """Go on with MAIL if the hello is accepted. If not, its refusal is the reply to MAIL."""
    waiting, dialogue.unsent = dialogue.unsent, b""
    resolve_hello(dialogue, question, verdict)
    if dialogue.helo is None:
        dialogue.unsent = waiting + dialogue.unsent
        return None
    dialogue.unsent = waiting
    return run_mail(dialogue, argument)
