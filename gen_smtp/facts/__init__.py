"""What is known of one process that serves: its actors, its sessions, its listeners, its figures.

    page = actors.spawn(facts.sessions, server).get(timeout=5)

`sessions`, `session`, `actors`, `listeners` and `figures` are to be called on the hub, in a greenlet of its
own, as `actors.spawn` calls a function. There they look at the actors between two turns and ask nobody, so an
actor that is busy or held up is seen as well as any other. `Totals` counts. All that shows a server takes its
facts from here: the control socket, metrics, a web page. Facts are records of plain values; `as_plain` makes
JSON's types of them.

Imports: `actors`, `actors.events`, `actors.net`, `actors.runtime`, `gen_smtp.events`, `gen_smtp.server`,
`gen_smtp.session`.
"""

from gen_smtp.facts.figures import figures, listeners
from gen_smtp.facts.records import (
    PAGE,
    ActorFacts,
    ListenerFacts,
    Page,
    ProcessFacts,
    SessionFacts,
    Wanted,
    as_plain,
)
from gen_smtp.facts.sessions import session, session_ref, sessions
from gen_smtp.facts.totals import Totals
from gen_smtp.facts.tree import actors

__all__ = [
    "PAGE",
    "ActorFacts",
    "ListenerFacts",
    "Page",
    "ProcessFacts",
    "SessionFacts",
    "Totals",
    "Wanted",
    "actors",
    "as_plain",
    "figures",
    "listeners",
    "session",
    "session_ref",
    "sessions",
]
