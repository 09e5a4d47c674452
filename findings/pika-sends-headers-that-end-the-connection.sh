#!/usr/bin/env bash
# pika 1.4.4 (PyPI) with RabbitMQ 3.10.8 on Erlang/OTP 25.2.3 (Debian rabbitmq-server 3.10.8-1.1+deb12u1).
#
# A mail's envelope is put into the headers of an AMQP message, its recipients as a list. A body of any size is cut
# into frames by pika, so one expects that headers of any size go through as well, or that basic_publish refuses those
# that can't. AMQP 0-9-1 has all headers in one frame, though, of 131,072 octets as negotiated, and pika does not look:
# it sends a frame that is larger. The broker answers with 501 and closes the whole connection, so that all channels on
# it, with whatever they have under way, go down for a mail with 1,500 recipients. Tried again, it does the same.
#
# Seen:
#   frames of 131072 octets; a body of 10000000: confirmed; headers of 130000: confirmed
#   headers of 140000: ConnectionClosedByBroker 501 FRAME_ERROR
#   another channel of that connection: closed, the connection: closed

set -euo pipefail
dir=$(mktemp -d); jobs=()
cleanup() { for j in "${jobs[@]}"; do kill -- "-$j" 2>/dev/null || :; wait "$j" 2>/dev/null || :; done; sleep 0.3; rm -rf "$dir"; }
trap cleanup EXIT
set -m
cd "$dir"
erlang='1:25.2.3+dfsg-1+deb12u4' rabbit='3.10.8-1.1+deb12u1'
packages=("rabbitmq-server=$rabbit")
for name in base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp tools xmerl; do
    packages+=("erlang-$name=$erlang")
done
apt-get download -q "${packages[@]}" >/dev/null 2>&1 ||
    { echo "Debian packages rabbitmq-server $rabbit and Erlang $erlang cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
for deb in *.deb; do dpkg-deb -x "$deb" root; done
python3 -m venv venv
venv/bin/pip install -q pika==1.4.4 2>pip.log || { cat pip.log >&2; exit 3; }

otp=$dir/root/usr/lib/erlang
mkdir bin
printf '#!/bin/sh\nROOTDIR=%s BINDIR=%s EMU=beam PROGNAME=erl exec %s/erlexec "$@"\n' "$otp" "$otp"/erts-*/bin "$otp"/erts-*/bin >bin/erl
chmod +x bin/erl
ports=$(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in held))')
read -r amqp dist epmd <<<"$ports"
export HOME=$dir PATH=$dir/bin:$PATH ERL_EPMD_PORT=$epmd ERL_EPMD_ADDRESS=127.0.0.1
: >env.conf; : >rabbit.conf; echo '[].' >plugins
export RABBITMQ_HOME=$dir/root/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8 RABBITMQ_NODENAME=probe@localhost
export RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log RABBITMQ_CONF_ENV_FILE=$dir/env.conf
export RABBITMQ_CONFIG_FILE=$dir/rabbit RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins
export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$amqp RABBITMQ_DIST_PORT=$dist
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}'
"$otp"/erts-*/bin/epmd >/dev/null 2>&1 & jobs+=($!)
"$RABBITMQ_HOME/sbin/rabbitmq-server" >out 2>&1 </dev/null & jobs+=($!)
for _ in $(seq 120); do grep -q 'Starting broker... completed' out && break; kill -0 "${jobs[1]}" || break; sleep 0.5; done
grep -q 'Starting broker... completed' out || { tail -n 20 out >&2; echo 'RabbitMQ did not start' >&2; exit 3; }

cat >probe.py <<'PY'
import sys

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))
channel, other = connection.channel(), connection.channel()
channel.confirm_delivery()
channel.queue_declare("mail")


def publish(body, headers):
    channel.basic_publish("", "mail", body, pika.BasicProperties(headers=headers), mandatory=True)
    return "confirmed"


def recipients(octets):
    return {"recipients": ["x" * 995] * (octets // 1000)}


print(f"frames of {connection._impl.params.frame_max} octets; a body of 10000000: {publish(bytes(10_000_000), {})};",
      "headers of 130000:", publish(b"mail", recipients(130_000)))
try:
    print("headers of 140000:", publish(b"mail", recipients(140_000)))
except pika.exceptions.ConnectionClosedByBroker as gone:
    print("headers of 140000:", type(gone).__name__, gone.reply_code, gone.reply_text.split(" - ")[0])
print("another channel of that connection:", f"{'open' if other.is_open else 'closed'},",
      "the connection:", "open" if connection.is_open else "closed")
PY
timeout 90 venv/bin/python probe.py "$amqp" >seen 2>errors || { cat errors >&2; exit 1; }
cat seen
cat >wanted <<'WANTED'
frames of 131072 octets; a body of 10000000: confirmed; headers of 130000: confirmed
headers of 140000: ConnectionClosedByBroker 501 FRAME_ERROR
another channel of that connection: closed, the connection: closed
WANTED
diff wanted seen || { echo 'CHANGED: large headers are dealt with otherwise now' >&2; exit 1; }
