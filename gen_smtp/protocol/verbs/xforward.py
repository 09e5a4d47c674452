"""XFORWARD: an authorised peer says from whom it has the message to come (Postfix's XFORWARD_README).

It is for logs and the like: the client stays the peer itself.
"""

from dataclasses import replace

from gen_smtp.protocol.dialogue import Dialogue
from gen_smtp.protocol.questions import Forwarded, ForwardedFacts
from gen_smtp.protocol.speaker import SpeakerDialogue
from gen_smtp.protocol.text import attributes, replies
from gen_smtp.protocol.text.attributes import BadAttributesError, read_attributes


def run_xforward(dialogue: Dialogue, argument: str) -> Forwarded | None:
    """Keep what the peer says for the next transaction, if it may say this, now and so."""
    if dialogue.transaction is not None:
        dialogue.refuse_out_of_order(replies.SPEAKER_IN_TRANSACTION, "XFORWARD")
    elif not (dialogue.config.xforward and isinstance(dialogue, SpeakerDialogue)):
        dialogue.refuse_command(replies.SPEAKER_DENIED, "XFORWARD")
    else:
        try:
            fields = read_attributes("XFORWARD", argument, attributes.XFORWARD)
        except BadAttributesError as bad:
            dialogue.refuse_command(bad.reply, "XFORWARD")
        else:
            facts = dialogue.forwarded = replace(dialogue.forwarded or ForwardedFacts(), **fields)
            dialogue.send(replies.OK)
            return Forwarded(facts)
    return None
