"""Every setting of `gen-smtp serve`, in one table.

A row says where the setting stands in a file, which flag sets it, and what it is. The environment variable
has the name of the flag: `--log-level` is `GEN_SMTP_LOG_LEVEL`. A new setting is a new row; what it does is
the business of `configuration`, or of whoever asks the effective settings for its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.messages import DEFAULT_GRACE
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.limits import Limits
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.stop_times import DEFAULT_DRAIN
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.values import keys_and_values, values_of_records

EXAMPLE = "gen_smtp.smtp_server_example:SmtpServerExample"
LOG_FORMATS = ("text", "json", "logfmt", "journald")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

LISTENER, SERVER, NODE = "listener", "server", "node"
"""The tables of a file that become records: each `[[listener]]`, `[server]` and `[node]`."""

SESSION = "listener.sessionoptions"

Entries = Mapping[str, Any]
"""Values by their places."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        place: where it stands in a file, with dots between the tables; `listener` is the table of a listener.
        flag: its flag; of the argument `MODULE:CLASS` that.
        type: `str`, `int`, `float`, `bool`, `Path`, or `list` for texts of which there may be several.
        metavar: what stands for the value in the help; None for a flag without one.
        help: what it is.
        default: its value where nothing sets it; None for nothing, or where another default is computed.
        choices: the values that there are; None for any.
        entries: makes entries of a file of a flag's value, where they are more than the value at the place.
    """

    place: str
    flag: str
    type: type
    metavar: str | None
    help: str
    default: Any = None
    choices: tuple[str, ...] | None = None
    entries: Callable[[Any], Entries] | None = None

    @property
    def name(self) -> str:
        """Its name as an argument of a function."""
        return "module" if self.flag == MODULE else self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"GEN_SMTP_{self.name.upper()}"

    def read(self, value: Any) -> Entries:
        """What a flag or variable sets, by the places in a file."""
        return {self.place: value} if self.entries is None else self.entries(value)


MODULE = "MODULE:CLASS"

LIMIT_RECORDS: Mapping[str, type] = {SERVER: ServerOptions, f"{SESSION}.limits": Limits}
"""What `--limit NAME=VALUE` sets, by the table that it stands in."""

DEADLINE_RECORDS: Mapping[str, type] = {f"{SESSION}.deadlines": Deadlines}
"""What `--deadline NAME=VALUE` sets."""


def _fields(flag: str, records: Mapping[str, type]) -> Callable[[Any], Entries]:
    def entries(texts: Any) -> Entries:
        found = values_of_records(flag, texts, records)
        return {f"{place}.{name}": value for place, given in found.items() for name, value in given.items()}

    return entries


def _callback_options(texts: Any) -> Entries:
    place = f"{SESSION}.callbackoptions"
    return {f"{place}.{key}": value for key, value in keys_and_values("--callback-option", texts).items()}


def _lmtp(wanted: Any) -> Entries:
    # The example, as gen_smtp's, asks its own options whether it is to answer once per recipient.
    return {
        f"{SESSION}.protocol": "lmtp" if wanted else "smtp",
        **({f"{SESSION}.callbackoptions.protocol?": "lmtp"} if wanted else {}),
    }


def _node_tls(text: Any) -> Entries:
    names = ("certfile", "keyfile", "cafile")
    paths = str(text).split(",")
    if len(paths) != len(names) or not all(paths):
        raise CommandLineError("--node-tls: three files with commas between: certificate, key, authority")
    return {f"{NODE}.tls": dict(zip(names, paths, strict=True))}


SETTINGS: tuple[Setting, ...] = (
    Setting("module", MODULE, str, MODULE, "Your callback class.", EXAMPLE),
    # -- one listener ------------------------------------------------------------------------------
    Setting(
        f"{LISTENER}.address",
        "--address",
        str,
        "ADDRESS",
        "Address, host name or socket path to listen on. [default: all addresses]",
    ),
    Setting(
        f"{LISTENER}.port",
        "--port",
        int,
        "PORT",
        "Port to listen on; 0 lets the system choose. [default: 2525]",
    ),
    Setting(f"{LISTENER}.family", "--family", str, "inet|inet6|unix", "Address family. [default: inet]"),
    Setting(
        f"{LISTENER}.mode",
        "--mode",
        str,
        "OCTAL",
        "Permissions of a unix socket, such as 660. [default: by the umask]",
    ),
    Setting(f"{LISTENER}.group", "--socket-group", str, "GROUP", "Group that a unix socket belongs to."),
    Setting(
        f"{LISTENER}.protocol",
        "--protocol",
        str,
        "tcp|ssl",
        "ssl is TLS from the first octet. [default: tcp]",
    ),
    Setting(
        f"{LISTENER}.domain",
        "--domain",
        str,
        "NAME",
        "The server's name in greetings. [default: this machine's full name]",
    ),
    Setting(f"{SESSION}.certfile", "--certfile", str, "FILE", "Certificate in PEM form."),
    Setting(f"{SESSION}.keyfile", "--keyfile", str, "FILE", "Its key, unless it is in the same file."),
    Setting(
        f"{SESSION}.protocol",
        "--lmtp",
        bool,
        None,
        "Speak LMTP; the callback option protocol=lmtp is set too.",
        entries=_lmtp,
    ),
    Setting(f"{SESSION}.require_tls", "--require-tls", bool, None, "No mail before STARTTLS."),
    Setting(f"{SESSION}.require_auth", "--require-auth", bool, None, "No mail before AUTH."),
    Setting(
        f"{SESSION}.allow_insecure_auth", "--allow-insecure-auth", bool, None, "Offer AUTH without TLS too."
    ),
    Setting(
        f"{SESSION}.timeout",
        "--timeout",
        float,
        "SECONDS",
        "Time to the next command; inf is for ever. [default: 300]",
    ),
    Setting(
        f"{SESSION}.allow_bare_newlines",
        "--allow-bare-newlines",
        str,
        "ignore|fix|strip",
        "Take messages with a CR or LF alone. [default: they are refused]",
    ),
    Setting(
        f"{SESSION}.bare_newlines_from",
        "--bare-newlines-from",
        list,
        "NETWORK",
        "Clients that --allow-bare-newlines is for; may be repeated. [default: all]",
    ),
    Setting(
        f"{SESSION}.lenient",
        "--lenient",
        bool,
        None,
        "Take addresses and names that old devices send against the RFCs.",
    ),
    Setting(
        f"{SESSION}.refuse_early_talkers",
        "--refuse-early-talkers",
        bool,
        None,
        "Answer 554 to a client that talks before the greeting.",
    ),
    Setting(
        f"{SESSION}.greet_delay",
        "--greet-delay",
        float,
        "SECONDS",
        "Let clients wait for the greeting, to find such. [default: 0]",
    ),
    Setting(
        f"{LISTENER}.proxy_protocol",
        "--proxy-protocol",
        list,
        "NETWORK",
        "Balancers that send the PROXY header; needed from all. May be repeated.",
    ),
    Setting(
        f"{LISTENER}.trust_proxied_tls",
        "--trust-proxied-tls",
        bool,
        None,
        "TLS that ends at a balancer or proxy counts as TLS here.",
    ),
    Setting(
        f"{LISTENER}.xclient",
        "--xclient",
        list,
        "NETWORK",
        "Clients that may use XCLIENT; may be repeated.",
    ),
    Setting(
        f"{LISTENER}.xforward",
        "--xforward",
        list,
        "NETWORK",
        "Clients that may use XFORWARD; may be repeated.",
    ),
    Setting(
        f"{SESSION}.transcript",
        "--transcript",
        str,
        "FILE",
        "Append what is said in sessions, without credentials and bodies.",
    ),
    Setting(
        f"{SESSION}.transcript_from",
        "--transcript-from",
        list,
        "NETWORK",
        "Clients that --transcript is for; may be repeated. [default: all]",
    ),
    Setting(
        f"{SESSION}.callbackoptions",
        "--callback-option",
        list,
        "KEY[=VALUE]",
        "Option for the callback, a TOML value or text; may be repeated.",
        entries=_callback_options,
    ),
    # -- limits and deadlines ----------------------------------------------------------------------
    Setting(
        SERVER,
        "--limit",
        list,
        "NAME=VALUE",
        "A limit of the server or of each session; may be repeated.",
        entries=_fields("--limit", LIMIT_RECORDS),
    ),
    Setting(
        f"{SESSION}.deadlines",
        "--deadline",
        list,
        "NAME=SECONDS",
        "How long anything else may take; may be repeated.",
        entries=_fields("--deadline", DEADLINE_RECORDS),
    ),
    # -- the process -------------------------------------------------------------------------------
    Setting(
        "log.level",
        "--log-level",
        str,
        "|".join(LOG_LEVELS),
        "What to log on standard error.",
        "info",
        choices=LOG_LEVELS,
    ),
    Setting(
        "log.format",
        "--log-format",
        str,
        "|".join(LOG_FORMATS),
        "How a line of the log looks; journald: with priorities and without the time.",
        default="text",
        choices=LOG_FORMATS,
    ),
    Setting(
        "metrics.address",
        "--metrics",
        str,
        "ADDRESS",
        "Where Prometheus finds /metrics: a port of 127.0.0.1, or HOST:PORT.",
    ),
    Setting(
        "traces.enabled",
        "--traces",
        bool,
        None,
        "Tell OpenTelemetry of sessions and transactions, as the environment has set it up.",
        False,
    ),
    Setting("user", "--user", str, "USER", "User to become once the ports are bound; needs root."),
    Setting("group", "--group", str, "GROUP", "Group to become with --user. [default: the user's own]"),
    Setting("workers", "--workers", int, "N", "Processes that share the ports, for several cores.", 1),
    Setting(
        "grace",
        "--grace",
        float,
        "SECONDS",
        "Time for the mail in hand when the server stops.",
        DEFAULT_GRACE,
    ),
    Setting(
        "drain",
        "--drain",
        float,
        "SECONDS",
        "Time that clients may stay when another process has taken over.",
        DEFAULT_DRAIN,
    ),
    Setting("pidfile", "--pidfile", Path, "FILE", "File for the number of the process that serves."),
    Setting(
        "control.path",
        "--control",
        str,
        "PATH",
        "Unix socket for gen-smtp sessions, stats, stop and so on.",
    ),
    Setting(
        "control.mode",
        "--control-mode",
        str,
        "OCTAL",
        "Permissions of that socket, such as 660. [default: 600]",
    ),
    Setting("control.group", "--control-group", str, "GROUP", "Group that it belongs to."),
    Setting(
        "on_started",
        "--on-started",
        str,
        "MODULE:FUNCTION",
        "Function to call with the server in each process that serves; what it returns is called at the end.",
    ),
    # -- an Erlang cluster -------------------------------------------------------------------------
    Setting(f"{NODE}.node", "--node", str, "NAME@HOST", "Be a node of an Erlang cluster, with this name."),
    Setting(
        f"{NODE}.cookie_file",
        "--cookie-file",
        str,
        "FILE",
        "File with the cluster's cookie. [default: ~/.erlang.cookie]",
    ),
    Setting(
        f"{NODE}.seeds", "--seed", list, "NAME@HOST", "Node to connect to at the start; may be repeated."
    ),
    Setting(
        f"{NODE}.name",
        "--name",
        str,
        "global:NAME|local:NAME",
        "What to register the server as there.",
    ),
    Setting(
        f"{NODE}.address",
        "--node-address",
        str,
        "ADDRESS",
        "Where to listen for other nodes. [default: 127.0.0.1]",
    ),
    Setting(
        f"{NODE}.port",
        "--node-port",
        int,
        "PORT",
        "First port to listen at for them. [default: the system chooses]",
    ),
    Setting(
        f"{NODE}.only",
        "--node-only",
        list,
        "NAME@HOST",
        "Node that may connect, and no other; may be repeated.",
    ),
    Setting(
        f"{NODE}.tls",
        "--node-tls",
        str,
        "CERT,KEY,CA",
        "TLS between nodes: files with certificate, key, authority.",
        entries=_node_tls,
    ),
)

BY_NAME: Mapping[str, Setting] = {each.name: each for each in SETTINGS}

OF_PROCESS: tuple[Setting, ...] = tuple(
    each for each in SETTINGS if each.place.partition(".")[0] not in (LISTENER, SERVER, NODE)
)
"""Those that are no options of a record: a value each."""
