"""What the help of `gen-smtp serve` says."""

from __future__ import annotations

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
Seen and steered while it runs (docs/control.md):
  gen-smtp serve --control /run/gen-smtp/control mymodule:MyServer
  gen-smtp top --control /run/gen-smtp/control

\b
As {global, mx} in an Erlang cluster (docs/beam.md):
  gen-smtp serve --node mx1@10.0.0.5 --cookie-file /etc/gen-smtp/cookie --seed app@10.0.0.7 --name global:mx

\b
Limits, which each worker has for itself; docs/limits.md has them all:
  gen-smtp serve --limit max_sessions=500 --limit exempt=192.0.2.0/24,2001:db8::/32 mymodule:MyServer
  gen-smtp serve --limit message_size=52428800 --limit errors=10 mymodule:MyServer
  gen-smtp serve --timeout 120 --deadline data_block=60 --deadline session=3600 mymodule:MyServer

\b
All of it from a TOML file, or from variables (docs/configuration.md); a flag goes before a variable, and that
before the file:
  gen-smtp serve --config mail.toml --port 2526
  GEN_SMTP_PORT=2526 gen-smtp serve --config mail.toml
  gen-smtp config --config mail.toml
\b
  module = "mymodule:MyServer"
  workers = 4
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
