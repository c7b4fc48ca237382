"""What the command line can point at, and what is wrong with what it points at."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.gradcheck import TargetError
from tinygrad_lecture.gradcheck.targets import load, seeded

SOURCE = """
from dataclasses import dataclass
import helper_beside_the_target

def square(x):
    return x * x

class Box:
    inner = square

@dataclass
class Point:
    x: float = 1.0

value = helper_beside_the_target.VALUE
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "helper_beside_the_target.py").write_text("VALUE = 3\n")
    path = tmp_path / "homework.py"
    path.write_text(SOURCE)
    return path


def test_a_name_in_a_file(source: Path) -> None:
    before = list(sys.path)

    assert load(f"{source}:square")(3) == 9
    assert load(f"{source}:value") == 3
    assert load(f"{source}:Point")().x == 1.0
    assert sys.path == before


def test_a_dotted_name(source: Path) -> None:
    assert load(f"{source}:Box.inner")(3) == 9


def test_a_relative_path(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)

    assert load("homework.py:square")(2) == 4
    assert load("./homework.py:square")(2) == 4


def test_a_name_in_a_module() -> None:
    assert load("tinygrad_lecture.engine:Value").__name__ == "Value"


def test_a_module_in_the_working_directory(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source.parent / "module_in_the_folder.py").write_text("def f(x):\n    return x\n")
    monkeypatch.chdir(source.parent)

    assert load("module_in_the_folder:f")(1) == 1


@pytest.mark.parametrize("target", ["homework.py", "homework.py:", ":square", ""])
def test_a_target_without_file_or_name(target: str) -> None:
    with pytest.raises(UsageError, match=r"names nothing in a file: write path/to/file.py:name"):
        load(target)


def test_a_missing_file(source: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*homewrok.py; did you mean homework.py\?"):
        load(f"{source.parent}/homewrok.py:square")


def test_a_missing_file_in_a_missing_folder() -> None:
    with pytest.raises(UsageError, match=r"no file nowhere.at.all.py"):
        load("nowhere/at/all.py:f")


def test_a_folder_and_another_kind_of_file(source: Path) -> None:
    (source.parent / "notes.txt").write_text("text")

    with pytest.raises(UsageError, match="is not a Python file"):
        load(f"{source.parent}/:f")
    with pytest.raises(UsageError, match=r"notes.txt is not a Python file"):
        load(f"{source.parent}/notes.txt:f")


def test_a_missing_name(source: Path) -> None:
    with pytest.raises(UsageError, match=r"homework.py has no name 'sqare'; did you mean square\?"):
        load(f"{source}:sqare")
    with pytest.raises(UsageError, match=r"homework.py has no name 'zzz'; it has Box, Point"):
        load(f"{source}:zzz")
    with pytest.raises(UsageError, match="has no name 'outer'"):
        load(f"{source}:Box.outer")


def test_a_missing_name_in_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")

    with pytest.raises(UsageError, match=r"empty.py has no name 'f'$"):
        load(f"{tmp_path}/empty.py:f")


def test_a_syntax_error_has_its_line(source: Path) -> None:
    source.write_text("x = 1\ndef f(x:\n    return x\n")

    with pytest.raises(UsageError, match=r"homework.py:2: syntax error: '\(' was never closed"):
        load(f"{source}:f")


def test_a_syntax_error_in_what_it_imports(source: Path) -> None:
    (source.parent / "helper_beside_the_target.py").write_text("def\n")
    sys.modules.pop("helper_beside_the_target", None)

    with pytest.raises(UsageError, match=r"helper_beside_the_target.py:1: syntax error"):
        load(f"{source}:square")


def test_a_file_that_is_no_source(source: Path) -> None:
    source.write_bytes(b"x = '\x00'\n")

    with pytest.raises(UsageError, match=r"homework.py is not Python source|syntax error"):
        load(f"{source}:f")


def test_a_file_that_raises_when_imported(source: Path) -> None:
    source.write_text("a = 1\nb = a / 0\n")

    with pytest.raises(TargetError, match=r"raised ZeroDivisionError: .* \(at .*homework.py:2\)"):
        load(f"{source}:f")


def test_a_file_that_needs_what_is_not_there(source: Path) -> None:
    source.write_text("import not_installed_anywhere\n")

    with pytest.raises(TargetError, match="ModuleNotFoundError: No module named 'not_installed"):
        load(f"{source}:f")


def test_a_file_that_ends_the_program(source: Path) -> None:
    source.write_text("import sys\nsys.exit(0)\n")

    with pytest.raises(UsageError, match="ends the program when it is imported: put what it runs"):
        load(f"{source}:f")


def test_a_missing_module() -> None:
    with pytest.raises(UsageError, match=r"no module called not_there; for a file, write path"):
        load("not_there:f")
    with pytest.raises(UsageError, match=r"no module called tinygrad_lecture.nothing; for a file"):
        load("tinygrad_lecture.nothing:f")


def test_a_module_that_needs_what_is_not_there(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source.parent / "module_that_needs_more.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(source.parent)

    with pytest.raises(TargetError, match="No module named 'not_installed_anywhere'"):
        load("module_that_needs_more:f")


def test_global_generators_are_seeded_and_restored() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    with seeded(5):
        first = random.random(), np.random.rand()  # noqa: NPY002
    with seeded(5):
        again = random.random(), np.random.rand()  # noqa: NPY002

    assert first == again
    assert before == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
