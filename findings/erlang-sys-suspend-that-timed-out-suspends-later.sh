#!/usr/bin/env bash
# Erlang/OTP 25.2.3 (Debian erlang-base 1:25.2.3+dfsg-1+deb12u4), modules sys and gen_server.
#
# sys:suspend(Pid, Timeout) of a server that is busy for longer fails with `timeout`. One expects a failed call to
# have done nothing, and since OTP 24 the late *reply* of a call that timed out is indeed thrown away. But the request
# stays in the server's queue: when the server is free again it suspends itself, after its caller has given up (and
# perhaps gone away). From then on each call to it times out, casts pile up, and nobody is told. Only sys:resume wakes
# it, which nobody has a reason to call; then all that was queued is handled.
#
# Seen:
#   suspend=timeout
#   later: status=suspended call=timeout
#   after resume: status=running casts=2

set -euo pipefail
version='1:25.2.3+dfsg-1+deb12u4'
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
apt-get download -q "erlang-base=$version" >/dev/null 2>&1 ||
    { echo "Debian package erlang-base $version cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
dpkg-deb -x erlang-base_*.deb root
export ROOTDIR=$dir/root/usr/lib/erlang EMU=beam PROGNAME=erl HOME=$dir
BINDIR=$(echo "$ROOTDIR"/erts-*/bin); export BINDIR

cat >busy.erl <<'ERL'
-module(busy).
-export([main/0, init/1, handle_call/3, handle_cast/2]).

init(N) -> {ok, N}.
handle_call(work, _, N) -> timer:sleep(400), {reply, done, N};
handle_call(casts, _, N) -> {reply, N, N}.
handle_cast(one_more, N) -> {noreply, N + 1}.

reason(F) ->
    try F() catch exit:{Reason, _} -> Reason end.

status(S) -> {status, S, _, [_, Status | _]} = sys:get_status(S), Status.

main() ->
    logger:set_primary_config(level, none),
    {ok, S} = gen_server:start_link(?MODULE, 0, []),
    spawn(fun() -> gen_server:call(S, work) end),
    timer:sleep(100),
    io:format("suspend=~p~n", [reason(fun() -> sys:suspend(S, 50) end)]),
    timer:sleep(600),
    [gen_server:cast(S, one_more) || _ <- [1, 2]],
    io:format("later: status=~p call=~p~n", [status(S), reason(fun() -> gen_server:call(S, casts, 200) end)]),
    ok = sys:resume(S),
    io:format("after resume: status=~p casts=~p~n", [status(S), gen_server:call(S, casts)]),
    halt().
ERL
timeout 60 "$BINDIR/erlexec" -noinput +S 1:1 -eval '{ok, _} = compile:file(busy), busy:main().' >seen
cat seen
cat >wanted <<'WANTED'
suspend=timeout
later: status=suspended call=timeout
after resume: status=running casts=2
WANTED
diff wanted seen || { echo 'CHANGED: a suspend that timed out acts otherwise now' >&2; exit 1; }
