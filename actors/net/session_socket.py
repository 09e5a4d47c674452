"""The class of a session's socket: in C where `quick_socket.c` was built, else the standard library's own."""

import _socket
import os

SessionSocket: type[_socket.socket] = _socket.socket
"""Makes a socket. It is used non-blocking; `recv` and `send` in C never wait in any case."""
IN_C = False

if os.environ.get("GEN_SMTP_PURE", "") in ("", "0"):
    try:
        from actors.net.quick_socket import QuickSocket
    except ImportError:  # there was no compiler
        pass
    else:
        SessionSocket, IN_C = QuickSocket, True
