"""A process that serves: its signals, reloading, being replaced by a new process, and the service manager.

`service.Service` is the life of such a process; `single` serves in the process itself, and `gen_smtp.workers`
is the other way. `events` is public: what can be subscribed to. All else is internal.

Imports: `actors`, `actors.events`, `actors.messages`, `actors.net`, `actors.otp`, `actors.runtime`,
`actors.seconds`, `gen_smtp.callbacks`, `gen_smtp.cluster`, `gen_smtp.options`, `gen_smtp.server`,
`gen_smtp.transcript`, `gevent`, `pykka`.
"""
