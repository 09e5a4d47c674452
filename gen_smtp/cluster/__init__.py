"""A server as part of an Erlang cluster: what it answers there, and how its process becomes a node.

Nothing of it is loaded in a process that has nothing to do with a cluster.

Imports: `actors`, `actors.messages`, `beam`, `gen_smtp.callbacks`, `gen_smtp.options`, `pykka`. The modules
import one way:

    answers   what a server answers to Erlang: one table
    session_facts  what a session tells of itself
    remote    asking a server that is on another node
    front     what has the name of several workers
    joining   being a node, with a name for the server
"""
