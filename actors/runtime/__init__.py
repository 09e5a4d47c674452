"""How an actor runs: the hub, turns, mailboxes, references, futures, timers and threads.

`actors` exports what is public. Imports: `actors.errors`, `actors.events`, `actors.messages`, `gevent`,
`pykka`.
"""
