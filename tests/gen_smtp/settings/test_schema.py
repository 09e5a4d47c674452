"""The table of settings, and all that comes of it: flags, keys of the file, variables, schema, output."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main

from gen_smtp.cli import app
from gen_smtp.settings.configuration import configure
from gen_smtp.settings.errors import CommandLineError
from gen_smtp.settings.layers import Given
from gen_smtp.settings.schema import json_schema
from gen_smtp.settings.shown import as_toml, effective
from gen_smtp.settings.table import OF_PROCESS, SETTINGS

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"

OF_THE_COMMAND = {"config", "check", "help"}
"""Flags of `serve` that say what to do, and nothing that a file could."""

VALID = """
module = "mail:Server"
workers = 2
grace = 5.5
[log]
level = "warning"
[server]
max_sessions = 10
max_buffered = inf
exempt = ["192.0.2.0/24"]
[node]
node = "mx1@10.0.0.5"
seeds = ["app@10.0.0.7"]
[[listener]]
port = 0
proxy_protocol = ["10.0.0.0/8", "unix"]
[[listener]]
family = "unix"
address = "mail"
mode = "660"
[listener.sessionoptions]
allow_bare_newlines = "fix"
timeout = inf
callbackoptions = { any = [1, 2] }
[listener.sessionoptions.limits]
errors = 5
"""

WRONG = [
    "workers = '2'",
    "worker = 2",
    "[log]\nlevel = 'loud'",
    "[server]\nmax_session = 5",
    "[node]\nseeds = []",
    "[[listener]]\nport = '25'",
    "[[listener]]\n[listener.sessionoptions]\nlenient = 'yes'",
    "[[listener]]\n[listener.sessionoptions.limits]\nerors = 5",
    "[[listener]]\n[listener.sessionoptions.tls_options]\nminimum_version = 'SSLv3'",
    "[listener]\nport = 25",
]


def flags_of(command: str) -> dict[str, Any]:
    """The parameters of a command, by their names, as typer has made them."""
    group: Any = typer.main.get_command(app)
    return {each.name: each for each in group.commands[command].params}


class TestTable:
    @pytest.mark.parametrize("command", ["serve", "config"])
    def test_every_flag_is_a_setting_of_a_file_too(self, command: str) -> None:
        own = {"json": "as_json", "schema": "schema"}
        flags = set(flags_of(command)) - OF_THE_COMMAND - {*own, *own.values()}
        assert flags == {each.name for each in SETTINGS}

    def test_every_flag_has_a_variable_of_its_name(self) -> None:
        for name, flag in flags_of("serve").items():
            if name not in {"check", "help"}:
                assert flag.envvar == f"GEN_SMTP_{name.upper()}"

    def test_the_docs_have_every_row(self) -> None:
        text = PAGE.read_text(encoding="utf-8")
        missing = [row for row in map(row_of, SETTINGS) if row not in text]
        assert missing == []

    def test_every_place_is_in_the_schema(self) -> None:
        schema = json_schema()
        for each in SETTINGS:
            inner = schema
            for name in each.place.split("."):
                inner = inner["properties"][name]
                inner = inner.get("items", inner) if name == "listener" else inner
                assert inner is not None


def row_of(setting: Any) -> str:
    """The row of a setting in the docs."""
    return f"| `{setting.flag}` | `{setting.variable}` | `{setting.place}` |"


class TestSchema:
    def test_is_one(self) -> None:
        jsonschema.Draft202012Validator.check_schema(json_schema())

    def test_takes_what_the_server_takes(self, tmp_path: Path) -> None:
        jsonschema.validate(tomllib.loads(VALID), json_schema())
        path = tmp_path / "mail.toml"
        path.write_text(VALID)
        assert len(configure({}, path).listeners) == 2

    @pytest.mark.parametrize("text", WRONG)
    def test_refuses_what_the_server_refuses(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(text), json_schema())
        path = tmp_path / "mail.toml"
        path.write_text(text)
        with pytest.raises(CommandLineError):
            configure({}, path)

    def test_says_what_each_option_is(self) -> None:
        listener = json_schema()["properties"]["listener"]["items"]["properties"]
        assert listener["port"]["description"].startswith("from 0 (the system chooses)")
        assert json_schema()["properties"]["workers"]["default"] == 1


class TestShown:
    def test_is_a_file_that_says_the_same(self, tmp_path: Path) -> None:
        first = configure({"port": Given(0, "--port"), "limit": Given(["errors=9"], "--limit")})
        path = tmp_path / "shown.toml"
        path.write_text(as_toml(effective(first)))
        second = configure({}, path)
        assert (second.listeners, second.server, second.process) == (
            first.listeners,
            first.server,
            first.process,
        )

    def test_says_where_each_value_comes_from(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.toml"
        path.write_text("workers = 2\n[[listener]]\nport = 1\n[[listener]]\nport = 2\n")
        found = configure({"grace": Given(1.0, "GEN_SMTP_GRACE")}, path)
        sources = {each.place: (each.value, each.source) for each in effective(found)}
        assert sources["workers"] == (2, f"{path}, line 1")
        assert sources["grace"] == (1.0, "GEN_SMTP_GRACE")
        assert sources["listener.2.port"] == (2, f"{path}, line 5")
        assert sources["listener.1.family"] == ("inet", "default")
        assert {each.place for each in OF_PROCESS} <= set(sources)

    def test_hides_what_may_be_a_secret(self, tmp_path: Path) -> None:
        path = tmp_path / "mail.toml"
        path.write_text("[[listener]]\n[listener.sessionoptions.callbackoptions]\ndb = 'secret'\n")
        shown = as_toml(effective(configure({}, path)))
        assert "secret" not in shown
        assert 'db = "(hidden)"' in shown

    def test_is_ready_for_json(self) -> None:
        values = [each.value for each in effective(configure({}))]
        assert json.loads(json.dumps(values)) is not None
