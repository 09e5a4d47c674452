"""The commands of SMTP, a file for each family.

All of it is internal. Imports: `gen_smtp.protocol`, `gen_smtp.protocol.text`.
"""
