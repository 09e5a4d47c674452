"""A flag goes before a variable, that before a file, and that before a default; faults name what said it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gen_smtp.settings.configuration import Configuration, configure
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.layers import Given

FULL = """\
module = "mail:Server"
workers = 4
grace = 7
pidfile = "pid"

[log]
level = "debug"

[server]
max_sessions = 9

[[listener]]
port = 2626
[listener.sessionoptions]
timeout = 60
limits = { errors = 7, messages = 8 }
callbackoptions = { size = 1, other = 2 }
"""


def file(folder: Path, text: str = FULL) -> Path:
    path = folder / "mail.toml"
    path.write_text(text, encoding="utf-8")
    return path


def said(source: str = "--flag", **values: Any) -> dict[str, Given]:
    return {name: Given(value, source) for name, value in values.items()}


def options(configuration: Configuration) -> Any:
    return configuration.listeners[0].sessionoptions


def test_nothing_said_is_the_defaults() -> None:
    process = configure({}).process
    assert process["module"] == "gen_smtp.smtp_server_example:SmtpServerExample"
    assert (process["workers"], process["log.level"], process["user"]) == (1, "info", None)


def test_a_file_says_what_the_process_is_to_do(tmp_path: Path) -> None:
    found = configure({}, file(tmp_path))
    assert (found.process["module"], found.process["workers"]) == ("mail:Server", 4)
    assert (found.process["grace"], found.process["log.level"]) == (7.0, "debug")
    assert found.process["pidfile"] == Path("pid")
    assert (found.server.max_sessions, found.listeners[0].port) == (9, 2626)


def test_what_is_given_goes_before_the_file_and_leaves_the_rest(tmp_path: Path) -> None:
    found = configure(
        said(port=1, workers=2, log_level="error", limit=["errors=1"], callback_option=["size=5"]),
        file(tmp_path),
    )
    assert (found.listeners[0].port, found.process["workers"], found.process["log.level"]) == (1, 2, "error")
    limits = options(found).limits
    assert (limits.errors, limits.messages, options(found).timeout) == (1, 8, 60)
    assert options(found).callbackoptions == {"size": 5, "other": 2}
    assert found.process["module"] == "mail:Server"


def test_lmtp_leaves_the_callbacks_own_option(tmp_path: Path) -> None:
    text = "[[listener]]\n[listener.sessionoptions]\ncallbackoptions = { protocol = 'mine' }\n"
    found = configure(said(lmtp=True), file(tmp_path, text))
    assert (options(found).protocol, options(found).callbackoptions) == ("lmtp", {"protocol": "mine"})


def test_a_variable_may_take_back_what_the_file_says(tmp_path: Path) -> None:
    text = "[[listener]]\n[listener.sessionoptions]\nprotocol = 'lmtp'\nlenient = true\n"
    found = configure(said(lmtp=False, lenient=False), file(tmp_path, text))
    assert (options(found).protocol, options(found).lenient) == ("smtp", False)


def test_a_file_without_a_listener_has_one_with_the_defaults(tmp_path: Path) -> None:
    found = configure(said(port=3), file(tmp_path, "workers = 2\n"))
    assert [each.port for each in found.listeners] == [3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers = '4'", "line 1: workers: a whole number is needed, not '4'"),
        ("workers = true", "line 1: workers: a whole number is needed, not True"),
        ("\ngrace = 'long'", "line 2: grace: a number is needed"),
        ("[log]\nlevel = 'loud'", "line 2: log.level: 'loud' is none; allowed: debug, info"),
        ("[log]\nlevl = 'info'", "line 2: there is no 'log.levl'; did you mean log.level?"),
        ("log = 5", "line 1: there is no 'log' here"),
        ("workrs = 4", "line 1: there is no 'workrs' here; did you mean workers?; every listener"),
        (
            "[[listener]]\nport = 0\nworkers = 4",
            "line 3: 'workers' is no option of a listener; write it above the first table of the file",
        ),
        ("[[listener]]\n\n[[listener]]\nport = -1", "line 4: listener 2, option port: not a whole number"),
        (
            "[[listener]]\n[listener.sessionoptions]\n# a comment\nlimits.errors = 0",
            "line 4: listener 1, option sessionoptions.limits.errors: not a limit: 0",
        ),
        (
            "[[listener]]\nsessionoptions = { timeout = 0 }",
            "line 2: listener 1, option sessionoptions.timeout: not a time",
        ),
        ("[[listener]]\n[node]\nnode = 'mx1'", "line 3: option node.node: not the name of a node"),
        ("[node]\ncookie_file = 'c'", "line 1: option node.node: the name of the node is needed"),
        ("[server]\n\nmax_sessions = 0", "line 3: option server.max_sessions: not a limit"),
    ],
)
def test_a_fault_in_a_file_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        configure({}, file(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'mail.toml'}, {message}")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 70000}, "GEN_SMTP_X: not a whole number in range: 70000"),
        ({"limit": ["errors=0"]}, "GEN_SMTP_X errors: not a limit: 0"),
        ({"limit": ["erors=0"]}, "GEN_SMTP_X: option erors: there is no such option; did you mean errors?"),
        ({"log_level": "loud"}, "GEN_SMTP_X: 'loud' is none"),
        ({"node": "mx"}, "GEN_SMTP_X: not the name of a node"),
        ({"node_tls": "one"}, "GEN_SMTP_X: three files"),
        ({"require_tls": True}, "GEN_SMTP_X: nobody can start TLS here"),
    ],
)
def test_a_fault_in_a_variable_names_it(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    for path in (None, file(tmp_path, "workers = 2")):
        with pytest.raises(CommandLineError) as caught:
            configure(said("GEN_SMTP_X", **values), path)
        assert str(caught.value).startswith(message)


def test_a_listeners_setting_needs_to_know_which(tmp_path: Path) -> None:
    path = file(tmp_path, "[[listener]]\n[[listener]]\nport = 1\n")
    with pytest.raises(CommandLineError, match=r"^--port: .* has 2 listeners, and this is for one"):
        configure(said("--port", port=0), path)
    assert configure(said(workers=3), path).process["workers"] == 3
