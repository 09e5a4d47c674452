"""What users write, and the checked records that it becomes.

Options are mappings or Erlang-like lists of pairs; a record is frozen, and every value in it is right.
`parsing` is the way in: `parse_options` and `parse_server_options`. Their errors are `checks.OptionsError`.

All of it is internal; `gen_smtp.gen_smtp_server` exports the records. Imports: `actors`, `actors.errors`,
`gen_smtp.options.tls`, `gen_smtp.protocol.text`, `gen_smtp.smtp_util`, `gen_smtp.transcript`.
"""
