"""OTP on Pykka and gevent: actors in turns on one hub, links, monitors, names, and generic servers.

An actor that listens, one for each socket; one for each connection; and a server that owns them all.
Nothing in here knows SMTP.
"""

from actors.binding import on_caller_end
from actors.blocking import (
    TimerRef,
    call,
    cancel_timer,
    cast,
    run_blocking,
    run_coroutine,
    send_after,
    set_workers,
    spawn,
)
from actors.errors import ActorDeadError, ActorExit, AlreadyStarted, CallingSelf, ListenError, StartError
from actors.future import GeventFuture
from actors.links import Monitor, NoProc, demonitor, link, monitor, send_exit, unlink, wait_down
from actors.listener import Connection, Endpoint, ListenerActor
from actors.messages import Accepted, Down, Exit, Pause, Resume, SessionEnded, SessionStarted, Shutdown
from actors.names import register, registered, unregister, whereis
from actors.runtime import GeventActor, GeventRef, current, launch
from actors.server import Census, ServerActor
from actors.session import SessionActor
from actors.transport import TlsInfo

__all__ = [
    "Accepted",
    "ActorDeadError",
    "ActorExit",
    "AlreadyStarted",
    "CallingSelf",
    "Census",
    "Connection",
    "Down",
    "Endpoint",
    "Exit",
    "GeventActor",
    "GeventFuture",
    "GeventRef",
    "ListenError",
    "ListenerActor",
    "Monitor",
    "NoProc",
    "Pause",
    "Resume",
    "ServerActor",
    "SessionActor",
    "SessionEnded",
    "SessionStarted",
    "Shutdown",
    "StartError",
    "TimerRef",
    "TlsInfo",
    "call",
    "cancel_timer",
    "cast",
    "current",
    "demonitor",
    "launch",
    "link",
    "monitor",
    "on_caller_end",
    "register",
    "registered",
    "run_blocking",
    "run_coroutine",
    "send_after",
    "send_exit",
    "set_workers",
    "spawn",
    "unlink",
    "unregister",
    "wait_down",
    "whereis",
]
