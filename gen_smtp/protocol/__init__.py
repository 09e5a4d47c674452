"""SMTP and LMTP without input or output: octets in, steps out, verdicts in, octets out.

``protocol.Protocol`` is one connection; its docstring names its door. ``config.ProtocolConfig`` is what the
sessions of a listener have in common. ``questions`` has the steps, and ``verdicts`` the answers to questions.

``dialogue`` is the state of a connection. ``limit_counter``, ``sequence``, ``transaction`` are parts of it.
The verbs are functions over it, in ``verbs``. ``text`` reads and writes what stands in lines. ``proxy`` reads
the header that a balancer sends before all else.

This room imports the standard library alone, and of that nothing that waits or reads a clock. ``text``
imports nothing else of the room, and ``proxy`` imports ``text``. The verbs import ``text`` and the modules of
this folder but ``protocol``; that imports all but ``proxy``.
"""
