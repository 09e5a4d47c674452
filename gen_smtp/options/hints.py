"""What an unknown option was probably meant to be: one of another place, or of another server."""

from __future__ import annotations

import difflib

from gen_smtp.options.checks import NO_SUCH_OPTION, OptionsError, option_names
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.limits import Limits
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.session import SessionOptions
from gen_smtp.options.tls.record import TlsOptions

_SESSION, _TLS, _SERVER = "sessionoptions", "sessionoptions.tls_options", "serveroptions"
_LIMITS, _DEADLINES = "sessionoptions.limits", "sessionoptions.deadlines"

# The options that hold each record, and the record; of a name in several of them the first record counts.
_RECORDS: tuple[tuple[str, type], ...] = (
    ("", ListenerOptions),
    (_SESSION, SessionOptions),
    (_SERVER, ServerOptions),
    (_LIMITS, Limits),
    (_DEADLINES, Deadlines),
    (_TLS, TlsOptions),
)

PLACES: dict[str, str] = {}
"""Where each option that there is belongs."""
for _holder, _record in _RECORDS:
    for _name in option_names(_record):
        PLACES.setdefault(_name, f"{_holder}.{_name}" if _holder else _name)

# What aiosmtpd, gen_smtp and others call it; in small letters, without underscores.
OTHER_NAMES: dict[str, str] = {
    "bind": "address",
    "bindaddress": "address",
    "host": "address",
    "interface": "address",
    "ip": "address",
    "listen": "address",
    "path": "address",
    "unixsocket": "address",
    "fqdn": "domain",
    "serverhostname": "domain",
    "servername": "domain",
    "ranchopts": f"{_SERVER}.max_sessions or backlog",
    "socketopts": "backlog",
    "proxyprotocoltimeout": f"{_DEADLINES}.proxy_header",
    "callbackoptions": f"{_SESSION}.callbackoptions",
    "options": f"{_SESSION}.callbackoptions",
    "authorizedxclienthosts": "xclient",
    "smtpdauthorizedxclienthosts": "xclient",
    "authorizedxforwardhosts": "xforward",
    "smtpdauthorizedxforwardhosts": "xforward",
    "smtpdforbidbarenewlineexclusions": f"{_SESSION}.bare_newlines_from",
    "lmtp": f"{_SESSION}.protocol",
    "strict": f"{_SESSION}.lenient",
    "strictrfc821envelopes": f"{_SESSION}.lenient",
    "authrequired": f"{_SESSION}.require_auth",
    "requireauthentication": f"{_SESSION}.require_auth",
    "authrequiretls": f"{_SESSION}.allow_insecure_auth",
    "requirestarttls": f"{_SESSION}.require_tls",
    "starttlsrequired": f"{_SESSION}.require_tls",
    "tlsrequired": f"{_SESSION}.require_tls",
    "idletimeout": f"{_SESSION}.timeout",
    "sockettimeout": f"{_SESSION}.timeout",
    "datatimeout": f"{_DEADLINES}.data_block",
    "handshaketimeout": f"{_DEADLINES}.handshake",
    "cert": f"{_SESSION}.certfile",
    "certificate": f"{_SESSION}.certfile",
    "key": f"{_SESSION}.keyfile",
    "context": f"{_SESSION}.tls_options",
    "ssl": f"{_SESSION}.tls_options",
    "sslcontext": f"{_SESSION}.tls_options",
    "ssloptions": f"{_SESSION}.tls_options",
    "tls": f"{_SESSION}.tls_options",
    "tlscontext": f"{_SESSION}.tls_options",
    "cacertfile": f"{_TLS}.cafile",
    "failifnopeercert": f"{_TLS}.verify",
    "snicallback": f"{_TLS}.sni_fun",
    "snifun": f"{_TLS}.sni_fun",
    "snihosts": f"{_TLS}.sni_hosts",
    "versions": f"{_TLS}.minimum_version",
    "datasizelimit": f"{_LIMITS}.message_size",
    "maxmessagesize": f"{_LIMITS}.message_size",
    "messagesizelimit": f"{_LIMITS}.message_size",
    "size": f"{_LIMITS}.message_size",
    "sizelimit": f"{_LIMITS}.message_size",
    "maxrecipients": f"{_LIMITS}.recipients",
    "commandcalllimit": f"{_LIMITS}.junk_commands",
    "maxclients": f"{_SERVER}.max_sessions",
    "maxconnections": f"{_SERVER}.max_sessions",
    "numacceptors": f"{_SERVER}.max_sessions",
}


def with_hint(error: OptionsError) -> OptionsError:
    """The same error. For an unknown option it names the option that was probably meant, if there is any.

    Args:
        error: seen from the outermost options, so that the option's place is whole.
    """
    if error.problem != NO_SUCH_OPTION or error.option is None:
        return error
    name = _bare(error.option)
    if error.nearest is not None and _bare(error.nearest) == name:
        return error
    return error.meaning(OTHER_NAMES.get(name) or _BARE_PLACES.get(name) or error.nearest or _similar(name))


def _bare(option: str) -> str:
    """The name of an option without its place, in small letters, without underscores."""
    return option.rpartition(".")[2].lower().replace("_", "").replace("-", "")


_BARE_PLACES = {_bare(name): place for name, place in PLACES.items()}


def _similar(name: str) -> str | None:
    close = difflib.get_close_matches(name, _BARE_PLACES, n=1)
    return _BARE_PLACES[close[0]] if close else None
