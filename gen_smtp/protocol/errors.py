"""What the core raises: only ever for a mistake of the program that drives it.

Nothing that a client sends raises; it gets a reply instead.
"""


class LocalProtocolError(Exception):
    """The caller used the protocol out of turn: a verdict nobody waits for, a second greeting, and so on."""
