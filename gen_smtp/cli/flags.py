"""The flags of `gen-smtp serve`, and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

SERVE_HELP = """Serve mail with a callback class until SIGTERM or SIGINT, after the mail in hand.

SIGHUP has it read certificates and the module of your class again, without losing a connection. SIGUSR2 has a
new process take over, with a new version of everything, while no client is refused.

MODULE:CLASS is your class, in a module of the current folder or an installed one. Without it the example
server answers, which takes every mail and keeps none.

\b
Try it:
  gen-smtp serve --address 127.0.0.1
  swaks --server 127.0.0.1:2525 --to you@example.com

\b
Your own class, with options for its init():
  gen-smtp serve mymodule:MyServer --callback-option size=655360 --callback-option relay

\b
TLS from the first octet; or STARTTLS and AUTH, as the example announces them:
  gen-smtp serve --port 4650 --protocol ssl --certfile cert.pem --keyfile key.pem
  gen-smtp serve --certfile cert.pem --keyfile key.pem --callback-option auth

\b
LMTP behind another mail server, on a unix socket:
  gen-smtp serve --lmtp --family unix --address /run/mail.sock --mode 660 --socket-group postfix

\b
Port 25, as root only until it is bound:
  gen-smtp serve --port 25 --domain mx.example.com --user mail mymodule:MyServer

\b
Behind HAProxy with send-proxy or send-proxy-v2:
  gen-smtp serve --proxy-protocol 10.0.0.0/8 mymodule:MyServer

\b
Restarted while it serves (docs/operations.md, also for systemd):
  kill -USR2 PID

\b
All of four cores:
  gen-smtp serve --workers 4 mymodule:MyServer

\b
As {global, mx} in an Erlang cluster (docs/beam.md):
  gen-smtp serve --node mx1@10.0.0.5 --cookie-file /etc/gen-smtp/cookie --seed app@10.0.0.7 --name global:mx

\b
Limits, which each worker has for itself; docs/limits.md has them all:
  gen-smtp serve --limit max_sessions=500 --limit exempt=192.0.2.0/24,2001:db8::/32 mymodule:MyServer
  gen-smtp serve --limit message_size=52428800 --limit errors=10 mymodule:MyServer
  gen-smtp serve --timeout 120 --deadline data_block=60 --deadline session=3600 mymodule:MyServer

\b
Several listeners, from a TOML file:
  gen-smtp serve --config listeners.toml
\b
  [server]
  max_sessions = 500
\b
  [[listener]]
  port = 2525
  domain = "myserver.com"
\b
  [[listener]]
  port = 4650
  protocol = "ssl"
  [listener.sessionoptions]
  certfile = "cert.pem"
  keyfile = "key.pem"
  timeout = 180
  callbackoptions = { auth = true }
"""

ModuleArgument = Annotated[
    str, typer.Argument(metavar="MODULE:CLASS", show_default=False, help="Your callback class.")
]
AddressFlag = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Address, host name or socket path to listen on. [default: all addresses]"
    ),
]
PortFlag = Annotated[
    int | None,
    typer.Option(metavar="PORT", help="Port to listen on; 0 lets the system choose. [default: 2525]"),
]
FamilyFlag = Annotated[
    str | None, typer.Option(metavar="inet|inet6|unix", help="Address family. [default: inet]")
]
ModeFlag = Annotated[
    str | None,
    typer.Option(metavar="OCTAL", help="Permissions of a unix socket, such as 660. [default: by the umask]"),
]
SocketGroupFlag = Annotated[
    str | None, typer.Option(metavar="GROUP", help="Group that a unix socket belongs to.")
]
ProtocolFlag = Annotated[
    str | None, typer.Option(metavar="tcp|ssl", help="ssl is TLS from the first octet. [default: tcp]")
]
DomainFlag = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The server's name in greetings. [default: this machine's full name]"),
]
CertfileFlag = Annotated[str | None, typer.Option(metavar="FILE", help="Certificate in PEM form.")]
KeyfileFlag = Annotated[
    str | None, typer.Option(metavar="FILE", help="Its key, unless it is in the same file.")
]
LmtpFlag = Annotated[
    bool, typer.Option("--lmtp", help="Speak LMTP; the callback option protocol=lmtp is set too.")
]
RequireTlsFlag = Annotated[bool, typer.Option("--require-tls", help="No mail before STARTTLS.")]
RequireAuthFlag = Annotated[bool, typer.Option("--require-auth", help="No mail before AUTH.")]
AllowInsecureAuthFlag = Annotated[
    bool, typer.Option("--allow-insecure-auth", help="Offer AUTH without TLS too.")
]
TimeoutFlag = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time to the next command; inf is for ever. [default: 300]"),
]
DeadlineFlag = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SECONDS", help="How long anything else may take; may be repeated."),
]
AllowBareNewlinesFlag = Annotated[
    str | None,
    typer.Option(
        metavar="ignore|fix|strip", help="Take messages with a CR or LF alone. [default: they are refused]"
    ),
]
BareNewlinesFromFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--bare-newlines-from", metavar="NETWORK", help="Take such messages from here alone; may be repeated."
    ),
]
LenientFlag = Annotated[
    bool, typer.Option("--lenient", help="Take addresses and names that old devices send against the RFCs.")
]
RefuseEarlyTalkersFlag = Annotated[
    bool,
    typer.Option("--refuse-early-talkers", help="Answer 554 to a client that talks before the greeting."),
]
GreetDelayFlag = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Let clients wait for the greeting, to find such. [default: 0]"),
]
ProxyProtocolFlag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NETWORK", help="Balancers that send the PROXY header; needed from all. May be repeated."
    ),
]
TrustProxiedTlsFlag = Annotated[
    bool, typer.Option("--trust-proxied-tls", help="TLS that ends at a balancer or proxy counts as TLS here.")
]
XClientFlag = Annotated[
    list[str] | None,
    typer.Option("--xclient", metavar="NETWORK", help="Clients that may use XCLIENT; may be repeated."),
]
XForwardFlag = Annotated[
    list[str] | None,
    typer.Option("--xforward", metavar="NETWORK", help="Clients that may use XFORWARD; may be repeated."),
]
CallbackOptionFlag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY[=VALUE]", help="Option for the callback, a TOML value or text; may be repeated."
    ),
]
LimitFlag = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A limit of the server or of each session; may be repeated."),
]
ConfigFlag = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file with a [[listener]] table for each listener.")
]
LogLevelFlag = Annotated[
    str, typer.Option(metavar="|".join(LOG_LEVELS), help="What to log on standard error.")
]
UserFlag = Annotated[
    str | None, typer.Option(metavar="USER", help="User to become once the ports are bound; needs root.")
]
GroupFlag = Annotated[
    str | None, typer.Option(metavar="GROUP", help="Group to become with --user. [default: the user's own]")
]
WorkerCountFlag = Annotated[
    int, typer.Option("--workers", metavar="N", help="Processes that share the ports, for several cores.")
]
GraceFlag = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time for the mail in hand when the server stops.")
]
DrainFlag = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Time that clients may stay when another process has taken over."),
]
CheckFlag = Annotated[bool, typer.Option("--check", help="Start nothing; say what is wrong, if anything is.")]
PidfileFlag = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File for the number of the process that serves.")
]
