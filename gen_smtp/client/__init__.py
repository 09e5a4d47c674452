"""The client: connections to servers, kept and used again, and the way to the servers of a domain.

`options` is what users write. `stream` is a socket on the hub, `connection` runs the scripts of
`gen_smtp.client.protocol` on it, `opening` opens one to the first of several hosts. `kept` holds connections
to be used again, `client` delivers by them, and `on_hub` brings callers there.

Imports: `actors`, `actors.net`, `actors.runtime`, `gen_smtp.client.protocol`,
`gen_smtp.client.protocol.text`, `gen_smtp.client.routing`, `gen_smtp.options`, `gen_smtp.options.tls`,
`gen_smtp.protocol.parameters`, `gen_smtp.smtp_util`, and `gevent`.
"""
