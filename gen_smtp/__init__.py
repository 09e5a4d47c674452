"""Erlang's gen_smtp server for Python, an actor system on Pykka and gevent.

Public are `gen_smtp_server`, `gen_smtp_server_session`, `smtp_server_example`, `smtp_util`, `events`,
`compiled`, `gen_smtp.maildir:MaildirHandler` and `gen_smtp.cli:app`. All else may change. This file
imports nothing, until `compiled` is asked for: then `actors.net` and `gen_smtp.protocol.text`.
"""

from typing import TYPE_CHECKING, Literal

compiled: Literal["python", "c"]
"""What runs: `"c"`, with the parts in C, which `pip install` builds where a compiler is; else `"python"`."""

if not TYPE_CHECKING:  # else every name would seem to be here

    def __getattr__(name: str) -> str:
        if name != "compiled":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from actors.net import session_socket
        from gen_smtp.protocol.text import newlines

        return "c" if session_socket.IN_C and newlines.IN_C else "python"
