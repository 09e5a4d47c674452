"""The control socket: one unix socket at which a server is seen and steered from outside.

`messages` is what goes over it, lines of JSON. `requests` are the questions, each a row of a table. `site`
asks them in a process that serves; `station` asks all processes and puts their answers together. `point`
listens, in the poll loop of a process that serves by itself or of the parent of workers. `lines` are between
the parent and its workers, and `stream` carries lines without ever waiting. `client` is for the other side.
Nothing of it but the check of `options` is loaded in a server without a control socket.

Imports: `actors`, `actors.errors`, `actors.events`, `actors.net`, `actors.otp`, `actors.runtime`,
`gen_smtp.facts`, `gen_smtp.options`, `gen_smtp.process`, `gen_smtp.server`, `pykka`.
"""
