"""What the README says besides Python (tests/test_docs.py runs that) is so."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from gen_smtp.callbacks.behaviour import CALLBACKS
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.options.server import ServerOptions
from gen_smtp.options.session import SessionOptions

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

COMMANDS = re.findall(r"^ {4}make ([a-z]+) ", README, re.MULTILINE)
EXAMPLES = re.findall(r"^\| `python (examples/\w+\.py)`", README, re.MULTILINE)
LINKS = re.findall(r"\]\(((?!http)[^)#]+)\)", README)


def test_two_commands_do_all_the_setup() -> None:
    assert COMMANDS == ["run", "test"]


@pytest.mark.parametrize("target", COMMANDS)
def test_make_has_the_command(target: str) -> None:
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_example_is_listed_and_every_listed_one_exists() -> None:
    there = {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}
    assert set(EXAMPLES) == there


@pytest.mark.parametrize("target", LINKS)
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("record", [ListenerOptions, ServerOptions, SessionOptions])
def test_every_option_is_in_its_table(record: type) -> None:
    cells = "".join(line.split("|")[1] for line in README.splitlines() if line.startswith("| `"))
    for field in dataclasses.fields(record):
        assert f"`{field.name}`" in cells


def test_every_callback_is_in_its_table() -> None:
    for name in CALLBACKS:
        assert f"`{name}(" in README
