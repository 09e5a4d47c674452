"""The header of the PROXY protocol, version 1 and 2.

All of it is internal. Imports: `gen_smtp.protocol.text`.
"""
