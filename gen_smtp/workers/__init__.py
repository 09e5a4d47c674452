"""Several processes that serve with the same sockets, and their parent, which serves nobody itself.

`serving.serve_forever` chooses between them and a single process; `pool` is the parent, `worker` the forked
process, `channel` the line between the two, `roster` what the parent knows of its workers, `fleet` how the
control socket sees them.

All of it is internal; `gen_smtp.gen_smtp_server` exports `serve_forever`, `Workers` and `WorkersGaveUp`.
Imports: `actors`, `actors.events`, `actors.messages`, `actors.net`, `actors.otp`, `actors.runtime`,
`actors.seconds`, `gen_smtp.callbacks`, `gen_smtp.control`, `gen_smtp.metrics`, `gen_smtp.options`,
`gen_smtp.process`, `gen_smtp.server`, `gen_smtp.tracing`, `gevent`, `pykka`.
"""
