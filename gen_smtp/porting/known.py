"""What there is here for what Erlang modules use: docs/porting.md's tables, for a program."""

from __future__ import annotations

from collections.abc import Mapping

CALLBACKS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "init": (4, ("hostname", "session_count", "peername", "options")),
    "handle_HELO": (2, ("hostname",)),
    "handle_EHLO": (3, ("hostname", "extensions")),
    "handle_STARTTLS": (1, ()),
    "handle_AUTH": (4, ("mechanism", "username", "credential")),
    "handle_MAIL": (2, ("sender",)),
    "handle_MAIL_extension": (2, ("extension",)),
    "handle_RCPT": (2, ("recipient",)),
    "handle_RCPT_extension": (2, ("extension",)),
    "handle_DATA": (4, ("sender", "recipients", "data")),
    "handle_RSET": (1, ()),
    "handle_VRFY": (2, ("address",)),
    "handle_other": (3, ("verb", "args")),
    "handle_info": (2, ("message",)),
    "handle_error": (3, ("error_class", "detail")),
    "terminate": (2, ("reason",)),
}
"""gen_smtp's callbacks: their arity in Erlang, and the parameters they have here. The last argument there is
the state, which is the object here; init has none."""

SAFE_RESULTS: Mapping[str, str] = {
    "init": 'stop("normal", f"421 {hostname} is not ready yet")',
    "handle_HELO": "ok",
    "handle_EHLO": "ok(extensions)",
    "handle_AUTH": "error",
    "handle_MAIL": 'error("451 4.3.0 Not ready yet")',
    "handle_MAIL_extension": "error",
    "handle_RCPT": 'error("451 4.3.0 Not ready yet")',
    "handle_RCPT_extension": "error",
    "handle_DATA": 'error("451 4.3.0 Not ready yet")',
    "handle_VRFY": 'error("252 Just send some mail")',
    "handle_other": "error",
    "handle_info": "noreply",
    "handle_error": "ok",
}
"""What is returned where clauses are not brought over yet: clients come again, so no mail is lost or let in.
The others return None."""

FUNCTIONS: Mapping[str, str] = {
    "application:get_env": "the program's own settings, or the callback option of that name",
    "application:ensure_all_started": "nothing is to be started",
    "base64": "the module base64",
    "binary": "methods of bytes and str",
    "crypto": "hashlib, hmac and secrets",
    "ets": "a dict; one for all sessions is an attribute of the class",
    "erlang:monitor": "actors.monitor",
    "erlang:send_after": "actors.send_after",
    "erlang:start_timer": "actors.start_timer",
    "erlang:cancel_timer": "actors.cancel_timer",
    "error_logger": "logging",
    "file": "pathlib, in actors.run_blocking",
    "gen_server:call": "actors.call",
    "gen_server:cast": "actors.cast",
    "gen_server:reply": "actors.reply",
    "gen_event": "actors.gen_event",
    "gen_smtp_client": "gen_smtp.gen_smtp_client, with the same functions and options",
    "gen_smtp_server:start": "gen_smtp_server.start",
    "gen_smtp_server:start_link": "gen_smtp_server.start_link",
    "gen_smtp_server:stop": "gen_smtp_server.stop",
    "gen_smtp_server:sessions": "gen_smtp_server.sessions",
    "inet": "ipaddress and socket",
    "io:format": "logging, or print",
    "io_lib:format": "an f-string",
    "lager": "logging",
    "lists": "list, and comprehensions",
    "logger": "logging",
    "maps": "dict",
    "mimemail": "the standard library's email",
    "pg": "actors.pg",
    "proplists:get_value": "dict(options).get",
    "re": "the module re",
    "smtp_util": "gen_smtp.smtp_util",
    "string": "methods of str",
    "timer:sleep": "actors.sleep",
    "timer:send_after": "actors.send_after",
    "timer:send_interval": "actors.send_interval",
    "!": "actors.send, or reference.tell",
    "link": "actors.link",
    "monitor": "actors.monitor",
    "self": "self.session.ref",
    "send": "actors.send",
    "spawn": "actors.spawn",
    "spawn_link": "actors.spawn",
    "register": "actors.register",
    "whereis": "actors.whereis",
}
"""By `module:function`, by module, or by the name of a function or an operator of Erlang itself."""

LOGGERS: Mapping[str | None, str] = {"io": "info", "lager": "", "logger": "", "error_logger": ""}
"""Modules that write to a log, and the level of all that they write; else the function's name says it."""

EXPRESSIONS: Mapping[str, str] = {
    "receive": "actors.receive",
    "fun": "a function",
    "lc": "a comprehension",
    "try": "try and except",
}
"""By the names that OTP's parser has for them."""

VALUES_ALONE = frozenset(
    ("+", "-", "*", "/", "++", "--", "div", "rem", "and", "or", "not", "andalso", "orelse")
) | frozenset(("==", "/=", "=:=", "=/=", "<", "=<", ">", ">="))
"""Operators, which need no word."""


def here_for(module: str | None, function: str) -> str | None:
    """What there is here for a function; None if that is not known."""
    name = function if module is None else f"{module}:{function}"
    return FUNCTIONS.get(name) or (FUNCTIONS.get(module) if module is not None else None)
