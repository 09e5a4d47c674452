"""What goes over the network between nodes of an Erlang cluster. It knows no actors.

Public, by way of `beam`: the types of `terms`, `TermError`, `record`, `text`. The rest is for the other
rooms.

Imports: `gevent`. The modules import one way:

    terms               what Erlang has and Python has not; the error
    records             tuples that are a class
    decoder, encoder    the external term format
    packets             the control messages that are sent
    epmd                registers a name, looks up a port
    flags               what a node can do
    stream              a connection in a greenlet that waits, in clear or over TLS
    handshake           two nodes introduce themselves over a stream
    channel             the connection behind it, in callbacks of the hub
"""
