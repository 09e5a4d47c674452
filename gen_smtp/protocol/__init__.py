"""The SMTP protocol without input or output: bytes in, events out, verdicts in, bytes out."""
