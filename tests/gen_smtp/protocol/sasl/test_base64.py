import base64

import pytest

from gen_smtp.protocol.sasl.base64 import decode_response, encode_challenge


@pytest.mark.parametrize("octets", [b"", b"Username:", "jürgen\0x".encode(), b"\xff\0", b"x" * 9000])
def test_base64_there_and_back(octets: bytes) -> None:
    assert decode_response(encode_challenge(octets).encode()) == octets
    assert encode_challenge(octets) == base64.b64encode(octets).decode()


@pytest.mark.parametrize(
    "response",
    [
        b"=",
        b"*",
        b"YQ",
        b"YQ=",
        b"Y Q==",
        b"YQ==YQ==",
        b"YQ==\r",
        b"!!!!",
        b"\xff\xff",
        b"=YQ=",
        b"YQ===",
    ],
)
def test_what_is_no_strict_base64_is_none(response: bytes) -> None:
    assert decode_response(response) is None
