"""The command `gen-smtp config`, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gen_smtp.cli import app


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.toml"
    path.write_text("workers = 4\n[[listener]]\nport = 1\n[listener.sessionoptions]\nlenient = true\n")
    return path


def config(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(app, ["config", *arguments], env=variables)


def test_shows_each_value_and_where_it_comes_from(mail: Path) -> None:
    variables = {
        "GEN_SMTP_CONFIG": str(mail),
        "GEN_SMTP_LENIENT": "0",
        "GEN_SMTP_LIMIT": "errors=7 max_sessions=8",
        "GEN_SMTP_WORKERS": "3",
        "GEN_SMTP_MODULE": "mail:Server",
        "GEN_SMTP_PORT": "",
    }
    ended = config("--workers", "2", "--json", **variables)
    assert ended.exit_code == 0, ended.output
    shown = {each["place"]: (each["value"], each["source"]) for each in json.loads(ended.stdout)}
    assert shown["workers"] == (2, "--workers")
    assert shown["module"] == ("mail:Server", "GEN_SMTP_MODULE")
    assert shown["listener.1.port"] == (1, f"{mail}, line 3")
    assert shown["listener.1.sessionoptions.lenient"] == (False, "GEN_SMTP_LENIENT")
    assert shown["listener.1.sessionoptions.limits.errors"] == (7, "GEN_SMTP_LIMIT")
    assert shown["server.max_sessions"] == (8, "GEN_SMTP_LIMIT")


def test_shows_toml_with_comments(mail: Path) -> None:
    ended = config("--config", str(mail))
    assert f"workers = 4{' ' * 41}# {mail}, line 1\n" in ended.stdout


def test_checks_as_serve_does(mail: Path) -> None:
    assert config("--config", str(mail), "--check", "--workers", "1").stdout == "nothing is wrong\n"
    ended = config("--config", str(mail), "--check", GEN_SMTP_WORKERS="0")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == "gen-smtp: GEN_SMTP_WORKERS: not a number of workers: 0; allowed: 1 or more\n"
    ended = config("--config", str(mail), "no_such_module:Class", "--check", "--workers", "1")
    assert ended.stderr.startswith("gen-smtp: MODULE:CLASS: there is no module")


def test_names_a_variable_that_is_no_setting() -> None:
    ended = config(GEN_SMTP_WORKRES="4")
    assert ended.exit_code == 0
    assert ended.stderr == (
        "gen-smtp: GEN_SMTP_WORKRES: there is no such setting; did you mean GEN_SMTP_WORKERS?\n"
    )


def test_a_variable_of_kubernetes_is_named() -> None:
    ended = config(GEN_SMTP_PORT="tcp://10.0.0.1:25")
    assert ended.exit_code == 2
    assert "GEN_SMTP_PORT: 'tcp://10.0.0.1:25' is no whole number; Kubernetes sets this" in ended.stderr


def test_prints_the_schema() -> None:
    assert json.loads(config("--schema").stdout)["properties"]["workers"]["type"] == "integer"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--on-started", "json"], "--on-started: 'json' is not of the form module:function, such as "),
        (["--on-started", "json:none"], "--on-started: there is no 'none' in 'json'"),
        (["--on-started", "json:__name__"], "--on-started: 'json:__name__' is no function but str"),
        (["--control-mode", "660"], "--control-mode: needs --control"),
        (["--control", "x", "--control-mode", "999"], "--control-mode: no file has such a mode"),
        (["--control", "x", "--control-group", "no such"], "--control-group: there is no such group"),
    ],
)
def test_faults_of_the_control_socket_and_of_a_function_are_named(arguments: list[str], message: str) -> None:
    ended = config(*arguments, "--check")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"gen-smtp: {message}")


def test_a_control_socket_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "control"
    ended = CliRunner().invoke(
        app, ["serve", "--address", "127.0.0.1", "--port", "0", "--control", str(path)]
    )
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.endswith(
        f"gen-smtp: --control: cannot listen on {path} (control): No such file or directory\n"
    )
