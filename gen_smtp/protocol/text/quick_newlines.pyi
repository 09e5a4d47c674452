def has_bare_newline(content: bytes, /) -> bool:
    """Whether there is a CR or LF that is no part of a CRLF."""
