"""Erlang's gen_smtp server for Python, an actor system on Pykka and gevent."""
