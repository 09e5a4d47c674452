"""The command `gen-smtp deliver`: its flags."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Annotated

import typer

from gen_smtp.cli.mail_queue.flags import (
    DEFAULT_DELAYS,
    URL_VARIABLE,
    DelaysFlag,
    FlagError,
    HostnameFlag,
    QueueFlag,
    ReportsToFlag,
    UrlFlag,
    checked_place,
    fail,
    read_delays,
    read_options,
    read_time,
)
from gen_smtp.options.checks import OptionsError

HELP = f"""Deliver mail from a queue of RabbitMQ, where QueueHandler has put it.

A message is acknowledged when the next hop has answered for all of its recipients. Recipients that it
refuses for now are tried again with growing delays. The sender gets a report of those that failed. Any number
of these processes may run, on any number of machines. SIGTERM ends one, when the messages in hand are done.

\b
  gen-smtp deliver --url amqp://user:password@broker/ --queue mail.in --via lmtp:/run/dovecot/lmtp
  {URL_VARIABLE}=amqp://... gen-smtp deliver --via smarthost:mail.example.com:587 \\
      --client-option username=me --client-option password=... --client-option tls=always
  gen-smtp deliver --url amqp://broker/ --via mx --hostname mx1.example.com
"""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_deliver(
    via: Annotated[str, typer.Option(help="lmtp:HOST:PORT, lmtp:/PATH, smarthost:HOST[:PORT] or mx.")],
    url: UrlFlag = None,
    queue: QueueFlag = "mail.in",
    concurrency: Annotated[int, typer.Option(help="So many messages at once.", min=1, max=2000)] = 20,
    delays: DelaysFlag = DEFAULT_DELAYS,
    expire: Annotated[str, typer.Option(help="When a sender gets its mail back.")] = "5d",
    late: Annotated[str, typer.Option(help="When a sender that wants to know hears of a delay.")] = "4h",
    reports_to: ReportsToFlag = None,
    hostname: HostnameFlag = None,
    client_option: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE for gen_smtp_client, such as tls=always. May be repeated."),
    ] = None,
    grace: Annotated[float, typer.Option(help="Seconds for messages in hand at SIGTERM.", min=0)] = 30.0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning, error or critical.")] = "info",
    pidfile: Annotated[Path | None, typer.Option(help="A file that gets the number of the process.")] = None,
) -> None:
    """Deliver mail; `HELP` is what its user reads."""
    name = hostname or socket.getfqdn()
    try:
        place = checked_place(url, queue)
        options = {"hostname": name, **read_options("--client-option", client_option or ())}
        times = {
            "delays": read_delays(delays),
            "expires": read_time("--expire", expire),
            "late": read_time("--late", late),
        }
        if log_level.upper() not in logging.getLevelNamesMapping():
            raise FlagError(
                f"--log-level: {log_level!r} is none; allowed: debug, info, warning, error, critical"
            )
        logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT)
        # Here, so that the other commands need not wait for pika.
        from gen_smtp.queue.delivery.deliverer import DeliverySettings
        from gen_smtp.queue.delivery.next_hop import NextHop
        from gen_smtp.queue.delivery.serving import deliver_forever

        hop = NextHop(via, options)
    except FlagError as error:
        fail(str(error))
    except OptionsError as error:
        fail(
            f"--client-option {error.option}: {error.problem}"
            + (f"; allowed: {error.allowed}" if error.allowed else "")
        )
    except ValueError as error:
        fail(f"--via: {error}")
    settings = DeliverySettings(
        url=place[0],
        queue=place[1],
        hostname=name,
        concurrency=concurrency,
        reports_to=reports_to,
        **times,  # type: ignore[arg-type]
    )
    deliver_forever(settings, hop, grace, pidfile)
