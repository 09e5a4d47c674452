"""What OTP adds to actors: messages in its manners, and supervisors.

Public, by way of `actors`: `call`, `cast`, `send`, `send_after`, `start_timer`, `cancel_timer`, `TimerRef`;
`Supervisor`, `SimpleOneForOne`, `ChildSpec`, `which_children`, `count_children`, `get_childspec`,
`start_child`, `terminate_child`, `restart_child`, `delete_child`. For the other rooms: `messaging.invoke`,
which has an actor run one of its methods.

Imports: `actors.errors`, `actors.events`, `actors.log_text`, `actors.messages`, `actors.runtime`,
`actors.seconds`, `pykka`.
"""
