"""``tinygrad-lecture notebooks``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tinygrad_lecture.cli import main
from tinygrad_lecture.teach import course, lessons

NAMES = [lesson.path.name for lesson in lessons()]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["notebooks", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinygrad-lecture: error: ")
    assert err.count("\n") == 1
    return err


def test_the_list_has_titles_and_goals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notebooks"]) == 0
    out = capsys.readouterr().out
    for lesson in lessons():
        assert f"{lesson.number}  {lesson.title}\n    {lesson.goals[:20]}" in out
    assert "--copy DIR" in out
    assert max(map(len, out.splitlines())) <= 100


def test_json_has_everything_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notebooks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["notebooks"]
    assert [set(row) for row in rows] == [{"name", "title", "goals", "path"}] * len(NAMES)
    assert [Path(row["path"]).name for row in rows] == NAMES


def test_copies_are_the_same_and_a_second_copy_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "course"
    assert main(["notebooks", "--copy", str(folder)]) == 0
    assert capsys.readouterr().out == "".join(f"wrote {folder / name}\n" for name in NAMES)
    for lesson in lessons():
        assert (folder / lesson.path.name).read_bytes() == lesson.path.read_bytes()
    assert main(["notebooks", "--copy", str(folder)]) == 0
    told = f"{len(NAMES)} of {len(NAMES)} notebooks are there already, unchanged\n"
    assert capsys.readouterr().out == told


def test_a_changed_notebook_is_never_overwritten_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / NAMES[1]
    changed.write_text("my own work", encoding="utf-8")
    err = refused(capsys, "--copy", str(tmp_path))
    assert NAMES[1] in err
    assert "--force" in err
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[1]]  # nothing was copied
    assert changed.read_text(encoding="utf-8") == "my own work"

    assert main(["notebooks", "--copy", str(tmp_path), "--force", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["written"]) == sorted(str(tmp_path / name) for name in NAMES)
    assert told["kept"] == []
    assert changed.read_bytes() == lessons()[1].path.read_bytes()


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.ipynb").write_text("{}", encoding="utf-8")
    assert main(["notebooks", "--copy", str(tmp_path)]) == 0
    assert (tmp_path / "mine.ipynb").read_text(encoding="utf-8") == "{}"


def test_force_needs_a_copy(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--copy DIR" in refused(capsys, "--force")


def test_a_folder_needs_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the name of a folder is needed, got an empty text" in refused(capsys, "--copy", "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert f"{tmp_path / 'file'}: cannot copy" in refused(capsys, "--copy", str(tmp_path / "file"))


def test_a_package_without_its_notebooks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(course, "PLACES", (tmp_path / "nowhere", tmp_path))
    assert "the notebooks are not beside the package" in refused(capsys)
    assert "the notebooks are not beside the package" in refused(capsys, "--copy", str(tmp_path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "it is no notebook"),
        ("{}", "it is no notebook"),
        ('{"cells": []}', "it is no notebook"),
        ('{"cells": [{"source": ["# 03 · A title"]}]}', "must have a title and goals"),
        ('{"cells": [{"source": ["**Goals.** many"]}]}', "must have a title and goals"),
    ],
)
def test_a_broken_notebook_is_named(
    content: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    broken = tmp_path / "03-broken.ipynb"
    broken.write_text(content, encoding="utf-8")
    monkeypatch.setattr(course, "PLACES", (tmp_path,))
    err = refused(capsys)
    assert str(broken) in err
    assert told in err


def test_an_installed_package_has_them_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, beside = tmp_path / "inside", tmp_path / "beside"
    shutil.copytree(lessons()[0].path.parent, inside)
    monkeypatch.setattr(course, "PLACES", (inside, beside))
    assert [lesson.path.parent for lesson in lessons()] == [inside] * len(NAMES)
