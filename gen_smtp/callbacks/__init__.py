"""What a user's class may do: the behaviour, its results, and the facts that it can ask for.

`gen_smtp.gen_smtp_server_session` exports what is public.

Imports: `actors`, `actors.errors`, `actors.net`, `actors.runtime`, `gen_smtp.protocol`,
`gen_smtp.protocol.parameters`, `gen_smtp.protocol.proxy`, `gen_smtp.protocol.sasl`,
`gen_smtp.protocol.text`, `gen_smtp.smtp_util`, `gevent`.
"""
