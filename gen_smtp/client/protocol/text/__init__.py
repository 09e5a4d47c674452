"""What stands in lines, from the client's side: replies, what a server offers, envelopes, messages.

Imports: `gen_smtp.protocol.parameters`, `gen_smtp.protocol.text`.
"""
