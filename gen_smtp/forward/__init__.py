"""Forwarding: a callback class that hands each message to the next host while the client waits.

Public is `ForwardHandler`; its options are in `forward_options.ForwardOptions`, its events in `events`.

The files import one way: `message`, `events`, `facts`, `answer` and `hop` know none of the others, `passage`
knows `hop` and `message`, and `handler` knows them all.

Imports: `actors`, `actors.events`, `gen_smtp.callbacks`, `gen_smtp.client`, `gen_smtp.events`,
`gen_smtp.gen_smtp_client`, `gen_smtp.options`, `gen_smtp.protocol.parameters`, `gen_smtp.reports`,
`gen_smtp.smtp_util`, `gevent`.
"""

from gen_smtp.forward.events import Forwarded, ForwardFailed
from gen_smtp.forward.forward_options import ForwardOptions
from gen_smtp.forward.handler import ForwardHandler

__all__ = ["ForwardFailed", "ForwardHandler", "ForwardOptions", "Forwarded"]
