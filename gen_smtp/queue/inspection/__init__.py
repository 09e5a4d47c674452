"""A look into the queues, and a hand in them: what `gen-smtp queue` does.

Public is nothing of it but the command. `keeper` looks and acts, `tables` shows.

Imports: `actors.log_text`, `gen_smtp.queue`, `gen_smtp.queue.delivery`, `pika`, `rich`.
"""
