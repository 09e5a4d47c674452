%% A gen_server that does as it is told.
-module(otp_server).
-behaviour(gen_server).
-export([start_link/3, start_link/4]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, handle_continue/2, terminate/2, code_change/3]).

%% The child of a supervisor.
start_link(Label, Tree, Spec) ->
    gen_server:start_link(?MODULE, {Label, Tree, Spec}, []).

%% The child of a simple_one_for_one supervisor: the label comes last.
start_link(pool, Tree, Spec, Label) ->
    start_link(Label, Tree, Spec);
start_link({named, Name}, Label, Tree, Spec) ->
    gen_server:start_link({local, Name}, ?MODULE, {Label, Tree, Spec}, []).

%% Trap: whether it traps exits. Plans: what it does in its first init, its second ..., the last one for all that
%% follow. Last: what it does in terminate.
init({Label, Tree, {Trap, Plans, Last}}) ->
    process_flag(trap_exit, Trap),
    Number = otp_world:join(Label, Tree),
    put(last, Last),
    put(value, 0),
    otp_world:journal(init),
    case otp_deeds:do_all(lists:nth(min(Number, length(Plans)), Plans)) of
        ignore -> ignore;
        {stop, Reason} -> {stop, Reason};
        {stop_reply, Reason} -> {stop, Reason};
        Outcome -> with_rest({ok, get(value)}, Outcome)
    end.

handle_call({do, Deeds}, From, State) ->
    put(value, State),
    case outcome(Deeds) of
        {stop, Reason} -> {stop, Reason, get(value)};
        {stop_reply, Reason} -> {stop, Reason, get(value), get(value)};
        {defer, Key} -> otp_world:keep_caller(Key, From), {noreply, get(value)};
        Outcome -> with_rest({reply, get(value), get(value)}, Outcome)
    end.

handle_cast({do, Deeds}, State) ->
    put(value, State),
    case outcome(Deeds) of
        {stop, Reason} -> {stop, Reason, get(value)};
        {stop_reply, Reason} -> {stop, Reason, get(value)};
        Outcome -> with_rest({noreply, get(value)}, Outcome)
    end.

outcome(Deeds) ->
    otp_world:forget_limit(),
    otp_deeds:do_all(Deeds).

%% A result, with what comes behind the state.
with_rest(Result, {continue, Deeds}) -> erlang:append_element(Result, {continue, Deeds});
with_rest(Result, {timeout, Time}) -> otp_world:note_limit(Time), erlang:append_element(Result, Time);
with_rest(Result, _) -> Result.

handle_info({do, Deeds}, State) ->
    handle_cast({do, Deeds}, State);
handle_info(Message, State) ->
    otp_world:forget_limit(),
    case heard(Message) of
        nothing -> ok;
        Heard -> otp_world:journal({heard, Heard})
    end,
    {noreply, State}.

heard({'EXIT', Pid, Reason}) -> {exit, Pid, Reason};
heard({own_exit, Reason}) -> {exit, self(), Reason};
heard({'DOWN', _, process, Object, Reason}) -> {down, Object, Reason};
heard({ring, Number}) -> {ring, Number};
heard(timeout) -> timeout;
heard({timeout, _, {ring, Number}}) -> {timeout, Number};
heard(_) -> nothing. % the late reply of a call

handle_continue(Deeds, State) ->
    handle_cast({do, Deeds}, State).

terminate(Reason, State) ->
    put(value, State),
    otp_world:journal({terminate, Reason}),
    otp_deeds:do_all(get(last)).

code_change(_, _, bad) -> {error, bad};
code_change(_, State, _) -> {ok, State + 100}.
