"""The command `gen-smtp catch`: takes all mail, shows it, keeps it, and answers over HTTP as Mailpit does.

Public is the command alone. `store` keeps messages, `found` searches them, `shown` and `printing` make JSON
and text of them, `api` answers over HTTP, `command` is what the command line calls.

Imports: `actors`, `actors.log_text`, `falcon`, `gen_smtp.gen_smtp_server`, `gen_smtp.testing`, `gevent`,
`pykka`, `rich`.
"""
