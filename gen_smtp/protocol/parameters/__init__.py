"""The parameters of MAIL and RCPT that extensions bring: read, checked, and as values with types.

A file for each family, with its table of readers: ``dsn`` (RFC 3461), ``deliver_by`` (RFC 2852),
``future_release`` (RFC 4865), ``marks`` (RFC 6710, RFC 8689, RFC 7293). ``table`` has them all by keyword.
``xtext`` and ``date_time`` are how values are written. ``values`` is what a callback sees of a transaction.
``limits`` is what the extension LIMITS announces (RFC 9422). Imports: `gen_smtp.protocol.text`.
"""
