%% What a process can be told to do: tuples that begin with the name of the deed.
-module(otp_deeds).
-export([do_all/1]).

%% Do one after the other; what is to become of the callback that does them.
do_all([]) ->
    ok;
do_all([Deed | Others]) ->
    otp_world:is_rough() andalso give_way(rand:uniform(4) - 1),
    case outcome(Deed) of
        {outcome, Outcome} ->
            Outcome;
        none ->
            Result = case is_outside(Deed) of true -> not_outside; false -> act(Deed) end,
            otp_world:journal({did, element(1, Deed), Result}),
            do_all(Others)
    end.

give_way(0) -> ok;
give_way(Times) -> erlang:yield(), give_way(Times - 1).

outcome({stop, Reason}) -> {outcome, {stop, Reason}};
outcome({stop_reply, Reason}) -> {outcome, {stop_reply, Reason}};
outcome({ignore}) -> {outcome, ignore};
outcome({continue, Deeds}) -> {outcome, {continue, Deeds}};
outcome({timeout, Time}) -> {outcome, {timeout, Time}};
outcome({defer, Key}) -> {outcome, {defer, Key}};
outcome(_) -> none.

%% A process that is no server has no links, and nobody would see what it hears.
is_outside(Deed) ->
    element(1, get(me)) =:= outside andalso
        lists:member(element(1, Deed), [exit, error, add, trap, link, unlink, monitor, demonitor, 'call!', wait]).

%% -- oneself -----------------------------------------------------------------------------------------------

act({say, Number}) -> Number;
act({add, Number}) -> put(value, get(value) + Number), ok;
act({wait}) -> otp_world:wait_at_gate(), opened;
act({exit, Reason}) -> exit(Reason);
act({error, Reason}) -> error(Reason);
act({trap, Flag}) -> process_flag(trap_exit, Flag);

%% -- messages ----------------------------------------------------------------------------------------------

act({call, To, Deeds, Limit}) ->
    at(To, fun(Who) ->
        limited(Limit, fun() -> {reply, gen_server:call(Who, {do, Deeds}, Limit)} end)
    end);
act({'call!', To, Deeds}) ->
    at(To, fun(Who) -> {reply, gen_server:call(Who, {do, Deeds}, infinity)} end);
act({cast, To, Deeds}) ->
    at(To, fun(Who) -> gen_server:cast(Who, {do, Deeds}) end);
act({send, To, Deeds}) ->
    at(To, fun(Who) -> catch_error(fun() -> Who ! {do, Deeds}, ok end) end);

act({answer, Key, Value}) ->
    case otp_world:caller(Key) of
        undefined -> nobody;
        From -> gen_server:reply(From, Value)
    end;

act({event, To, call, Event}) ->
    at(To, fun(Who) -> limited(infinity, fun() -> {reply, gen_statem:call(Who, Event)} end) end);
act({event, To, cast, Event}) ->
    at(To, fun(Who) -> gen_statem:cast(Who, Event) end);
act({event, To, info, Event}) ->
    at(To, fun(Who) -> Who ! Event, ok end);

%% -- links, monitors, exit signals -------------------------------------------------------------------------

act({link, To}) -> at(To, fun(Pid) -> catch_error(fun() -> link(Pid) end) end);
act({unlink, To, flush}) ->
    at(To, fun(Pid) -> unlink(Pid), flush(Pid) end);
act({unlink, To, keep}) -> at(To, fun(Pid) -> unlink(Pid) end);
act({monitor, To}) ->
    at(To, fun(Who) -> put({monitors, Who}, monitors(Who) ++ [monitor(process, Who)]), ok end);
act({demonitor, To, Flush}) ->
    at(To, fun(Who) ->
        case monitors(Who) of
            [] -> none;
            [Oldest | Others] -> put({monitors, Who}, Others), demonitor_with(Oldest, Flush)
        end
    end);
act({exit_to, To, Reason}) -> at(To, fun(Pid) -> exit_to(Pid, Reason, process_info(self(), trap_exit)) end);
act({alive, To}) -> at(To, fun(Pid) -> is_process_alive(Pid) end);

%% -- starts, stops, names ----------------------------------------------------------------------------------

act({start, Label, machine, alone, undefined, infinity, Spec}) ->
    limited(infinity, fun() -> started(gen_statem:start(otp_machine, {Label, undefined, Spec}, [])) end);
act({start, Label, Kind, How, Name, Limit, Spec}) ->
    case may_start(How, Kind, Limit, Spec) of
        true -> limited(Limit, fun() -> started(start(Label, Kind, How, Name, [{timeout, Limit}], Spec)) end);
        false -> not_started
    end;
act({stop_server, To, Reason}) ->
    at(To, fun(Who) ->
        case pid_of(Who) =:= self() of
            true -> oneself; % docs/otp.md, 4.12
            false -> try gen_server:stop(Who, Reason, infinity) catch exit:_ -> failed end
        end
    end);
act({register, Name, To}) -> at(To, fun(Pid) -> catch_error(fun() -> register(Name, Pid) end) end);
act({unregister, Name}) -> catch_error(fun() -> unregister(Name) end);
act({whereis, Name}) -> whereis(Name);

%% -- groups ------------------------------------------------------------------------------------------------

act({join, Group, To}) -> at(To, fun(Pid) -> pg:join(Group, Pid) end);
act({leave, Group, To}) -> at(To, fun(Pid) -> pg:leave(Group, Pid) end);
act({leave_both, Group, One, Other}) ->
    at(One, fun(Pid) -> at(Other, fun(Second) -> pg:leave(Group, [Pid, Second]) end) end);
act({members, Group}) -> pg:get_members(Group);
act({groups}) -> lists:sort(pg:which_groups());

%% -- timers ------------------------------------------------------------------------------------------------

act({send_after, Timer, Time, To, Number}) ->
    at(To, fun(Who) -> set_timer(Timer, Time, fun() -> erlang:send_after(Time, Who, {ring, Number}) end) end);
act({start_timer, Timer, Time, To, Number}) ->
    at(To, fun(Who) -> set_timer(Timer, Time, fun() -> erlang:start_timer(Time, Who, {ring, Number}) end) end);
act({cancel_timer, Timer}) ->
    case otp_world:timer(Timer) of
        undefined -> none;
        Ref -> case erlang:cancel_timer(Ref) of false -> false; _ -> left end
    end;

%% -- sys ---------------------------------------------------------------------------------------------------

act({suspend, To}) -> at(To, fun(Who) -> limited(infinity, fun() -> sys:suspend(Who, infinity) end) end);
act({resume, To}) -> at(To, fun(Who) -> limited(infinity, fun() -> sys:resume(Who, infinity) end) end);
act({get_state, To}) -> at(To, fun(Who) -> limited(infinity, fun() -> sys:get_state(Who, infinity) end) end);
act({replace_state, To, bad}) ->
    at(To, fun(Who) ->
        try sys:replace_state(Who, fun(_) -> error(bad) end, infinity)
        catch error:{callback_failed, _, _} -> callback_failed;
              exit:Reason -> {failed, otp_text:failure(Reason)}
        end
    end);
act({replace_state, To, Value}) ->
    at(To, fun(Who) -> limited(infinity, fun() -> sys:replace_state(Who, fun(_) -> Value end, infinity) end) end);
act({change_code, To, Extra}) ->
    at(To, fun(Who) ->
        limited(infinity, fun() ->
            case sys:change_code(Who, otp_server, old, Extra, infinity) of
                ok -> ok;
                {error, {unknown_system_msg, _}} -> not_suspended;
                {error, _} -> callback_failed
            end
        end)
    end);

%% -- supervisors -------------------------------------------------------------------------------------------

act({which_children, To}) ->
    asked(To, fun(Who) ->
        [{Id, Child, Type} || {Id, Child, Type, _} <- supervisor:which_children(Who)]
    end);
act({count_children, To}) ->
    asked(To, fun(Who) ->
        Counted = supervisor:count_children(Who),
        [proplists:get_value(Key, Counted) || Key <- [specs, active, supervisors, workers]]
    end);
act({start_child, To, {label, Label}}) ->
    asked(To, fun(Who) -> child_started(supervisor:start_child(Who, [Label])) end);
act({start_child, To, Child}) ->
    asked(To, fun(Who) -> child_started(supervisor:start_child(Who, otp_tree:child(To, Child))) end);
act({terminate_child, To, {label, Label}}) ->
    asked(To, fun(Who) -> at(Label, fun(Pid) -> supervisor:terminate_child(Who, Pid) end) end);
act({terminate_child, To, Id}) -> asked(To, fun(Who) -> supervisor:terminate_child(Who, Id) end);
act({restart_child, To, Id}) -> asked(To, fun(Who) -> child_started(supervisor:restart_child(Who, Id)) end);
act({delete_child, To, Id}) -> asked(To, fun(Who) -> supervisor:delete_child(Who, Id) end);
act({get_childspec, To, {label, Label}}) ->
    asked(To, fun(Who) -> at(Label, fun(Pid) -> known(supervisor:get_childspec(Who, Pid)) end) end);
act({get_childspec, To, Id}) ->
    asked(To, fun(Who) -> known(supervisor:get_childspec(Who, Id)) end).

%% -- helpers -----------------------------------------------------------------------------------------------

%% The process that a label means, or a name.
at({name, Name}, Function) ->
    Function(Name);
at(Label, Function) ->
    case otp_world:pid(Label) of
        undefined -> nobody;
        Pid -> Function(Pid)
    end.

asked(To, Function) ->
    at(To, fun(Who) -> limited(infinity, fun() -> Function(Who) end) end).

%% A request that may fail by an exit, and that may be over after a while.
limited(Limit, Function) ->
    otp_world:with_limit(Limit, fun() ->
        try Function() catch exit:Reason -> {failed, otp_text:failure(Reason)} end
    end).

%% All there are: several come of linking the dead several times (docs/otp.md, 2.6).
flush(Pid) ->
    receive {'EXIT', Pid, _} -> flush(Pid) after 0 -> true end.

catch_error(Function) ->
    try Function() catch error:Reason -> {error, Reason} end.

pid_of(Pid) when is_pid(Pid) -> Pid;
pid_of(Name) -> whereis(Name).

%% A signal to oneself that says `normal` ends a process that does not trap exits; not so here (docs/otp.md, 2.9).
exit_to(Pid, normal, {trap_exit, false}) when Pid =:= self() -> true;
%% A server that `start` made is its own parent, and ends by such a signal if it traps exits; not so here (2.12).
exit_to(Pid, Reason, {trap_exit, true}) when Pid =:= self(), Reason =/= kill -> self() ! {own_exit, Reason}, true;
exit_to(Pid, Reason, _) -> exit(Pid, Reason).

monitors(Who) ->
    case get({monitors, Who}) of undefined -> []; Refs -> Refs end.

demonitor_with(Ref, flush) -> demonitor(Ref, [flush, info]);
demonitor_with(Ref, keep) -> demonitor(Ref, [info]).

set_timer(Timer, Time, Set) ->
    otp_world:keep_timer(Timer, Set(), Time),
    ok.

%% Nothing is linked to a process that is no server: it ends in a moment. A caller that does not trap exits would
%% die of a start that fails; here it does not (docs/otp.md, 4.2), so it starts only what cannot fail.
may_start(alone, _, _, _) ->
    true;
may_start(link, Kind, Limit, Spec) ->
    element(1, get(me)) =/= outside
        andalso (process_info(self(), trap_exit) =:= {trap_exit, true}
                 orelse (Kind =/= supervisor andalso cannot_fail(Limit, Spec))).

cannot_fail(infinity, {_, Plans, _}) -> lists:all(fun(Plan) -> Plan =:= [] end, Plans);
cannot_fail(_, _) -> false.

start(Label, Kind, How, Name, Options, Spec) ->
    Arguments = {Label, undefined, Spec},
    {Module, Argument} = case Kind of
        supervisor -> {supervisor, {self, otp_tree, Arguments}};
        _ -> {otp_server, Arguments}
    end,
    case {How, Name} of
        {link, undefined} -> gen_server:start_link(Module, Argument, Options);
        {link, _} -> gen_server:start_link({local, Name}, Module, Argument, Options);
        {alone, undefined} -> gen_server:start(Module, Argument, Options);
        {alone, _} -> gen_server:start({local, Name}, Module, Argument, Options)
    end.

started({ok, Pid}) -> {started, Pid};
started(Other) -> Other.

known({ok, Spec}) -> {ok, maps:get(restart, Spec)};
known(Error) -> Error.

%% A supervisor says which child specification failed.
child_started({ok, PidOrUndefined}) -> {started, PidOrUndefined};
child_started({error, {Reason, Child}}) when element(1, Child) =:= child -> {error, Reason};
child_started(Other) -> Other.
