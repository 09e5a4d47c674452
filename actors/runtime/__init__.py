"""How an actor runs: in turns on one hub, with a mailbox, references, links, names and timers.

Public, by way of `actors`: `GeventActor`, `GeventRef`, `GeventFuture`; `launch`, `IGNORE`, `Continue`,
`on_caller_end`; `current`; `link`, `unlink`, `monitor`, `demonitor`, `Monitor`, `NoProc`, `trap_exits`,
`send_exit`, `wait_down`; `register`, `unregister`, `whereis`, `registered`, `NameRegistry`; `run_blocking`,
`run_long`, `run_coroutine`, `set_workers`, `spawn`. The rest is for the other rooms of `actors`, and for
`gen_smtp`.

Imports: `actors.errors`, `actors.events`, `actors.log_text`, `actors.messages`, `actors.seconds`, `gevent`,
`pykka`. The modules import one way, each of them only from those before it:

    future, timers   waits, and what rings later
    watchdog         finds what blocks the hub
    mailbox          the messages of an actor
    bonds            what an actor is bound to
    hub              gives turns to the actors that have something to do
    refs             references, and who calls
    names, links     registered names; links, monitors, exit signals
    launch           starts
    actor            `GeventActor`
    threads          work beside an actor's turns
"""
