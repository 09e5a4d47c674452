"""SMTP and LMTP from the client's side, without input or output.

What is said on a connection is a *script*: a generator that yields steps (`steps`) and gets the replies to
each. The connection of `gen_smtp.client` runs it. The scripts are in `hello`, `login`, `transaction`, and
`stepwise`, which has a transaction piece by piece. `sasl` has the mechanisms of AUTH. `refusals` is what the
client refuses by itself, `outcome` and `errors` are what comes of a message.

Imports: `gen_smtp.client.protocol.text`, `gen_smtp.protocol.sasl`, `gen_smtp.protocol.text`.
"""
