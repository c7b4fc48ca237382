"""`grade`: files of a class, each in a process of its own; one that is bad stops no other."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from careless import CARELESS, STUBBORN, TANH, Careless, behind
from wrong_solutions import WRONG, solution, wrong_source

from tinygrad_lecture import teach
from tinygrad_lecture.errors import UsageError
from tinygrad_lecture.teach import Graded, Limits, grading

LIMITS = Limits(seconds=3.0, megabytes=512.0)
POSIX = sys.platform == "linux"


def write(folder: Path, source: str | bytes, name: str = "mine.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    return file


def agrees(graded: Graded, careless: Careless) -> None:
    assert graded.report.possible == 10.0
    assert graded.report.points == careless.points, str(graded.report)
    assert any(careless.phrase in reason for reason in graded.report.reasons) or not careless.phrase
    assert bool(graded.report) == (not careless.phrase)


# All the others are in the class of a hundred.
@pytest.mark.parametrize(
    "name",
    [
        "syntax",
        "sys.exit",
        "os._exit",
        "crash in the edge cases",
        "input behind",
        "fork",
        "deletes the folder",
        "its own BaseException",
        "its own BaseException behind",
        "writes into the results",
    ],
)
def test_careless_students(name: str, tmp_path: Path) -> None:
    careless = CARELESS[name]
    if careless.posix and not POSIX:
        pytest.skip("the limits are Linux's")

    (graded,) = teach.grade([write(tmp_path, careless.source)], "tanh", limits=LIMITS)

    agrees(graded, careless)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]  # nothing is left behind


@pytest.mark.slow
def test_a_loop_that_catches_everything_is_ended_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "START", 3.0)
    file = write(tmp_path, STUBBORN.source)

    start = time.monotonic()
    (graded,) = teach.grade([file], "tanh", limits=Limits(seconds=0.5))
    assert time.monotonic() - start < 12.0
    agrees(graded, STUBBORN)
    assert "it takes longer than 4.5 s in all" in graded.report.reasons[0]


@pytest.mark.skipif(not POSIX, reason="processes are looked up in /proc")
def test_processes_that_got_away_are_ended_as_well(tmp_path: Path) -> None:
    """A fork that the audit hook does not see, as in a C library."""
    note = tmp_path / "pid"
    source = behind(
        "import ctypes, pathlib, time\n"
        "pid = ctypes.CDLL(None).fork()\n"
        "if not pid: time.sleep(900)\n"
        f"pathlib.Path({str(note)!r}).write_text(str(pid))"
    )
    (graded,) = teach.grade([write(tmp_path, source)], "tanh", limits=LIMITS)

    assert graded.full
    status = Path("/proc", note.read_text(), "status")
    for _ in range(100):
        if not status.exists() or "Z (zombie)" in status.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child of the student's process is still there")


def test_helpers_beside_the_file_are_found_and_hide_nothing(tmp_path: Path) -> None:
    write(tmp_path, "def squash(x):\n    return np.tanh(x)\nimport numpy as np\n", "helper.py")
    write(tmp_path, "raise RuntimeError('this is not NumPy')", "numpy.py")
    source = "from helper import squash\n" + TANH.replace("np.tanh(x)", "squash(x)")

    (graded,) = teach.grade([write(tmp_path, source)], "tanh")
    assert graded.full, str(graded.report)


def notebook(*sources: str) -> str:
    code = [{"cell_type": "code", "source": s.splitlines(keepends=True)} for s in sources]
    text = {"cell_type": "markdown", "source": "class Tanh: see below"}
    return json.dumps({"cells": [text, *code], "nbformat": 4})


def test_a_notebook(tmp_path: Path) -> None:
    """Magics and shell commands are left out, and a cell that fails does not stop the others."""
    source = notebook(
        "%matplotlib inline\nimport numpy as np", "%%bash\nrm -rf x", "!ls\nif np:\n    !ls",
        "assert __name__ == 'submission' and __file__", "1 / 0", "def f(:", TANH, "display(Tanh())",
    )  # fmt: skip
    file = write(tmp_path, source, "mine.ipynb")
    (graded,) = teach.grade(teach.find_files([str(tmp_path)]), "tanh")

    assert graded.file == file
    assert graded.full
    assert graded.report.reasons == [
        "the file does not run to its end: it raises ZeroDivisionError: division by zero "
        "(line 1: 1 / 0)"
    ]


@pytest.mark.parametrize(
    "sources",
    [
        (TANH + "\nprint('%s: %g'\n      % ('a', 3.0))",),
        ("%matplotlib inline\nimport numpy as np\nx = (17\n% 5)\nassert x == 2", TANH),
        ("%%time\n" + TANH,),
        ("\n%%capture out --no-stderr\n%matplotlib inline\n" + TANH,),
        ("s = '''\n%d items\n!x\n'''\nassert s.count('%d') == 1 == s.count('!x')", TANH),
        ("%pip -q list\ns = '''\n!x\n'''\nassert s == '\\n!x\\n'", TANH),
        (
            "import numpy as np\nfiles = !ls\nnp.tanh?\n!echo a \\\n  b\nx = 1",
            TANH + "assert x == 1",
        ),
        (
            "%time x = 5\nassert x == 5\ntry:\n    %timeit -n 1 x\nexcept ValueError:\n    pass",
            TANH,
        ),
    ],
)
def test_what_only_jupyter_understands(sources: tuple[str, ...], tmp_path: Path) -> None:
    (graded,) = teach.grade([write(tmp_path, notebook(*sources), "mine.ipynb")], "tanh")
    assert graded.full
    assert graded.report.reasons == []


def test_a_mistake_beside_a_magic_is_told(tmp_path: Path) -> None:
    source = notebook("%matplotlib inline\nimport numpy as np\nx = (1 +", TANH)
    (graded,) = teach.grade([write(tmp_path, source, "mine.ipynb")], "tanh")
    assert "it is not valid Python: '(' was never closed (line 3" in graded.report.reasons[0]


@pytest.mark.parametrize("name", ["mine.py", "mine.ipynb"])
def test_a_byte_order_mark(name: str, tmp_path: Path) -> None:
    source = TANH if name.endswith("py") else notebook(TANH)
    (graded,) = teach.grade([write(tmp_path, b"\xef\xbb\xbf" + source.encode(), name)], "tanh")
    assert graded.report, str(graded.report)


@pytest.mark.parametrize("source", ["{}", "[1]", "print(1)", b"\xff", "[" * 100_000])
def test_no_notebook(source: str | bytes, tmp_path: Path) -> None:
    (graded,) = teach.grade([write(tmp_path, source, "mine.ipynb")], "tanh")
    assert graded.report.reasons == ["it is no notebook (of format 4)"]


def test_the_grade_is_that_of_a_check(tmp_path: Path) -> None:
    wrong = WRONG["linear"][2]
    source = wrong_source("linear", wrong)
    namespace: dict[str, object] = {}
    exec(source, namespace)

    (graded,) = teach.grade([write(tmp_path, source)], "linear", seed=3)
    assert graded.report == teach.exercise("linear").check(namespace, seed=3)
    assert graded.seconds > 0


def test_a_mistake_of_ours_does_not_look_like_the_students(tmp_path: Path) -> None:
    spoil = "import sys\nsys.modules['tinygrad_lecture.teach.exercise'].judge = None\n"

    (graded,) = teach.grade([write(tmp_path, TANH + spoil)], "tanh")
    assert graded.report.points == 7.0
    assert graded.report.possible == 10.0
    assert "the check itself failed, which is no fault of the file" in graded.report.reasons[0]


def test_a_process_that_does_not_start_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "PACKAGES", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    write(tmp_path / "tinygrad_lecture", "raise ImportError('broken')", "__init__.py")

    with pytest.raises(RuntimeError, match=r"mine\.py did not start: [\s\S]*broken"):
        teach.grade([write(tmp_path, TANH)], "tanh")


def test_a_process_that_does_not_start_costs_its_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Say, because the machine is too busy for the time that a start may take."""
    run = grading._Grader._run

    def sometimes(self: Any, file: Path, first: int) -> Any:
        if file.name == "late.py":
            raise grading.NotStartedError("the process for late.py did not start: busy")
        return run(self, file, first)

    monkeypatch.setattr(grading._Grader, "_run", sometimes)
    late, mine = teach.grade([write(tmp_path, TANH, "late.py"), write(tmp_path, TANH)], "tanh")
    assert mine.full
    assert (late.report.points, late.report.possible) == (0.0, 10.0)
    assert late.report.reasons == [
        "it could not be graded: the process for late.py did not start: busy"
    ]


@pytest.mark.skipif(not POSIX, reason="the limits are Linux's")
def test_little_memory_is_enough_for_a_right_file(tmp_path: Path) -> None:
    (graded,) = teach.grade([write(tmp_path, TANH)], "tanh", limits=Limits(megabytes=16.0))
    assert graded.full, str(graded.report)


def test_bad_arguments(tmp_path: Path) -> None:
    file = write(tmp_path, TANH)
    with pytest.raises(UsageError, match="no exercise 'tan'"):
        teach.grade([file], "tan")
    with pytest.raises(UsageError, match=r"none\.py: no such file"):
        teach.grade([tmp_path / "none.py"], "tanh")
    with pytest.raises(UsageError, match="jobs must be at least 1, got 0"):
        teach.grade([file], "tanh", jobs=0)


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "lena", TANH, "tanh.py"), write(tmp_path / "max", TANH, "tanh.py"),
        write(tmp_path / "max", TANH, "adam.py"),
    ]  # fmt: skip
    write(tmp_path / ".venv", TANH, "tanh.py")
    write(tmp_path / "lena", TANH, "notes.txt")
    (tmp_path / "max" / "folder.py").mkdir()
    if POSIX:
        (tmp_path / "max" / "gone.py").symlink_to(tmp_path / "nowhere")

    assert set(teach.find_files([str(tmp_path)])) == set(files)
    assert teach.find_files([str(tmp_path / "*" / "tanh.py")]) == files[:2]
    assert teach.find_files([str(files[0]), str(tmp_path / "lena")]) == files[:1]
    with pytest.raises(UsageError, match=r"none\.py: no such file, folder or pattern"):
        teach.find_files([str(tmp_path / "none.py")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no \*\.py and no \*\.ipynb in it"):
        teach.find_files([str(tmp_path / "empty")])


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="the limits are Linux's")
def test_a_class_of_a_hundred(tmp_path: Path) -> None:
    kinds: list[tuple[bytes, float | None, str]] = [
        (careless.source, careless.points, careless.phrase) for careless in CARELESS.values()
    ]
    kinds += [(wrong_source("tanh", w).encode(), None, w.phrase) for w in WRONG["tanh"]]
    kinds += [(solution("tanh").encode(), 10.0, "")] * (100 - len(kinds))
    files = [write(tmp_path / f"student{k}", kind[0]) for k, kind in enumerate(kinds)]
    seen: list[Path] = []

    graded = teach.grade(
        files, "tanh", limits=LIMITS, jobs=os.cpu_count() or 1, tick=lambda g: seen.append(g.file)
    )

    assert len(graded) == 100
    assert [g.file for g in graded] == files
    assert sorted(seen) == sorted(files)
    for g, (_, points, phrase) in zip(graded, kinds, strict=True):
        assert points is None or g.report.points == points, f"{g.file}: {g.report}"
        assert any(phrase in reason for reason in g.report.reasons) or not phrase, str(g.report)
