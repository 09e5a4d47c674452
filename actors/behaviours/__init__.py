"""OTP's behaviours for ports line by line: `gen_server`, `gen_statem`, `gen_event`, and process groups, `pg`.

Each is a module with OTP's functions, public by way of `actors`: `from actors import gen_server`. An actor
that needs no timeouts and no clauses for call, cast and info is a `GeventActor` and nothing more.

Imports: `actors.errors`, `actors.events`, `actors.log_text`, `actors.messages`, `actors.otp`,
`actors.runtime`.
"""
