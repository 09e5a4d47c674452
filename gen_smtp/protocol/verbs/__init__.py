"""What each verb does: functions over the state of one connection.

``table`` reads a command line and has the verb for each word; ``plain`` is its fast path. ``auth``, ``data``
and ``bdat`` also read what comes behind their commands. ``parameters`` is a part of ``envelope``. Imports:
`gen_smtp.protocol`, `gen_smtp.protocol.parameters`, `gen_smtp.protocol.sasl`, `gen_smtp.protocol.text`.
"""
