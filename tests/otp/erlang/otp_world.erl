%% What all processes of a scenario know: who there is, and the journal that all write into.
-module(otp_world).
-export([open/0, begin_scenario/1, is_rough/0]).
-export([join/1, join/2, join_as_supervisor/2, pid/1, name_of/1, living/0, look/0, someone_has_a_limit/0]).
-export([journal/1, news/0, names/0]).
-export([wait_at_gate/0, open_gate/1, with_limit/2, note_limit/1, forget_limit/0, wait_for/1]).
-export([keep_caller/2, caller/1]).
-export([keep_timer/3, timer/1, is_ringing/0, cancel_timers/0]).

-define(NAMES, [n1, n2, n3, m1]).

open() ->
    [ets:new(Table, [named_table, public, Type])
     || {Table, Type} <- [{facts, set}, {pids, set}, {labels, set}, {gates, set}, {limits, set}, {timers, set}, {callers, set},
                          {entries, ordered_set}]],
    ok.

begin_scenario(Rough) ->
    [ets:delete_all_objects(Table) || Table <- [facts, pids, labels, gates, limits, timers, callers, entries]],
    ets:insert(facts, [{rough, Rough}, {entries, 0}, {told, 0}, {until, erlang:monotonic_time(millisecond)}]),
    case whereis(otp_observer) of
        undefined -> ok;
        Old -> unregister(otp_observer), exit(Old, kill)
    end,
    register(otp_observer, spawn(fun observe/0)),
    ets:insert(facts, {before, ordsets:from_list(processes())}).

is_rough() ->
    fact(rough).

fact(Name) ->
    [{_, Value}] = ets:lookup(facts, Name),
    Value.

%% -- who there is ------------------------------------------------------------------------------------------

%% A process says who it is: {Label, 1} the first time, {Label, 2} when it is started again.
join(Label, Tree) ->
    Number = ets:update_counter(labels, {count, Label}, 1, {{count, Label}, 0}),
    put(tree, Tree),
    ets:insert(labels, {Label, self()}),
    join({Label, Number}),
    Number.

join_as_supervisor(Label, Tree) ->
    ets:insert(labels, {{supervisor, self()}, true}),
    join(Label, Tree).

join(Name) ->
    put(me, Name),
    % Some are slow to hear what comes.
    is_rough() andalso rand:uniform(2) =:= 1 andalso process_flag(priority, low),
    ets:insert(pids, {self(), Name}),
    call_observer({watch, self(), Name}).

pid(Label) ->
    case ets:lookup(labels, Label) of
        [{_, Pid}] -> Pid;
        [] -> undefined
    end.

name_of(Pid) ->
    case ets:lookup(pids, Pid) of
        [{_, Name}] -> Name;
        [] -> other
    end.

%% All processes that were not there before the scenario.
living() ->
    % Supervisors first, or they would start again what is ended.
    {Supervisors, Others} = lists:partition(fun is_supervisor/1, added()),
    Supervisors ++ Others.

%% Some have not said yet who they are.
added() ->
    ordsets:subtract(ordsets:from_list(processes()), fact(before)).

is_supervisor(Pid) ->
    ets:member(labels, {supervisor, Pid}).

%% {Whether all wait, What is to be seen}. `is_process_alive` waits for the end of a process that is ending:
%% its signals are sent then. `process_info` comes behind what is in the mailbox already.
look() ->
    Seen = [{Pid, is_process_alive(Pid) andalso process_info(Pid, [status, message_queue_len])}
            || Pid <- lists:usort([whereis(pg) | [Pid || {Pid, _} <- ets:tab2list(pids)] ++ added()])],
    sync = call_observer(sync),
    {lists:all(fun is_calm/1, Seen), {Seen, fact(entries)}}.

is_calm({_, false}) -> true;
is_calm({_, undefined}) -> true;
is_calm({_, [{status, Status} | _]}) -> Status =:= waiting.

%% -- the journal -------------------------------------------------------------------------------------------

journal(Entry) ->
    write(get(me), get(tree), Entry).

write(Name, Tree, Entry) ->
    Number = ets:update_counter(facts, entries, 1),
    ets:insert(entries, {Number, Name, Tree, otp_text:plain(Entry)}).

%% What was written since the last call.
news() ->
    Told = fact(told),
    Last = fact(entries),
    ets:insert(facts, {told, Last}),
    [case ets:lookup(entries, Number) of [{_, Name, Tree, Entry}] -> {Name, Tree, Entry} end
     || Number <- lists:seq(Told + 1, Last)].

%% Who has which name.
names() ->
    [{Name, name_of(Pid)} || Name <- ?NAMES, Pid <- [whereis(Name)], Pid =/= undefined].

%% Notes the end of every process, which nobody in the scenario needs to see.
observe() ->
    receive
        {watch, From, Ref, Pid, Name} ->
            put(monitor(process, Pid), Name),
            From ! {Ref, ok};
        {sync, From, Ref} ->
            From ! {Ref, sync};
        {'DOWN', Monitor, process, _, Reason} ->
            write(erase(Monitor), undefined, {ended, Reason})
    end,
    observe().

call_observer(Request) ->
    Ref = make_ref(),
    otp_observer ! case Request of
        {watch, Pid, Name} -> {watch, self(), Ref, Pid, Name};
        sync -> {sync, self(), Ref}
    end,
    receive {Ref, Answer} -> Answer end.

%% -- gates and time limits ---------------------------------------------------------------------------------

wait_at_gate() ->
    ets:insert(gates, {self()}),
    receive open_gate -> ets:delete(gates, self()) end.

open_gate(Label) ->
    Pid = pid(Label),
    case ets:lookup(gates, Pid) of
        [_] -> Pid ! open_gate;
        [] -> ok
    end.

%% Do something that goes on by itself after a few milliseconds.
with_limit(infinity, Function) ->
    Function();
with_limit(_, Function) ->
    ets:insert(limits, {self()}),
    try Function() after ets:delete(limits, self()) end.

%% A server has a timeout, which comes within the step if it is short.
note_limit(Milliseconds) when Milliseconds < 1000 -> ets:insert(limits, {self()});
note_limit(_) -> ok.

forget_limit() ->
    ets:delete(limits, self()).

%% A step is not over before a short time has passed.
wait_for(Milliseconds) when Milliseconds < 1000 ->
    ets:insert(facts, {until, max(fact(until), erlang:monotonic_time(millisecond) + Milliseconds + 2)});
wait_for(_) ->
    ok.

keep_caller(Key, From) ->
    ets:insert(callers, {Key, From}).

caller(Key) ->
    case ets:lookup(callers, Key) of
        [{_, From}] -> From;
        [] -> undefined
    end.

someone_has_a_limit() ->
    erlang:monotonic_time(millisecond) < fact(until)
        orelse lists:any(fun({Pid}) -> is_process_alive(Pid) end, ets:tab2list(limits))
        orelse lists:any(fun is_ending_a_child/1, added()).

is_ending_a_child(Pid) ->
    case process_info(Pid, current_function) of
        {_, {supervisor, _, _}} -> true;
        _ -> false
    end.

%% -- timers ------------------------------------------------------------------------------------------------

keep_timer(Name, Ref, Milliseconds) ->
    ets:insert(timers, [{Name, Ref} | [{Ref, rings} || Milliseconds < 1000]]).

is_ringing() ->
    lists:any(fun({Ref, rings}) -> erlang:read_timer(Ref) =/= false; (_) -> false end, ets:tab2list(timers)).

timer(Name) ->
    case ets:lookup(timers, Name) of
        [{_, Ref}] -> Ref;
        [] -> undefined
    end.

cancel_timers() ->
    [erlang:cancel_timer(Ref) || {_, Ref} <- ets:tab2list(timers), is_reference(Ref)].
