"""What `handle_AUTH` gets for the mechanisms that gen_smtp does not have, and what one's own are made of.

`docs/auth.md` says which mechanism brings which credential, and shows a mechanism of one's own.
"""

from gen_smtp.protocol.sasl.bearer import BearerToken, OAuthBearer, XOAuth2
from gen_smtp.protocol.sasl.certificate import ClientCertificate
from gen_smtp.protocol.sasl.mechanism import ExchangeFacts, Mechanism
from gen_smtp.protocol.sasl.no_password import AnonymousTrace
from gen_smtp.protocol.sasl.scram_keys import ScramKeys, ScramProof
from gen_smtp.protocol.sasl.steps import Challenge, Credentials, Failed, Lookup, Malformed, NotText, SaslStep

__all__ = [
    "AnonymousTrace",
    "BearerToken",
    "Challenge",
    "ClientCertificate",
    "Credentials",
    "ExchangeFacts",
    "Failed",
    "Lookup",
    "Malformed",
    "Mechanism",
    "NotText",
    "OAuthBearer",
    "SaslStep",
    "ScramKeys",
    "ScramProof",
    "XOAuth2",
]
