"""The way to the servers of a domain: mail exchangers in the domain name system.

Imports: `actors`, `gen_smtp.client.protocol`, `gen_smtp.client.protocol.text`, and `dns`, which is dnspython.
"""
