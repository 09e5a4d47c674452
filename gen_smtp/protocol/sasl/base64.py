"""Challenges and responses as lines of SMTP: in base64 (RFC 4954 section 4)."""

import binascii


def encode_challenge(challenge: bytes) -> str:
    """Base64 on one line."""
    return binascii.b2a_base64(challenge, newline=False).decode("ascii")


def decode_response(response: bytes) -> bytes | None:
    """The octets of strict base64; None for anything else."""
    try:
        return binascii.a2b_base64(response, strict_mode=True)
    except ValueError:  # binascii.Error is one
        return None
