"""Sockets for any protocol: listeners, servers, sessions and what carries their octets.

`actors` exports what is public. Imports: `actors.errors`, `actors.events`, `actors.log_text`,
`actors.messages`, `actors.otp`, `actors.runtime`, `actors.seconds`, `gevent`.
"""
