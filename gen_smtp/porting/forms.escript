#!/usr/bin/env escript
%% Reads an Erlang module with OTP's own preprocessor and parser, and writes its forms as JSON: tuples as {"t": [...]},
%% atoms as {"a": ...}, text as {"s": ...}. Arguments: the file, then the folders of its include files.
-mode(interpret).

main([File | Folders]) ->
    io:setopts([{encoding, unicode}]),
    Options = [{includes, Folders}, {location, {1, 1}}, {macros, [{'TEST', false}]}],
    case epp:parse_file(File, Options) of
        {ok, Forms} -> io:put_chars(json({list_to_atom(erlang:system_info(otp_release)), [said(F) || F <- Forms]}));
        {error, Reason} -> io:put_chars(standard_error, file:format_error(Reason)), halt(1)
    end.

said({error, {Place, Module, Reason}}) -> {error, Place, lists:flatten(Module:format_error(Reason))};
said(Form) -> Form.

json(A) when is_atom(A) -> ["{\"a\":", text(atom_to_list(A)), "}"];
json(N) when is_integer(N) -> integer_to_list(N);
json(F) when is_float(F) -> io_lib:format("~p", [F]);
json(T) when is_tuple(T) -> ["{\"t\":", json_list(tuple_to_list(T)), "}"];
json([]) -> "[]";
json(L) when is_list(L) ->
    case io_lib:char_list(L) of
        true -> ["{\"s\":", text(L), "}"];
        false -> json_list(L)
    end;
json(_) -> "null".

json_list(L) -> ["[", lists:join(",", [json(E) || E <- L]), "]"].

text(L) -> ["\"", [escaped(C) || C <- L], "\""].

escaped($") -> "\\\"";
escaped($\\) -> "\\\\";
escaped(C) when C < 32 -> io_lib:format("\\u~4.16.0b", [C]);
escaped(C) -> C.
