#!/usr/bin/env bash
# RabbitMQ 3.10.8 on Erlang/OTP 25.2.3 (Debian rabbitmq-server 3.10.8-1.1+deb12u1), asked with pika 1.4.4.
#
# A program puts mail into a queue and hands the mail's header fields on as the headers of the AMQP message. One
# expects these to be the publisher's own affair, carried unread. But two names are instructions to the broker: a list
# of strings under "CC" or "BCC" is a list of further routing keys, so that the message is put into other queues as
# well, and "BCC" is taken out on the way (in all copies). A copy also satisfies `mandatory`: a message whose own
# queue is gone is confirmed, not returned, when a queue named in CC exists. A plain string under "CC" is not ignored
# but closes the channel with 406. Only these spellings count: "Cc" and "cc" are carried unread.
#
# Seen (queues inbox, audit and hidden; all published with mandatory, routing key inbox but for the last one, gone):
#   Cc list        inbox ['Cc', 'X'] audit - hidden -
#   CC, BCC lists  inbox ['CC', 'X'] audit ['CC', 'X'] hidden ['CC', 'X']
#   CC string      406 PRECONDITION_FAILED
#   no queue       returned to the publisher
#   no queue + CC  confirmed; audit ['CC']

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
queues = ("inbox", "audit", "hidden")


def publish(key, headers):
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", key, b"mail", pika.BasicProperties(headers=headers), mandatory=True)
    channel.close()


def holds(queue):
    channel = connection.channel()
    method, properties, _ = channel.basic_get(queue, auto_ack=True)
    channel.close()
    return sorted(properties.headers) if method else "-"


def everywhere():
    return " ".join(f"{queue} {holds(queue)}" for queue in queues)


setup = connection.channel()
for queue in queues:
    setup.queue_declare(queue)
publish("inbox", {"X": 1, "Cc": ["audit"]})
print("Cc list       ", everywhere())
publish("inbox", {"X": 1, "CC": ["audit"], "BCC": ["hidden"]})
print("CC, BCC lists ", everywhere())
try:
    publish("inbox", {"CC": "audit"})
    print("CC string      taken")
except pika.exceptions.ChannelClosedByBroker as gone:
    print("CC string     ", gone.reply_code, gone.reply_text.split(" - ")[0])
try:
    publish("gone", {})
    print("no queue       confirmed")
except pika.exceptions.UnroutableError:
    print("no queue       returned to the publisher")
publish("gone", {"CC": ["audit"]})
print("no queue + CC  confirmed; audit", holds("audit"))
connection.close()
PY
timeout 90 venv/bin/python probe.py "$amqp" >seen
cat seen
cat >wanted <<'WANTED'
Cc list        inbox ['Cc', 'X'] audit - hidden -
CC, BCC lists  inbox ['CC', 'X'] audit ['CC', 'X'] hidden ['CC', 'X']
CC string      406 PRECONDITION_FAILED
no queue       returned to the publisher
no queue + CC  confirmed; audit ['CC']
WANTED
diff wanted seen || { echo 'CHANGED: the headers CC and BCC mean something else now' >&2; exit 1; }
