"""The header of the PROXY protocol, by which a balancer says whose connection it brings.

``reader.ProxyHeaderReader`` reads one; ``header`` has what it can say. ``line`` is its version 1, and
``block`` its version 2. Imports: `gen_smtp.protocol.text`.
"""
