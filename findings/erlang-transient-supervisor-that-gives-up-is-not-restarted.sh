#!/usr/bin/env bash
# Erlang/OTP 25.2.3 (Debian erlang-base 1:25.2.3+dfsg-1+deb12u4), module supervisor.
#
# "transient" means: restart the child if it ends abnormally. A supervisor that gives up because its children crash
# too often is surely an abnormal end, so one expects the supervisor above it to start a transient inner supervisor
# again. It does not: a supervisor that gives up exits with the reason `shutdown`, which counts as a normal end. The
# whole subtree stays dead, quietly, and the outer supervisor lives on. A transient worker that crashes beside it with
# the very same reason is restarted, and so is an inner supervisor that is permanent.
#
# Seen:
#   worker reason=crash after=up
#   inner(transient) reason=shutdown after=down
#   inner(permanent) reason=shutdown after=up
#   outer_alive=true

set -euo pipefail
version='1:25.2.3+dfsg-1+deb12u4'
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
apt-get download -q "erlang-base=$version" >/dev/null 2>&1 ||
    { echo "Debian package erlang-base $version cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
dpkg-deb -x erlang-base_*.deb root
export ROOTDIR=$dir/root/usr/lib/erlang EMU=beam PROGNAME=erl HOME=$dir
BINDIR=$(echo "$ROOTDIR"/erts-*/bin); export BINDIR

cat >inner.erl <<'ERL'
-module(inner).
-export([main/0, init/1, child/0, sup/0]).

init(inner) -> {ok, {{one_for_one, 0, 5}, [#{id => w, start => {?MODULE, child, []}}]}};
init(outer) ->
    Spec = fun(Id, F, Restart) -> #{id => Id, start => {?MODULE, F, []}, restart => Restart} end,
    {ok, {{one_for_one, 9, 5}, [Spec(worker, child, transient), Spec(transient, sup, transient),
                                Spec(permanent, sup, permanent)]}}.

sup() -> supervisor:start_link(?MODULE, inner).
child() -> {ok, spawn_link(fun() -> receive crash -> exit(crash) end end)}.

pid(S, Id) -> element(2, lists:keyfind(Id, 1, supervisor:which_children(S))).

try_one(Outer, Text, Id, Victim) ->
    Ref = monitor(process, pid(Outer, Id)),
    Victim ! crash,
    Reason = receive {'DOWN', Ref, _, _, R} -> R end,
    timer:sleep(200),
    After = case is_pid(pid(Outer, Id)) of true -> up; false -> down end,
    io:format("~s reason=~p after=~p~n", [Text, Reason, After]).

main() ->
    logger:set_primary_config(level, none),
    {ok, Outer} = supervisor:start_link(?MODULE, outer),
    try_one(Outer, "worker", worker, pid(Outer, worker)),
    try_one(Outer, "inner(transient)", transient, pid(pid(Outer, transient), w)),
    try_one(Outer, "inner(permanent)", permanent, pid(pid(Outer, permanent), w)),
    io:format("outer_alive=~p~n", [is_process_alive(Outer)]),
    halt().
ERL
timeout 60 "$BINDIR/erlexec" -noinput +S 1:1 -eval '{ok, _} = compile:file(inner), inner:main().' >seen
cat seen
cat >wanted <<'WANTED'
worker reason=crash after=up
inner(transient) reason=shutdown after=down
inner(permanent) reason=shutdown after=up
outer_alive=true
WANTED
diff wanted seen || { echo 'CHANGED: supervisor treats an inner supervisor that gives up otherwise now' >&2; exit 1; }
