"""Who is served: the server actor, its limits, and changing it while it runs.

All of it is internal; `gen_smtp.gen_smtp_server` is the way in.

Imports: `actors`, `actors.events`, `actors.net`, `actors.otp`, `actors.runtime`, `cachetools`,
`gen_smtp.callbacks`, `gen_smtp.cluster`, `gen_smtp.events`, `gen_smtp.options`, `gen_smtp.options.tls`,
`gen_smtp.protocol`, `gen_smtp.protocol.text`, `gen_smtp.session`,
`gen_smtp.transcript`, `pykka`.
"""
