"""This process as a node of an Erlang cluster: actors seen from there, processes of there as references.

Public, by way of `beam`: `start`, `Node`, `running`, `NodeUp`, `NodeDown`, `RpcError`, `RemoteRef`. The
rest is for the other rooms.

Imports: `actors.errors`, `actors.events`, `actors.messages`, `actors.runtime`, `actors.sys`, `beam.events`,
`beam.reasons`, `beam.wire`, `gevent`, `pykka`. The modules import one way, each of
them only from those before it:

    options     what users say
    peer        another node, and all that waits for something from there
    mailbox     what is sent to processes of other nodes, and the replies
    far         references to processes of other nodes
    home        what all parts of a node share: identifiers, tables
    replies     replies to calls from elsewhere, and monitors from there
    spawning    functions called from elsewhere, and called there; names that every node has
    serving     actors here, for processes of elsewhere: messages, OTP's system messages
    quick       the short way of the usual packets
    arriving    a function for each control message
    connecting  the listening socket, epmd, handshakes
    node        `Node` and `start`
"""
