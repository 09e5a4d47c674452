"""Lines, addresses, replies and messages as text.

All of it is internal. Imports: `gen_smtp.protocol`.
"""
