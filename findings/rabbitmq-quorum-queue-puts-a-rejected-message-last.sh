#!/usr/bin/env bash
# RabbitMQ 3.10.8 on Erlang/OTP 25.2.3 (Debian rabbitmq-server 3.10.8-1.1+deb12u1), asked with pika 1.4.4.
#
# A consumer that cannot deal with a message now gives it back: basic.nack with requeue=true. One expects it to come
# again as the next one, at its old place at the head, and classic queues do that. A quorum queue puts it *behind* all
# that wait, so each retry changes the order for good. Yet when the consumer's channel is closed instead,
# the same queue puts the same messages back in front, in their old order. So "nack it" and "close the channel"
# differ in more than speed. A second surprise on the way: a quorum queue adds the header x-delivery-count (0) to the
# very first delivery already, so a message that was published without any headers does not arrive without.
#
# Seen (1, 2, 3 and 4 queued; first: 1 is taken and nacked; then: 1 and 2 are taken and the channel is closed):
#   classic nack  1 2 3 4   closed 1 2 3 4   headers of an untouched message: None
#   quorum  nack  2 3 4 1   closed 1 2 3 4   headers of an untouched message: {'x-delivery-count': 0}

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
import time

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))


def get(channel, queue, **how):
    for _ in range(100):
        method, properties, body = channel.basic_get(queue, **how)
        if method:
            return method, properties, body.decode()
        time.sleep(0.05)
    sys.exit("no message came")


def filled(kind):
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare(f"{kind}-{time.monotonic_ns()}", durable=True, arguments={"x-queue-type": kind}).method.queue
    for body in "1234":
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))
    return channel, queue


def rest(queue):
    time.sleep(0.5)
    channel = connection.channel()
    return [get(channel, queue, auto_ack=True) for _ in range(4)]


for kind in ("classic", "quorum"):
    channel, queue = filled(kind)
    method, _, _ = get(channel, queue)
    channel.basic_nack(method.delivery_tag, requeue=True)
    nacked = rest(queue)
    channel, queue = filled(kind)
    get(channel, queue), get(channel, queue)
    channel.close()
    closed = rest(queue)
    untouched = next(properties.headers for method, properties, body in nacked if body == "3")
    untouched = untouched and {name: int(value) for name, value in untouched.items()}
    print(f"{kind:7} nack  {' '.join(m[2] for m in nacked)}   closed {' '.join(m[2] for m in closed)}   "
          f"headers of an untouched message: {untouched}")
connection.close()
PY
timeout 90 venv/bin/python probe.py "$amqp" >seen
cat seen
cat >wanted <<'WANTED'
classic nack  1 2 3 4   closed 1 2 3 4   headers of an untouched message: None
quorum  nack  2 3 4 1   closed 1 2 3 4   headers of an untouched message: {'x-delivery-count': 0}
WANTED
diff wanted seen || { echo 'CHANGED: rejected messages come back in another order now' >&2; exit 1; }
