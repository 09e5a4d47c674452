"""What stands in lines, read and written: commands, paths, messages, replies.

``command`` and ``address`` read what the client sends, ``data_reader`` the message behind DATA,
which ``content`` judges.
``replies`` writes what the server says. Imports the standard library alone.
"""
