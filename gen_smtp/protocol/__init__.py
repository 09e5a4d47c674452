"""SMTP and LMTP without input or output: octets in, steps out, verdicts in, octets out.

``protocol.Protocol`` is one connection; its docstring names its door. ``watched.WatchedProtocol`` is one
with an onlooker. ``config.ProtocolConfig`` is what the sessions of a listener have in common. ``questions``
has the steps, and ``verdicts`` the answers to questions.

``dialogue`` is the state of a connection; ``limit_counter``, ``sequence`` and ``transaction`` are parts of
it. ``extensions`` says which extensions can be done, and who does them. The verbs are functions over the
dialogue, in ``verbs``. ``sasl`` has the exchanges of AUTH, ``parameters`` what extensions add to MAIL and
RCPT. ``text`` reads and writes what stands in lines. ``proxy`` reads the header that a balancer sends before
all else.

Imports: the standard library, and of that nothing that waits or reads a clock;
`gen_smtp.protocol.parameters`, `gen_smtp.protocol.sasl`, `gen_smtp.protocol.text`, `gen_smtp.protocol.verbs`.
``text`` imports nothing else of the room, ``parameters``, ``proxy`` and ``sasl`` only ``text``, and the verbs
all but ``protocol``, which ``watched`` alone imports.
"""
