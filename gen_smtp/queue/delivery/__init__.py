"""Delivery out of the queue: what `gen-smtp deliver` does.

Public is nothing of it but the command. `consumer` takes messages out, `deliverer` decides what becomes of
each, `next_hop` hands it on, `returned` tells its sender, and `serving` is the process.

Imports: `actors`, `actors.events`, `actors.runtime`, `gen_smtp.gen_smtp_client`, `gen_smtp.process`,
`gen_smtp.queue`, `gen_smtp.reports`, `gevent`, `pykka`.
"""
