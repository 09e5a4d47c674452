"""HELO, EHLO and LHLO (RFC 5321 section 4.1.1.1, RFC 2033 section 4.1)."""

from functools import lru_cache
from typing import Literal

from gen_smtp.protocol.dialogue import NO_EXTENSIONS, Dialogue, ProtocolConfig
from gen_smtp.protocol.extensions import Offer, built_in_extensions, extension_lines, make_offer
from gen_smtp.protocol.questions import ExtensionWithheld, Hello
from gen_smtp.protocol.text import replies
from gen_smtp.protocol.text.reply import StandardReply
from gen_smtp.protocol.verbs.xclient import ATTRIBUTES
from gen_smtp.protocol.verdicts import Accept, Extension, Verdict

HelloVerb = Literal["HELO", "EHLO", "LHLO"]


def run_hello(verb: HelloVerb, dialogue: Dialogue, argument: str) -> None:
    """Ask the callback, if this protocol has the verb and a name was given."""
    lmtp = dialogue.config.lmtp
    if not argument:
        dialogue.refuse_command(replies.HELLO_SYNTAX(verb=verb), verb)
    elif (verb == "LHLO") is not lmtp:
        dialogue.refuse_command(replies.HELO_IN_LMTP if lmtp else replies.LHLO_IN_SMTP, verb)
    else:
        extensions = [] if verb == "HELO" else _built_in(dialogue.config)
        dialogue.ask(Hello(verb, argument, extensions), _resolve)


def _built_in(config: ProtocolConfig) -> list[Extension]:
    built_in = built_in_extensions(config.max_message_size)
    if config.xclient:
        built_in.append(("XCLIENT", ATTRIBUTES))
    return built_in


def _resolve(dialogue: Dialogue, question: Hello, verdict: Verdict) -> None:
    # A refused hello changes nothing (RFC 5321 section 4.1.1.1); an accepted one resets (section 4.1.4).
    again = dialogue.helo is not None
    if not isinstance(verdict, Accept):
        dialogue.decline(verdict, question.verb, replies.HELLO_REFUSED)
        return
    if question.verb == "HELO":
        _greet_client(dialogue, question.hostname, Offer(NO_EXTENSIONS, verdict.max_size, ()))
        dialogue.accept(verdict, _name_alone(dialogue.config.hostname))
    elif not _announce(dialogue, question, verdict):
        return
    if again:
        dialogue.count_junk(question.verb)


@lru_cache(maxsize=16)
def _name_alone(hostname: str) -> StandardReply:
    """The reply to HELO; a process has few names."""
    return StandardReply("250", "", hostname)


def _announce(dialogue: Dialogue, question: Hello, verdict: Accept) -> bool:
    """Tell the client its extensions; False: they can't be announced."""
    config = dialogue.config
    try:
        offer = make_offer(
            _built_in(config) if verdict.extensions is None else verdict.extensions,
            tls=dialogue.tls,
            starttls_available=config.starttls_available,
            allow_insecure_auth=config.allow_insecure_auth,
            xclient=config.xclient,
        )
    except ValueError:
        dialogue.refuse_command(replies.HELLO_FAILED, question.verb)
        return False
    _greet_client(dialogue, question.hostname, offer)
    dialogue.send_texts("250", (config.hostname, *extension_lines(offer.extensions)), status=False)
    for name, option in offer.withheld:
        if name == "AUTH" and config.starttls_available:
            if "STARTTLS" in offer.extensions:
                continue  # as it should be: AUTH follows inside TLS
            option = "STARTTLS"
        dialogue.notify(ExtensionWithheld(name, option))
    return True


def _greet_client(dialogue: Dialogue, hostname: str, offer: Offer) -> None:
    dialogue.end_transaction()
    dialogue.helo = hostname
    dialogue.extensions = offer.extensions
    dialogue.withheld = offer.withheld
    dialogue.status_codes = "ENHANCEDSTATUSCODES" in offer.extensions
    if offer.max_size not in (None, dialogue.max_size):  # the usual number is one object for all sessions
        dialogue.max_size = offer.max_size
