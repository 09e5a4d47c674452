%% Plays scenarios on the BEAM: one VM for all of them.
%%
%% Reads a line for each scenario from standard input, an Erlang term {Schedule, Limit, Steps}, and writes a line
%% with what was observed, as Python reads it. Ends at the end of its input.
-module(otp_play).
-export([main/0]).

-define(LONGEST, 30000). % milliseconds for one scenario; then something is wrong with this program
-define(CALM_ROUNDS, 2). % in which nothing changed, and all waited, before a step is over

main() ->
    logger:set_primary_config(level, none),
    erts_debug:set_internal_state(available_internal_state, true),
    process_flag(trap_exit, true),
    {ok, _} = pg:start_link(),
    otp_world:open(),
    io:setopts(standard_io, [{encoding, latin1}, binary]),
    loop().

loop() ->
    case io:get_line("") of
        eof ->
            halt(0);
        Line ->
            {ok, Tokens, _} = erl_scan:string(binary_to_list(Line)),
            {ok, {Schedule, Limit, Steps}} = erl_parse:parse_term(Tokens),
            {ok, Watchdog} = timer:apply_after(?LONGEST, erlang, halt, [3]),
            set_schedule(Schedule),
            Observed = play(Schedule, Limit, Steps),
            timer:cancel(Watchdog),
            io:put_chars([otp_text:python(Observed), $\n]),
            loop()
    end.

%% one: all processes on one scheduler. rough: besides, they give way at random, and some are slow. many: so on all
%% schedulers.
set_schedule(many) -> erlang:system_flag(schedulers_online, erlang:system_info(schedulers));
set_schedule(_) -> erlang:system_flag(schedulers_online, 1).

play(Schedule, Limit, Steps) ->
    otp_world:begin_scenario(Schedule =/= one),
    let_schedulers_pass(),
    Numbered = lists:zip(lists:seq(1, length(Steps)), Steps),
    Observed = [observe(Number, Step, Limit) || {Number, Step} <- Numbered],
    clean_up(),
    Observed.

%% One step, and what became of it when nothing moves any more.
observe(Number, Step, Limit) ->
    take(Number, Step),
    settle(Limit),
    {otp_world:news(), otp_world:names()}.

take(_, {do, Label, Deeds}) ->
    case otp_world:pid(Label) of
        undefined -> ok;
        Pid -> gen_server:cast(Pid, {do, Deeds})
    end;
take(_, {open, Label}) ->
    otp_world:open_gate(Label);
take(Number, {outside, Deeds}) ->
    Self = self(),
    Pid = spawn(fun() -> outside(Self, Number, Deeds) end),
    receive {ready, Pid} -> Pid ! go end.

outside(Player, Number, Deeds) ->
    otp_world:join({outside, Number}),
    Player ! {ready, self()},
    receive go -> ok end,
    otp_deeds:do_all(Deeds).

%% -- when a step is over -----------------------------------------------------------------------------------

%% Limit: milliseconds, of any time limit in the scenario; 0 if there is none that a step could wait for.
settle(Limit) ->
    calm(?CALM_ROUNDS, undefined),
    wait_for_rings() =:= waited andalso calm(?CALM_ROUNDS, undefined),
    Deadline = erlang:monotonic_time(millisecond) + 20 * Limit,
    case wait_for_limits(Limit, Deadline) of
        waited -> calm(?CALM_ROUNDS, undefined);
        none -> ok
    end.

%% Timers of a few milliseconds ring before the step is over.
wait_for_rings() ->
    case otp_world:is_ringing() of
        true -> timer:sleep(1), wait_for_rings(), waited;
        false -> none
    end.

calm(0, _) ->
    ok;
calm(Rounds, Before) ->
    erlang:yield(),
    erlang:system_info(schedulers_online) > 1 andalso let_schedulers_pass(),
    Now = otp_world:look(),
    case Now of
        {true, _} when Now =:= Before -> calm(Rounds - 1, Now);
        _ -> calm(?CALM_ROUNDS, Now)
    end.

%% A process that another scheduler is just putting aside looks as if it waited, though it has a message. This
%% returns when every scheduler has got round to what it does between two processes.
let_schedulers_pass() ->
    erts_debug:set_internal_state(wait, aux_work).

%% What waits with a time limit goes on in a moment: a start, a call, a supervisor that ends a child.
wait_for_limits(0, _) ->
    none;
wait_for_limits(_, Deadline) ->
    case otp_world:someone_has_a_limit() of
        false -> none;
        true -> wait_on(Deadline)
    end.

wait_on(Deadline) ->
    timer:sleep(1),
    case otp_world:someone_has_a_limit() of
        false ->
            waited;
        true ->
            case erlang:monotonic_time(millisecond) > Deadline of
                true -> waited;
                false -> wait_on(Deadline)
            end
    end.

%% -- the end of a scenario ---------------------------------------------------------------------------------

clean_up() ->
    otp_world:cancel_timers(),
    case otp_world:living() of
        [] ->
            sys:get_state(pg); % it knows of all ends
        Pids ->
            [exit(Pid, kill) || Pid <- Pids],
            [wait_for_end(Pid) || Pid <- Pids],
            clean_up()
    end.

wait_for_end(Pid) ->
    Ref = monitor(process, Pid),
    receive {'DOWN', Ref, process, _, _} -> ok end.
