"""A server as part of an Erlang cluster: what it answers there, in one table in `answers`.

Nothing of it is loaded in a process that has nothing to do with a cluster.

Imports: `actors`, `beam`, `gen_smtp.options`.
"""
