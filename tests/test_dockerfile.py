"""The example Dockerfile, as far as can be told without Docker: what it copies, sets and starts is there."""

from __future__ import annotations

import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import typer.main

from gen_smtp.cli import app
from gen_smtp.cli.flags import CONFIG_VARIABLE
from gen_smtp.settings.configuration import configure
from gen_smtp.settings.layers import Given
from gen_smtp.settings.table import SETTINGS

ROOT = Path(__file__).parents[1]
LINES = [
    shlex.split(line, comments=True)
    for line in (ROOT / "examples/docker/Dockerfile").read_text().replace("\\\n", " ").splitlines()
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def instructions(name: str) -> list[list[str]]:
    """The arguments of all instructions of a name."""
    return [line[1:] for line in LINES if line[:1] == [name]]


def command(name: str) -> list[str]:
    """The words of an instruction that runs something, in JSON's form."""
    (words,) = instructions(name)
    return [word.strip("[],") for word in words]


def test_all_that_the_package_is_made_of_is_copied() -> None:
    copied = {
        source for words in instructions("COPY") if "--from=build" not in words for source in words[:-1]
    }
    assert {each for each in copied if not (ROOT / each).exists()} == set()
    patterns = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {
        path.parent.name
        for path in ROOT.glob("*/__init__.py")
        if any(fnmatch(path.parent.name, pattern) for pattern in patterns)
    }
    assert packages <= copied
    assert {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= copied


def test_it_installs_the_folder_and_no_package_of_that_name() -> None:
    install = next(words for words in instructions("RUN") if "/opt/gen-smtp/bin/pip" in words)
    assert install[-3:] == ["install", "--no-cache-dir", "."]


def test_its_python_is_one_that_the_project_supports() -> None:
    images = {words[0] for words in instructions("FROM")}
    (version,) = {each.partition(":")[2].partition("-")[0] for each in images}
    assert f"Programming Language :: Python :: {version}" in PROJECT["project"]["classifiers"]


def test_its_variables_are_settings_that_the_server_takes() -> None:
    variables = dict(word.split("=", 1) for words in instructions("ENV") for word in words)
    settings = {each.variable: each for each in SETTINGS}
    ours = {name: value for name, value in variables.items() if name.startswith("GEN_SMTP_")}
    assert set(ours) <= {*settings, CONFIG_VARIABLE}
    given = {settings[name].name: Given(settings[name].type(value), name) for name, value in ours.items()}
    (listener,) = configure(given).listeners
    assert instructions("EXPOSE") == [[str(listener.port)]]


def test_what_it_starts_are_commands() -> None:
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    assert command("ENTRYPOINT") == [next(iter(PROJECT["project"]["scripts"]))]
    assert command("CMD")[0] in commands
    (health,) = instructions("HEALTHCHECK")
    assert [word.strip("[],") for word in health[-2:]][1] in commands


def test_the_user_owns_what_it_writes_to() -> None:
    ((user,),) = instructions("USER")
    assert any(
        f"-o {user} -g {user} /run/gen-smtp /srv/mail" in " ".join(words) for words in instructions("RUN")
    )
    assert user != "root"
