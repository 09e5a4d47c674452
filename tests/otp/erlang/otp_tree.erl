%% A supervisor of any strategy.
-module(otp_tree).
-behaviour(supervisor).
-export([start_link/3, child/2]).
-export([init/1]).

start_link(Label, Tree, Spec) ->
    supervisor:start_link(?MODULE, {Label, Tree, Spec}).

init({Label, Tree, {Strategy, Intensity, Children}}) ->
    otp_world:join_as_supervisor(Label, Tree),
    otp_world:journal(init),
    {Restarts, Shutdown} = case Intensity of {_, _} -> Intensity; _ -> {Intensity, never} end,
    {ok, {#{strategy => Strategy, intensity => Restarts, period => 3600, auto_shutdown => Shutdown},
          [case Strategy of simple_one_for_one -> pooled(Label, Child); _ -> child(Label, Child) end
           || Child <- Children]}}.

%% The child specification of the supervisor `Tree`.
child(Tree, {Id, {Kind, Label, Name, Spec}, Restart, Shutdown, Type}) ->
    with_type(Type, #{id => Id, start => start(Kind, Label, Name, Tree, Spec), restart => Restart,
                      shutdown => Shutdown}).

with_type(significant, Child) -> Child#{significant => true};
with_type(Type, Child) -> Child#{type => Type}.

start(supervisor, Label, _, Tree, Spec) -> {?MODULE, start_link, [Label, Tree, Spec]};
start(_, Label, undefined, Tree, Spec) -> {otp_server, start_link, [Label, Tree, Spec]};
start(_, Label, Name, Tree, Spec) -> {otp_server, start_link, [{named, Name}, Label, Tree, Spec]}.

pooled(Tree, {Id, {_, _, _, Spec}, Restart, Shutdown, Type}) ->
    with_type(Type, #{id => Id, start => {otp_server, start_link, [pool, Tree, Spec]}, restart => Restart,
                      shutdown => Shutdown}).
