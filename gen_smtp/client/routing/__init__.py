"""The way to the servers of a domain, by the domain name system: hosts, and what TLS must be there.

`queries` asks, `exchangers` finds the hosts of a domain. `mta_sts` and `dane` say what it publishes of TLS.
All of it blocks, and is called in worker threads.

Imports: `gen_smtp.client.protocol`, `gen_smtp.client.protocol.text`, and `dns`, which is dnspython.
"""
