"""What the example server `gen_smtp.smtp_server_example` needs beside its callbacks: its options.

All of it is internal. Imports: `gen_smtp.options`.
"""
