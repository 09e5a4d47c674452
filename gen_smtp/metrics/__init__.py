"""Metrics for Prometheus, with the extra `gen-smtp[metrics]`: what is counted, and the endpoint of a scrape.

`observe` counts what happens in this process into a registry of the program's own;
`serve_forever(metrics=)` and `gen-smtp serve --metrics` listen for scrapes, too. `instruments` is the table
of all metrics, `counting` what is counted of each event, `gauges` what is looked at; `endpoint` answers over
HTTP, `sockets` has the socket for it, `sharing` adds up workers, and `serving` is what processes that serve
do. Nothing of it is loaded where no metrics are wanted.

Imports: `actors`, `actors.errors`, `actors.events`, `actors.log_text`, `actors.runtime`,
`gen_smtp.callbacks`, `gen_smtp.events`, `gen_smtp.facts`, `gen_smtp.options`, `gen_smtp.process`,
`gen_smtp.server`, `gevent`, `prometheus_client`.
"""

from gen_smtp.metrics.instruments import names_exposed
from gen_smtp.metrics.serving import Observation, metrics_at, observe

__all__ = ["Observation", "metrics_at", "names_exposed", "observe"]
