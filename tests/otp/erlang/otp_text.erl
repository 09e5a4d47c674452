%% Terms as the comparison wants them: without pids, stack traces and the words around the failure of a call.
-module(otp_text).
-export([plain/1, failure/1, python/1]).

%% Atoms, integers, tuples and lists of such; a process is who it is in the scenario.
plain({Reason, [{_, _, _, _} | _]}) -> {error, plain(Reason)};
plain({Reason, {Module, _, Arguments}})
  when is_list(Arguments), (Module =:= gen_server orelse Module =:= gen_statem orelse Module =:= sys) ->
    {call, plain(Reason)};
plain(Pid) when is_pid(Pid) -> otp_world:name_of(Pid);
plain({Name, Node}) when Node =:= node() -> Name;
plain(Tuple) when is_tuple(Tuple) -> list_to_tuple([plain(Element) || Element <- tuple_to_list(Tuple)]);
plain(List) when is_list(List) -> [plain(Element) || Element <- List];
plain(Term) when is_atom(Term); is_integer(Term) -> Term;
plain(_) -> other.

%% Why a call of any kind failed.
failure({Reason, {Module, _, Arguments}}) when is_atom(Module), is_list(Arguments) -> Reason;
failure(Reason) -> Reason.

%% A plain term as Python writes it.
python(true) -> "True";
python(false) -> "False";
python(undefined) -> "None";
python(Atom) when is_atom(Atom) -> [$", atom_to_list(Atom), $"];
python(Integer) when is_integer(Integer) -> integer_to_list(Integer);
python(Tuple) when is_tuple(Tuple) -> [$(, [[python(Element), $,] || Element <- tuple_to_list(Tuple)], $)];
python(List) -> [$[, [[python(Element), $,] || Element <- List], $]].
