"""What the example server `gen_smtp.smtp_server_example` needs beside its callbacks: options, and a relay.

All of it is internal. Imports: `gen_smtp.options`, `gen_smtp.smtp_util`.
"""
