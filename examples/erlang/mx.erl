%% Supervises the Python program that has the name {global, mx}: starts it, and starts it again when it is gone.
-module(mx).
-export([start/1, init/1, child/1]).

start(Command) -> supervisor:start_link({local, mx_sup}, ?MODULE, Command).
init(Command) -> {ok, {#{intensity => 3, period => 60}, [spec(Command)]}}.
spec(Command) -> #{id => mx, restart => transient, start => {?MODULE, child, [Command]}}.
child(Command) -> open_port({spawn, Command}, [nouse_stdio]), wait(global:whereis_name(mx)).
wait(undefined) -> timer:sleep(100), wait(global:whereis_name(mx));
wait(Pid) -> link(Pid), {ok, Pid}.
