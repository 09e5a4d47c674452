"""OTP on Pykka and gevent: actors in turns on one hub, links, monitors, names, supervisors, generic servers.

Its rooms: `runtime`, how an actor runs; `otp`, what OTP adds; `behaviours`, OTP's for ports line by line;
`net`, sockets: an actor that listens, one for each socket, one for each connection, and a server that owns
them all. `errors`, `events`, `log_text`, `messages` and `seconds` are the words that all rooms use, and
import none of them; `sys` looks into any actor.

All that is in `__all__` is public, and so are `actors.events` and `actors.sys`. Nothing in here knows SMTP.

Imports: `actors.behaviours`, `actors.errors`, `actors.messages`, `actors.net`, `actors.otp`,
`actors.runtime`, `actors.sys`.
"""

from actors import sys
from actors.behaviours import gen_event, gen_server, gen_statem, pg
from actors.errors import (
    ActorDeadError,
    ActorExit,
    AlreadyPresent,
    AlreadyStarted,
    CallingSelf,
    ChildRunning,
    ChildStartError,
    ChildStateError,
    ListenError,
    StartError,
    StartSpecError,
    TimedOut,
)
from actors.messages import (
    Accepted,
    Down,
    Exit,
    Pause,
    PeerReplaced,
    Resume,
    SessionEnded,
    SessionStarted,
    Shutdown,
    StopTimes,
    TimerExpired,
)
from actors.net.listener import ListenerActor
from actors.net.server import ServerActor, SessionCounter
from actors.net.session import SessionActor
from actors.net.sockets import Connection, Endpoint
from actors.net.transport import TlsInfo
from actors.otp.child_spec import ChildSpec
from actors.otp.deferred import From, defer_reply, reply
from actors.otp.messaging import (
    TimerRef,
    call,
    cancel_timer,
    cast,
    read_timer,
    send,
    send_after,
    send_interval,
    start_timer,
)
from actors.otp.receiving import receive, sleep
from actors.otp.simple_one_for_one import SimpleOneForOne
from actors.otp.supervisor import (
    Supervisor,
    count_children,
    delete_child,
    get_childspec,
    restart_child,
    start_child,
    terminate_child,
    which_children,
)
from actors.runtime.actor import GeventActor
from actors.runtime.bonds import Monitor
from actors.runtime.future import GeventFuture
from actors.runtime.launch import IGNORE, Continue, launch, on_caller_end
from actors.runtime.links import (
    NoProc,
    demonitor,
    link,
    monitor,
    send_exit,
    trap_exits,
    unlink,
    wait_down,
)
from actors.runtime.names import NameRegistry, register, registered, unregister, whereis
from actors.runtime.refs import GeventRef, current
from actors.runtime.threads import run_blocking, run_coroutine, run_long, set_workers, spawn

Census = SessionCounter
"""Its name before; programs may import it."""

__all__ = [
    "IGNORE",
    "Accepted",
    "ActorDeadError",
    "ActorExit",
    "AlreadyPresent",
    "AlreadyStarted",
    "CallingSelf",
    "Census",
    "ChildRunning",
    "ChildSpec",
    "ChildStartError",
    "ChildStateError",
    "Connection",
    "Continue",
    "Down",
    "Endpoint",
    "Exit",
    "From",
    "GeventActor",
    "GeventFuture",
    "GeventRef",
    "ListenError",
    "ListenerActor",
    "Monitor",
    "NameRegistry",
    "NoProc",
    "Pause",
    "PeerReplaced",
    "Resume",
    "ServerActor",
    "SessionActor",
    "SessionCounter",
    "SessionEnded",
    "SessionStarted",
    "Shutdown",
    "SimpleOneForOne",
    "StartError",
    "StartSpecError",
    "StopTimes",
    "Supervisor",
    "TimedOut",
    "TimerExpired",
    "TimerRef",
    "TlsInfo",
    "call",
    "cancel_timer",
    "cast",
    "count_children",
    "current",
    "defer_reply",
    "delete_child",
    "demonitor",
    "gen_event",
    "gen_server",
    "gen_statem",
    "get_childspec",
    "launch",
    "link",
    "monitor",
    "on_caller_end",
    "pg",
    "read_timer",
    "receive",
    "register",
    "registered",
    "reply",
    "restart_child",
    "run_blocking",
    "run_coroutine",
    "run_long",
    "send",
    "send_after",
    "send_exit",
    "send_interval",
    "set_workers",
    "sleep",
    "spawn",
    "start_child",
    "start_timer",
    "sys",
    "terminate_child",
    "trap_exits",
    "unlink",
    "unregister",
    "wait_down",
    "whereis",
    "which_children",
]
