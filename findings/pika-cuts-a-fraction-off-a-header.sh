#!/usr/bin/env bash
# pika 1.4.4 (PyPI), the AMQP client, its coding of message headers; no broker is needed for it.
#
# Headers are a table of typed values; AMQP has a type for 32-bit and one for 64-bit floating point numbers, which
# clients in other languages use as a matter of course. One expects a Python float from them. pika reads both types
# but gives the value as an integer: 2.75 arrives as 2, -0.5 as 0, without a warning. It can not write a float at all
# (UnsupportedAMQPFieldException), so no program that has pika on both sides ever sees it. What comes through whole is
# a Decimal.
#
# Seen:
#   double 2.75 read as 2; double -0.5 read as 0; float 2.75 read as 2
#   2.75 written: UnsupportedAMQPFieldException
#   Decimal 2.75 written and read: 2.75

set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
python3 -m venv venv
venv/bin/pip install -q pika==1.4.4 2>pip.log || { cat pip.log >&2; exit 3; }

cat >probe.py <<'PY'
import struct
from decimal import Decimal

import pika


def write(headers):
    return b"".join(pika.BasicProperties(headers=headers).encode())


def read(coded):
    properties = pika.BasicProperties()
    properties.decode(coded)
    return properties.headers


def sent_by_another_client(kind, number):
    entry = b"\x05score" + kind.encode() + struct.pack(">" + kind, number)
    return struct.pack(">HI", pika.BasicProperties.FLAG_HEADERS, len(entry)) + entry


print("; ".join(f"{name} {number} read as {read(sent_by_another_client(kind, number))['score']}"
                for name, kind, number in (("double", "d", 2.75), ("double", "d", -0.5), ("float", "f", 2.75))))
try:
    print("2.75 written:", read(write({"score": 2.75})))
except Exception as failed:
    print("2.75 written:", type(failed).__name__)
print("Decimal 2.75 written and read:", read(write({"score": Decimal("2.75")}))["score"])
PY
timeout 30 venv/bin/python probe.py >seen
cat seen
cat >wanted <<'WANTED'
double 2.75 read as 2; double -0.5 read as 0; float 2.75 read as 2
2.75 written: UnsupportedAMQPFieldException
Decimal 2.75 written and read: 2.75
WANTED
diff wanted seen || { echo 'CHANGED: pika codes headers otherwise now' >&2; exit 1; }
