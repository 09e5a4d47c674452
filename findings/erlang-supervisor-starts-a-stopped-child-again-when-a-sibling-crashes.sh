#!/usr/bin/env bash
# Erlang/OTP 25.2.3 (Debian erlang-base 1:25.2.3+dfsg-1+deb12u4), module supervisor.
#
# An operator stops one child for good with supervisor:terminate_child (to take a listener out of service, say). It is
# kept as a specification, is never restarted by itself, and one expects it to stay away until restart_child is
# called. Under one_for_one it does. Under one_for_all, and under rest_for_one if it was started later than the one
# that crashes, the crash of a *sibling* brings it back to life.
#
# Seen (children a, b, c; c is stopped by hand, then a crashes):
#   one_for_one  before=[{a,up},{b,up},{c,down}] after=[{a,up},{b,up},{c,down}]
#   one_for_all  before=[{a,up},{b,up},{c,down}] after=[{a,up},{b,up},{c,up}]
#   rest_for_one before=[{a,up},{b,up},{c,down}] after=[{a,up},{b,up},{c,up}]

set -euo pipefail
version='1:25.2.3+dfsg-1+deb12u4'
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
apt-get download -q "erlang-base=$version" >/dev/null 2>&1 ||
    { echo "Debian package erlang-base $version cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
dpkg-deb -x erlang-base_*.deb root
export ROOTDIR=$dir/root/usr/lib/erlang EMU=beam PROGNAME=erl HOME=$dir
BINDIR=$(echo "$ROOTDIR"/erts-*/bin); export BINDIR

cat >stopped.erl <<'ERL'
-module(stopped).
-export([main/0, init/1, child/0]).

init(Flags) ->
    {ok, {Flags, [#{id => I, start => {?MODULE, child, []}} || I <- [a, b, c]]}}.

child() ->
    {ok, spawn_link(fun() -> receive crash -> exit(crash) end end)}.

state(S) ->
    lists:sort([{I, case is_pid(P) of true -> up; false -> down end} || {I, P, _, _} <- supervisor:which_children(S)]).

main() ->
    logger:set_primary_config(level, none),
    [begin
         {ok, S} = supervisor:start_link(?MODULE, {Strategy, 5, 5}),
         ok = supervisor:terminate_child(S, c),
         Before = state(S),
         {a, A, _, _} = lists:keyfind(a, 1, supervisor:which_children(S)),
         Ref = monitor(process, A),
         A ! crash,
         receive {'DOWN', Ref, _, _, crash} -> ok end,
         timer:sleep(200),
         io:format("~-12s before=~0p after=~0p~n", [Strategy, Before, state(S)])
     end || Strategy <- [one_for_one, one_for_all, rest_for_one]],
    halt().
ERL
timeout 60 "$BINDIR/erlexec" -noinput +S 1:1 -eval '{ok, _} = compile:file(stopped), stopped:main().' >seen
cat seen
cat >wanted <<'WANTED'
one_for_one  before=[{a,up},{b,up},{c,down}] after=[{a,up},{b,up},{c,down}]
one_for_all  before=[{a,up},{b,up},{c,down}] after=[{a,up},{b,up},{c,up}]
rest_for_one before=[{a,up},{b,up},{c,down}] after=[{a,up},{b,up},{c,up}]
WANTED
diff wanted seen || { echo 'CHANGED: supervisor treats a child stopped by hand otherwise now' >&2; exit 1; }
