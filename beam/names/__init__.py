"""Names that a whole cluster knows: those of OTP's `global`, with the help of the BEAMs that keep them.

A BEAM keeps a name for an actor of this process once `global:register_name_external/3` has told it to. What a
BEAM does not do for a node that is none, this room does: it looks at each BEAM whether the name is still
there, registers it again, and decides conflicts.

Public, by way of `beam`: `global_names`, `random_notify_name`. In `actors` and in `gen_smtp` all of this is
`("global", term)`.

Imports: `actors`, `actors.events`, `actors.log_text`, `actors.runtime`, `beam.events`, `beam.node`,
`beam.wire`, `pykka`. The modules import one way:

    holdings       the names that actors of this process have
    asking         what the BEAMs of the cluster are asked
    resolving      whose a name is that two actors have
    keeper         the actor that looks after the names
    families       names that several nodes share, and successors take over
    seeker         the actor that connects to lost nodes again
    global_names   the registry: what `("global", term)` leads to
"""
