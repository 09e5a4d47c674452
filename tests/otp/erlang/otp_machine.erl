%% A gen_statem whose events say themselves what is to be done about them.
-module(otp_machine).
-behaviour(gen_statem).
-export([init/1, callback_mode/0, handle_event/4, terminate/3]).

%% Enter: whether it hears of it when a state is entered.
init({Label, Tree, {Enter, State, Actions}}) ->
    otp_world:join(Label, Tree),
    put(enter, Enter),
    otp_world:journal(init),
    {ok, State, 0, actions(Actions, undefined)}.

callback_mode() ->
    case get(enter) of
        true -> [handle_event_function, state_enter];
        false -> handle_event_function
    end.

handle_event(enter, Before, State, _) ->
    otp_world:journal({event, enter, State, Before}),
    keep_state_and_data;
handle_event(Kind, {event, Number, Rules}, State, Data) ->
    otp_world:journal({event, kind(Kind), State, Number}),
    case result(State, Rules) of
        {keep, Actions} -> {keep_state, Data, actions(Actions, Kind)};
        {repeat, Actions} -> {repeat_state, Data, actions(Actions, Kind)};
        {next, Next, Actions} -> {next_state, Next, Data, actions(Actions, Kind)};
        {stop, Reason} -> {stop, Reason}
    end;
handle_event(_, _, _, _) ->
    keep_state_and_data.

%% The result of the first rule for this state.
result(_, []) -> {keep, []};
result(State, [{Where, Result} | _]) when Where =:= State; Where =:= any -> Result;
result(State, [_ | Rules]) -> result(State, Rules).

kind({call, _}) -> call;
kind({timeout, Name}) -> {timeout, Name};
kind(Kind) -> Kind.

actions(Actions, Kind) ->
    lists:append([action(Action, Kind) || Action <- Actions]).

action({postpone}, _) -> [postpone];
action({next_event, Event}, _) -> [{next_event, internal, Event}];
action({state_after, cancel}, _) -> [{state_timeout, cancel}];
action({named_after, Name, cancel}, _) -> [{{timeout, Name}, cancel}];
action({state_after, Time, Event}, _) -> otp_world:wait_for(Time), [{state_timeout, Time, Event}];
action({event_after, Time, Event}, _) -> otp_world:wait_for(Time), [{timeout, Time, Event}];
action({named_after, Name, Time, Event}, _) -> otp_world:wait_for(Time), [{{timeout, Name}, Time, Event}];
action({reply, Number}, {call, From}) -> [{reply, From, Number}];
action({reply, _}, _) -> [].

terminate(Reason, State, _) ->
    otp_world:journal({terminate, Reason, State}).
