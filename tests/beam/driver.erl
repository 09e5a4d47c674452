%% Evaluates what comes in at standard input, a line at a time: "Number Expressions". Answers with one line,
%% "=Number Kind Term". The expressions run in a process that stays the same, with its bindings, until it dies.
%% Variables whose name ends in "_" are forgotten.
Keep = fun(Bindings) ->
    [Each || {Name, _} = Each <- erl_eval:bindings(Bindings), lists:last(atom_to_list(Name)) =/= $_]
end,
Evaluate = fun Evaluate(Parent, Bindings) ->
    receive
        {'$evaluate', Text} ->
            {Kind, Term, After} =
                try
                    {ok, Tokens, _} = erl_scan:string(Text),
                    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
                    erl_eval:exprs(Expressions, Bindings)
                of
                    {value, Value, New} -> {value, Value, Keep(New)}
                catch
                    Class:Reason -> {Class, Reason, Bindings}
                end,
            Parent ! {'$evaluated', self(), Kind, Term, After},
            Evaluate(Parent, After)
    end
end,
Say = fun(Number, Kind, Term) ->
    io:put_chars(io_lib:format("=~s ~s ~0tp~n", [Number, Kind, Term]))
end,
Spawn = fun(Bindings) ->
    Parent = self(),
    spawn_monitor(fun() -> Evaluate(Parent, Bindings) end)
end,
Loop = fun Loop({Pid, Monitor} = Process, Bindings) ->
    case io:get_line("") of
        Line when is_list(Line) ->
            [Number, Text] = string:split(string:trim(Line), " "),
            Pid ! {'$evaluate', Text},
            receive
                {'$evaluated', Pid, Kind, Term, After} ->
                    Say(Number, Kind, Term),
                    Loop(Process, After);
                {'DOWN', Monitor, process, Pid, Reason} ->
                    Fresh = Spawn(Bindings),
                    Say(Number, died, Reason),
                    Loop(Fresh, Bindings)
            end;
        _ ->
            erlang:halt(0, [{flush, false}])
    end
end,
ok = io:setopts([{encoding, unicode}]),
Say("0", value, ready),
Loop(Spawn([]), []).
