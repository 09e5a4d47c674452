"""The commands of the mail queue: `gen-smtp deliver` and `gen-smtp queue`.

Public is nothing of it; `gen_smtp.cli.commands` takes them. `flags` is what they have in common.

Imports: `gen_smtp.options`, `gen_smtp.queue`, `gen_smtp.queue.delivery`, `gen_smtp.queue.inspection`, `pika`,
`rich`, `typer`.
"""
