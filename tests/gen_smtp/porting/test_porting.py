"""`gen-smtp port`: both readers say the same of a module, and what comes out runs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import Behaviour, Error, Ok, Stop
from gen_smtp.porting import otp_reader, tree_sitter_reader
from gen_smtp.porting.model import Atom, Call, ErlangModule, Number, Record, Text, Variable, calls_in
from gen_smtp.porting.otp_reader import CannotReadError
from gen_smtp.porting.reading import read_module
from gen_smtp.porting.skeleton import skeleton_of
from gen_smtp.testing import FakeClient

MODULE = r"""%% A callback module, as applications have them.
-module(my_server).
-behaviour(gen_smtp_server_session).
-export([start/0, init/4]).
-record(state, {store, taken = 0 :: integer(), class = "x"}).

start() ->
    gen_smtp_server:start(?MODULE, [[{port, 2525}]]).

init(Hostname, SessionCount, _Peer, Options) when SessionCount =< 100 ->
    {ok, [Hostname, " ESMTP"], #state{store = proplists:get_value(store, Options, mem)}};
init(Hostname, _, _, _) ->
    {stop, normal, ["421 ", Hostname, " is too busy"]}.

%% Nobody is no one.
handle_RCPT(<<"nobody@example.com">>, State) ->
    {error, "550 No such recipient", State};
handle_RCPT(_To, State) ->
    {ok, State#state{taken = State#state.taken + 1}}.

handle_MAIL(From, State) ->
    case lookup(From) of
        true -> {ok, State};
        false -> {error, "553 no", State}
    end.

handle_MAIL_extension(_, _State) -> error.

handle_DATA(From, To, Data, State) ->
    %% kept elsewhere
    Id = store:put(State#state.store, From, To, Data),
    self() ! {mail, Id},
    {ok, ["queued as ", Id], State}.

handle_RSET(State) -> State.

handle_other(Verb, _Args, State) -> {["500 Error: command not recognized : '", Verb, "'"], State}.

terminate(Reason, State) -> {ok, Reason, State}.

lookup(From) -> ets:member(senders, From).
"""


@pytest.fixture
def source(tmp_path: Path, require_tool: Callable[[str], str]) -> Path:
    """The module as a file, where there is an OTP."""
    require_tool("erl")
    path = tmp_path / "my_server.erl"
    path.write_text(MODULE)
    return path


def alike(module: ErlangModule) -> ErlangModule:
    """What both readers must agree on: of macros one knows the meaning alone."""
    functions = tuple(each for each in module.functions if each.name != "start")
    return dataclasses.replace(module, reader="", functions=functions)


def class_of(text: str) -> Any:
    """The class in a skeleton."""
    names: dict[str, Any] = {}
    exec(compile(text, "skeleton", "exec"), names)
    return next(each for each in names.values() if isinstance(each, type) and each.__base__ is Behaviour)


def test_both_readers_say_the_same(source: Path) -> None:
    by_otp, by_tree_sitter = otp_reader.read(source), tree_sitter_reader.read(source)
    assert alike(by_otp) == alike(by_tree_sitter)
    assert by_otp.name == "my_server"
    assert by_otp.behaviours == ("gen_smtp_server_session",)
    assert by_otp.records == {"state": {"store": None, "taken": Number(0), "class": Text("x")}}


def test_a_clause_has_its_text_its_comments_and_what_is_in_it(source: Path) -> None:
    functions = {each.name: each for each in read_module(source).functions}
    init, data = functions["init"].clauses[0], functions["handle_DATA"].clauses[0]
    assert init.source.startswith("init(Hostname, SessionCount, _Peer, Options) when")
    assert init.guard == Call(None, "=<", (Variable("SessionCount"), Number(100)), 10)
    assert functions["init"].clauses[1].source.endswith('" is too busy"]}')  # not the next one's comment
    assert "%% kept elsewhere" in data.source
    assert [str(each) for each in calls_in(data.body)] == ["store:put/4", "!/2", "self/0"]
    assert any(isinstance(each, Record) for each in functions["handle_RCPT"].clauses[1].body[0].items)  # type: ignore[union-attr]
    assert functions["handle_MAIL_extension"].clauses[0].body == (Atom("error"),)


def test_what_can_be_brought_over_does_what_it_did(source: Path) -> None:
    made = class_of(skeleton_of(read_module(source)).text)()
    assert (made.taken, made.class_) == (0, "x")
    assert made.init("mx.test", 100, None, [("store", "disk")]) == Ok("mx.test ESMTP")
    assert made.store == "disk"
    assert made.init("mx.test", 101, None, []) == Stop("normal", "421 mx.test is too busy")
    assert made.handle_RCPT("nobody@example.com") == Error("550 No such recipient")
    assert made.handle_RCPT("me@example.com") == Ok()
    assert made.taken == 1
    assert made.handle_RSET() is None
    assert made.handle_other("XYZ", "").message == "500 Error: command not recognized : 'XYZ'"
    assert made.terminate("normal") is None


def test_lines_of_the_log_variables_and_a_choice_are_brought_over(source: Path) -> None:
    source.write_text(
        """-module(a).
-record(state, {options = []}).
init(Host, Count, Peer, Options) ->
    lager:warning("peer ~p of ~s~n", [Peer, Host]),
    case Count > 20 of
        false ->
            TheBanner = io_lib:format("~s is ready", [Host]),
            State = #state{options = Options},
            {ok, TheBanner, State};
        true -> {stop, normal, "421 busy"}
    end.
handle_EHLO(_Host, Extensions, State) -> {ok, Extensions ++ [{"STARTTLS", true}], State}.
"""
    )
    skeleton = skeleton_of(read_module(source))
    made = class_of(skeleton.text)()
    assert skeleton.left == ()
    assert made.options == ()
    assert made.init("mx.test", 21, None, {}) == Stop("normal", "421 busy")
    assert made.init("mx.test", 20, None, {"a": 1}) == Ok("mx.test is ready")
    assert made.options == {"a": 1}
    assert made.handle_EHLO("c", [("SIZE", "1")]) == Ok([("SIZE", "1"), ("STARTTLS", True)])
    assert '_logger.warning("peer %s of %s", peername, hostname)' in skeleton.text


def test_what_cannot_has_clients_come_again_and_is_listed(source: Path) -> None:
    skeleton = skeleton_of(read_module(source))
    made = class_of(skeleton.text)()
    assert made.handle_MAIL("me@example.com").message.startswith("451 ")
    assert made.handle_DATA("", [], b"").message.startswith("451 ")
    assert "        #     case lookup(From) of" in skeleton.text
    assert set(skeleton.left) >= {
        "handle_MAIL, line 21: its clauses are to be written in Python",
        "handle_DATA, line 29: its clauses are to be written in Python",
        "store:put/4 in handle_DATA, line 31: nothing here stands for it",
        "!/2 in handle_DATA, line 32: actors.send, or reference.tell",
        "ets:member/2 in lookup, line 41: a dict; one for all sessions is an attribute of the class",
        "lookup/1, line 41: a function of the module's own",
    }
    assert all(f"# * {each}" in skeleton.text for each in skeleton.left)


def test_the_class_serves(source: Path) -> None:
    with FakeClient(class_of(skeleton_of(read_module(source)).text)) as client:
        assert client.greeting.text.endswith(" ESMTP")


def test_a_module_whose_include_files_are_missing_is_read_by_tree_sitter(source: Path) -> None:
    source.write_text('-module(a).\n-include_lib("lost/include/lost.hrl").\nhandle_RSET(S) -> ?LOG(S), S.\n')
    module = read_module(source)
    assert [each.name for each in module.functions] == ["handle_RSET"]
    assert module.reader.startswith("tree-sitter, since OTP could not: line 2: can't find include lib")


def test_include_files_are_looked_for_where_the_user_says(source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.hrl").write_text("-define(SIZE, 17).\n-record(state, {a = 1}).\n")
    source.write_text('-module(a).\n-include("a.hrl").\nhandle_HELO(_, S) -> {ok, ?SIZE, S}.\n')
    module = read_module(source, [tmp_path / "elsewhere"])
    assert module.reader.startswith("OTP ")
    assert "return ok(17)" in skeleton_of(module).text
    assert list(module.records) == ["state"]


@pytest.mark.parametrize("without", ["erl", "grammar"])
def test_without_a_reader_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    path = tmp_path / "a.erl"
    path.write_text("-module(a).\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    if without == "erl":
        assert read_module(path).reader == "tree-sitter, since OTP could not: erl is not installed"
        return
    monkeypatch.setitem(sys.modules, "tree_sitter_language_pack", None)
    with pytest.raises(CannotReadError, match=r"erl is not installed .*pip install 'gen-smtp\[port\]'"):
        read_module(path)


def test_the_command_writes_it_and_says_what_is_left(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gen_smtp", "port", str(source), "--output", str(tmp_path / "made.py")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert ended.stdout == ""
    assert "left: store:put/4 in handle_DATA, line 31: nothing here stands for it" in ended.stderr
    assert class_of((tmp_path / "made.py").read_text()).__name__ == "MyServer"
    again = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (again.returncode, again.stderr) == (
        2,
        f"gen-smtp: --output: cannot write '{tmp_path}/made.py': File exists\n",
    )
