"""The settings of a process that serves: one table, from which flags, variables, file and schema come.

`table` has them all. `values` reads texts, `toml_file` a file; `layers` puts flags, environment, file and
defaults over each other and remembers where each value comes from. `configuration` makes checked options of
that, `schema` a JSON Schema for editors, `shown` the effective configuration for people.

Imports: `actors.messages`, `gen_smtp.options`.
"""
