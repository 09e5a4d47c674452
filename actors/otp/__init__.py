"""What OTP adds: child specifications and supervisors.

`actors` exports what is public. Imports: `actors.errors`, `actors.events`, `actors.messages`,
`actors.runtime`, `pykka`.
"""
