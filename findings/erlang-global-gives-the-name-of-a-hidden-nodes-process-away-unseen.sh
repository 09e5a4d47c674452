#!/usr/bin/env bash
# Erlang/OTP 25.2.3 (Debian erlang-base 1:25.2.3+dfsg-1+deb12u4), module global.
#
# A process on a hidden node has a global name, registered on a visible node by register_name_external. Another visible
# node loses its connection to the hidden one for a moment and gets it back. One expects it to know the name again, as
# all nodes of a cluster have the same names, and as it would for a process of a visible node. It does not learn it
# again, for nothing tells it: names are exchanged between visible nodes when they connect, and these two never parted.
# So whereis_name says `undefined` there, while it gives the process everywhere else.
#
# Who registers the name on that node then gets `yes`, in the whole cluster. The first holder lives, is linked to
# nothing that ends, and hears nothing. It has to ask whereis_name on every node to find out.
#
# Seen:
#   registered=yes everywhere=true
#   back=pong here=true there=undefined
#   second=yes same_here=false alive=true heard=[]

set -euo pipefail
version='1:25.2.3+dfsg-1+deb12u4'
dir=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT; cd "$dir"
apt-get download -q "erlang-base=$version" >/dev/null 2>&1 ||
    { echo "Debian package erlang-base $version cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
dpkg-deb -x erlang-base_*.deb root
export ROOTDIR=$dir/root/usr/lib/erlang EMU=beam PROGNAME=erl HOME=$dir
BINDIR=$(echo "$ROOTDIR"/erts-*/bin); export BINDIR
ERL_EPMD_PORT=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
export ERL_EPMD_PORT

cat >names.erl <<'ERL'
-module(names).
-export([main/0, holder/0]).

holder() -> receive {heard, From} -> From ! {heard, element(2, process_info(self(), messages))} end.

wait_for(Value, Ask) -> wait_for(Value, Ask, 500).
wait_for(Value, Ask, Tries) ->
    case Ask() of
        Value -> ok;
        _ when Tries > 0 -> timer:sleep(20), wait_for(Value, Ask, Tries - 1)
    end.

main() ->
    logger:set_primary_config(level, none),
    B = 'b@127.0.0.1', H = 'h@127.0.0.1',
    [wait_for(pong, fun() -> net_adm:ping(Node) end) || Node <- [B, H]],
    ok = global:sync(),
    P = rpc:call(H, erlang, spawn, [names, holder, []]),
    At = fun(Node) -> rpc:call(Node, global, whereis_name, [mx]) end,
    Registered = global:register_name_external(mx, P, fun global:random_notify_name/3),
    io:format("registered=~p everywhere=~p~n", [Registered, At(node()) =:= P andalso At(B) =:= P]),
    true = rpc:call(B, erlang, disconnect_node, [H]),
    wait_for(undefined, fun() -> At(B) end),
    Back = rpc:call(B, net_adm, ping, [H]),
    timer:sleep(3000),
    ok = global:sync(),
    io:format("back=~p here=~p there=~p~n", [Back, At(node()) =:= P, At(B)]),
    Thief = rpc:call(B, erlang, spawn, [timer, sleep, [60000]]),
    Second = rpc:call(B, global, register_name, [mx, Thief]),
    P ! {heard, self()},
    {Alive, Heard} = receive {heard, Messages} -> {true, Messages} after 2000 -> {false, nothing} end,
    io:format("second=~p same_here=~p alive=~p heard=~p~n", [Second, At(node()) =:= P, Alive, Heard]),
    [rpc:cast(Node, erlang, halt, []) || Node <- [B, H]],
    timer:sleep(200),
    halt().
ERL
node=("$BINDIR/erlexec" -noinput +S 1:1 -setcookie finding -start_epmd false -pa "$dir")
"$BINDIR/erlexec" -noinput -eval '{ok, _} = compile:file(names), halt().'
"$BINDIR/epmd" -address 127.0.0.1 &
for _ in $(seq 100); do "$BINDIR/epmd" -names >/dev/null 2>&1 && break; sleep 0.05; done
"${node[@]}" -name b@127.0.0.1 &
"${node[@]}" -name h@127.0.0.1 -hidden &
timeout 60 "${node[@]}" -name a@127.0.0.1 -eval 'names:main().' >seen
cat seen
cat >wanted <<'WANTED'
registered=yes everywhere=true
back=pong here=true there=undefined
second=yes same_here=false alive=true heard=[]
WANTED
diff wanted seen || { echo 'CHANGED: global deals with names of hidden nodes otherwise now' >&2; exit 1; }
