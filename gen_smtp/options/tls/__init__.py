"""The options of TLS, and the context that is made of them once, when a server starts.

``record`` has the options and their checks, ``context`` makes a context of them. ``key_pair`` loads a
certificate and its key and finds what is wrong with them, ``names`` chooses among contexts by the host that a
client asks for, ``versions`` has what old versions need.

All of it is internal. Imports: `actors.events`, `gen_smtp.options`.
"""
