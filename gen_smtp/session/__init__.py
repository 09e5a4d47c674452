"""One connection: the actor between a client's socket, the protocol and the callback object.

All of it is internal; `gen_smtp.gen_smtp_server_session` exports `SmtpSession`.

Imports: `actors`, `actors.errors`, `actors.events`, `actors.messages`, `actors.net`, `actors.runtime`,
`gen_smtp.callbacks`, `gen_smtp.cluster`, `gen_smtp.events`, `gen_smtp.options`, `gen_smtp.options.tls`,
`gen_smtp.protocol`, `gen_smtp.protocol.proxy`, `gen_smtp.protocol.sasl`, `gen_smtp.protocol.text`,
`gen_smtp.server`, `gen_smtp.transcript`, `gevent`, `pykka`.
"""
