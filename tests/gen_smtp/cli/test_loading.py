"""From `module:Class` to the class."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gen_smtp.cli.loading import LoadError, load_callback


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if _is_inside(tmp_path, module)]:
        del sys.modules[name]


def _is_inside(folder: Path, module: ModuleType) -> bool:
    return str(getattr(module, "__file__", None)).startswith(str(folder))


def test_a_class_of_an_installed_module() -> None:
    assert load_callback("collections:OrderedDict").__name__ == "OrderedDict"


def test_a_class_inside_a_class(folder: Path) -> None:
    (folder / "inside_a_class.py").write_text("class A:\n    class B: pass\n")
    assert type(load_callback("inside_a_class:A.B")()).__qualname__ == "A.B"


def test_a_class_of_a_module_in_the_current_folder(folder: Path) -> None:
    (folder / "in_the_folder.py").write_text("class MyServer: pass\n")
    assert type(load_callback("in_the_folder:MyServer")()).__name__ == "MyServer"


def test_a_module_that_ends_the_program(folder: Path) -> None:
    (folder / "ends_the_program.py").write_text("import sys\nsys.exit('no')\n")
    with pytest.raises(
        LoadError, match=r"^importing 'ends_the_program' failed: SystemExit: no \(.*line 2\)$"
    ):
        load_callback("ends_the_program:A")


@pytest.mark.parametrize("name", ["collections", "collections:", ":OrderedDict", ""])
def test_a_name_of_another_form(name: str) -> None:
    with pytest.raises(LoadError, match="not of the form module:Class"):
        load_callback(name)


@pytest.mark.parametrize(
    ("name", "missing"), [("no_such:A", "no_such"), ("no_such.inner:A", "no_such"), ("json.no:A", "json.no")]
)
def test_a_module_that_is_missing(name: str, missing: str) -> None:
    with pytest.raises(LoadError, match=f"^there is no module '{missing}'"):
        load_callback(name)


def test_a_class_that_is_missing_is_told_the_nearest() -> None:
    with pytest.raises(
        LoadError, match=r"^there is no 'OrderdDict' in 'collections'; did you mean 'OrderedDict'\?$"
    ):
        load_callback("collections:OrderdDict")


def test_something_that_makes_nothing() -> None:
    with pytest.raises(LoadError, match=r"^'string:digits' is no class but str$"):
        load_callback("string:digits")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\nimport no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("\n1 / 0\n", "ZeroDivisionError: division by zero"),
        ("\nraise ValueError('two\\nlines')\n", "ValueError: two lines"),
    ],
)
def test_a_module_that_fails_is_told_where(folder: Path, source: str, message: str) -> None:
    (folder / "failing.py").write_text(source)
    with pytest.raises(LoadError) as caught:
        load_callback("failing:A")
    assert str(caught.value) == f"importing 'failing' failed: {message} ({folder / 'failing.py'}, line 2)"


def test_a_module_with_a_syntax_error_is_told_where(folder: Path) -> None:
    (folder / "broken.py").write_text("\nclass A\n")
    with pytest.raises(LoadError, match=r"SyntaxError: .*broken\.py, line 2"):
        load_callback("broken:A")
