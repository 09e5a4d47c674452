"""SMTP and LMTP without input or output: octets in, octets and questions out.

All of it is internal. Imports: `gen_smtp.protocol.text`, `gen_smtp.protocol.verbs`.
"""
