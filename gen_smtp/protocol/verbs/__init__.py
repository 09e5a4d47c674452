"""What each verb does: functions over the state of one connection.

``table`` reads a command line and has the verb for each word; ``plain`` is its fast path. ``auth`` and
``data`` also read what comes behind their commands. Imports ``text`` and the records of ``protocol``.
"""
