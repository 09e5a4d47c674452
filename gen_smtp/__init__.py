"""Erlang's gen_smtp server for Python, an actor system on Pykka and gevent.

Public are `gen_smtp_server`, `gen_smtp_server_session`, `smtp_server_example`, `smtp_util`, `events`,
`gen_smtp.maildir:MaildirHandler` and `gen_smtp.cli:app`. All else may change. This file imports nothing.
"""
