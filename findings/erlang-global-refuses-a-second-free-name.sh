#!/usr/bin/env bash
# Erlang/OTP 25.2.3 (Debian erlang-base 1:25.2.3+dfsg-1+deb12u4), module global.
#
# A process that has one global name asks for a second one, which nobody holds. One expects `yes`, as the answer `no`
# is said to mean that the name is taken. It is `no`, the name stays free for others, and the only hint is an error
# report on the console ("registered under several names"). Three neighbours do not agree with it: asking again for
# the name that the process has already is `no` too; re_register_name gives it the second name with a `yes`; and so
# does register_name_external, the function for processes of foreign nodes, which takes both names for one pid.
#
# So a `no` is no proof that somebody else holds the name: ask whereis_name, which says `undefined` here.
#
# Seen:
#   first=yes second=no holder=undefined again=no other=yes
#   re_register=yes names=[a,c] external=[yes,yes] same_holder=true

set -euo pipefail
version='1:25.2.3+dfsg-1+deb12u4'
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
apt-get download -q "erlang-base=$version" >/dev/null 2>&1 ||
    { echo "Debian package erlang-base $version cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
dpkg-deb -x erlang-base_*.deb root
export ROOTDIR=$dir/root/usr/lib/erlang EMU=beam PROGNAME=erl HOME=$dir
BINDIR=$(echo "$ROOTDIR"/erts-*/bin); export BINDIR

cat >names.erl <<'ERL'
-module(names).
-export([main/0]).

idle() -> spawn(fun() -> timer:sleep(60000) end).

main() ->
    logger:set_primary_config(level, none),
    P = idle(), Q = idle(), F = idle(),
    First = global:register_name(a, P),
    Second = global:register_name(b, P),
    Holder = global:whereis_name(b),
    Again = global:register_name(a, P),
    Other = global:register_name(b, Q),
    io:format("first=~p second=~p holder=~p again=~p other=~p~n", [First, Second, Holder, Again, Other]),
    Re = global:re_register_name(c, P),
    Names = lists:sort([N || N <- global:registered_names(), global:whereis_name(N) =:= P]),
    External = [global:register_name_external(N, F, fun global:random_notify_name/3) || N <- [d, e]],
    io:format("re_register=~p names=~p external=~p same_holder=~p~n",
              [Re, Names, External, global:whereis_name(d) =:= global:whereis_name(e)]),
    halt().
ERL
timeout 60 "$BINDIR/erlexec" -noinput +S 1:1 -eval '{ok, _} = compile:file(names), names:main().' >seen
cat seen
cat >wanted <<'WANTED'
first=yes second=no holder=undefined again=no other=yes
re_register=yes names=[a,c] external=[yes,yes] same_holder=true
WANTED
diff wanted seen || { echo 'CHANGED: global treats a second name of one process otherwise now' >&2; exit 1; }
