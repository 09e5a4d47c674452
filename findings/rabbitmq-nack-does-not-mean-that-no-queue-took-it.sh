#!/usr/bin/env bash
# RabbitMQ 3.10.8 on Erlang/OTP 25.2.3 (Debian rabbitmq-server 3.10.8-1.1+deb12u1), asked with pika 1.4.4.
#
# With publisher confirms a basic.nack is the broker's "I did not take this message": one expects that nothing has
# been stored, so that the publisher may publish it again without harm. If an exchange routes to several queues and
# only one of them is full (x-max-length with reject-publish), the one nack is for all, but the other queues keep the
# message and hand it out. Each new try puts one more copy into them.
#
# Seen:
#   full and roomy bound, three tries: nack nack nack
#   full holds 1, roomy holds 3

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
channel = connection.channel()
channel.confirm_delivery()
channel.exchange_declare("mail", "fanout")
channel.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
channel.queue_declare("roomy")
channel.basic_publish("", "full", b"first")
for queue in ("full", "roomy"):
    channel.queue_bind(queue, "mail")
answers = []
for _ in range(3):
    try:
        channel.basic_publish("mail", "", b"one message", mandatory=True)
        answers.append("ack")
    except pika.exceptions.NackError:
        answers.append("nack")
print("full and roomy bound, three tries:", *answers)
held = {}
for queue in ("full", "roomy"):
    held[queue] = 0
    while channel.basic_get(queue, auto_ack=True)[0]:
        held[queue] += 1
print(f"full holds {held['full']}, roomy holds {held['roomy']}")
connection.close()
PY
timeout 90 venv/bin/python probe.py "$amqp" >seen
cat seen
cat >wanted <<'WANTED'
full and roomy bound, three tries: nack nack nack
full holds 1, roomy holds 3
WANTED
diff wanted seen || { echo 'CHANGED: a nack of a message for two queues means something else now' >&2; exit 1; }
