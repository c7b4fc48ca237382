"""``tinygrad-lecture grade``: table, JSON, list, stub, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import cli
from tinygrad_lecture.teach import EXERCISES, exercise

RIGHT = """
import numpy as np


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad_output):
        return grad_output * (1 - self.y**2)
"""
WRONG = RIGHT.replace("self.y**2", "self.y")


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    sources = {"lena": RIGHT, "max": WRONG, "nina": WRONG, "omar": "def f(:"}
    for name, source in sources.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "tanh.py").write_text(source)
    return tmp_path


def test_the_table(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", str(submissions), "--exercise", "tanh"]) == 1

    lines = capsys.readouterr().out.replace(f"{submissions}{os.sep}", "").splitlines()
    assert lines[0].split() == ["file", "points", "of", "10"]
    assert lines[1].split(maxsplit=2) == [
        "lena/tanh.py", "10", "forward 3/3, backward 4/4, edge cases 3/3",
    ]  # fmt: skip
    assert lines[2].split(maxsplit=2) == [
        "max/tanh.py", "5", "forward 3/3, backward 0/4, edge cases 2/3",
    ]  # fmt: skip
    assert lines[3] == "    ✗ 1 − y: the square is missing, 1 − y²"
    assert lines[-5].split()[:2] == ["✗", "it"]
    assert lines[-3:] == [
        "4 files: 1 with all points, 5 on average",
        "most often:",
        "  2 × 1 − y: the square is missing, 1 − y²",
    ]


def test_json(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(submissions / name / "tanh.py") for name in ("omar", "max")]
    assert cli.main(["grade", *files, "--exercise", "tanh", "--seed", "4", "--json"]) == 1

    document = json.loads(capsys.readouterr().out)
    assert (document["exercise"], document["possible"], document["seed"]) == ("tanh", 10.0, 4)
    assert [f["file"] for f in document["files"]] == files
    assert [f["points"] for f in document["files"]] == [0.0, 5.0]
    item = next(i for i in document["files"][1]["items"] if i["result"] == "wrong")
    assert item["part"] == "backward"
    assert item["points"] == 0.0
    assert "the square is missing" in item["reason"]


def test_all_points_are_success(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", str(submissions / "lena"), "--exercise", "tanh"]) == 0
    assert "10  forward" in capsys.readouterr().out


def test_a_terminal_has_a_bar(
    submissions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    cli.main(["grade", str(submissions / "lena"), "--exercise", "tanh"])
    assert "grade tanh" in capsys.readouterr().err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXERCISES)
    assert cli.main(["grade", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["name"] == "perceptron"
    assert all(row["points"] == 10.0 for row in rows)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_stub_is_a_python_file_to_begin_with(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["grade", "--stub", name]) == 0

    stub = capsys.readouterr().out
    assert stub.startswith(f"# {name}: ")
    assert all(len(line) <= 100 for line in stub.splitlines())
    namespace: dict[str, object] = {}
    exec(stub, namespace)
    assert {i.result for i in exercise(name).check(namespace).items} == {"not done yet"}


def test_the_notebook_for_nbgrader(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["grade", "--notebook", "adam"]) == 0
    assert json.loads(capsys.readouterr().out) == tg.teach.assignment("adam")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "FILE is missing"),
        (["x.py"], "--exercise is missing: one of perceptron, linear"),
        (["x.py", "--exercise", "tanh"], "x.py: no such file, folder or pattern"),
        (["x.py", "--exercise", "tnah"], "no exercise 'tnah': there are perceptron"),
        (["--stub", "tnah"], "did you mean tanh?"),
        (["--stub", "tanh", "x.py"], "--list, --stub and --notebook go without FILE"),
        (["x.py", "--exercise", "tanh", "--timeout", "0"], "seconds greater than 0 are needed, got '0'"),
        (["x.py", "--exercise", "tanh", "--memory", "much"], "megabytes greater than 0 are needed"),
        (["x.py", "--exercise", "tanh", "--jobs", "-1"], "jobs greater than 0 are needed, got '-1'"),
        (["x.py", "--exercise", "tanh", "--seed", "-1"], "--seed must be at least 0, got -1"),
    ],
)  # fmt: skip
def test_bad_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.main(["grade", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_what_cannot_be_shown_is_escaped(encoding: str, tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/a\xff.py"
    with open(file, "wb"):  # noqa: PTH123 - the name is no text
        pass
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_lecture", "grade", str(tmp_path), "--exercise", "tanh"],
        env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    out = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (1, b"")
    assert "a\\udcff.py" in out
    assert ("✗ there is no" if encoding == "utf-8" else "\\u2717 there is no") in out


def test_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tinygrad_lecture").mkdir()
    (tmp_path / "tinygrad_lecture" / "__init__.py").write_text("raise ImportError('broken')")
    (tmp_path / "mine.py").write_text("")
    monkeypatch.setattr("tinygrad_lecture.teach.grading.PACKAGES", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert cli.main(["grade", str(tmp_path / "mine.py"), "--exercise", "tanh"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "ImportError: broken" in err


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_ctrl_c_ends_all_processes(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    source = f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(900)"
    (tmp_path / "mine.py").write_text(source)
    with subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lecture", "grade", "mine.py", "--exercise", "tanh"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(tg.__file__).parents[1])},
    ) as program:  # fmt: skip
        while not (note.exists() and note.read_text()):
            assert program.poll() is None
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=20)
    assert (program.returncode, out) == (130, "")
    assert err == "tinygrad-lecture: interrupted\n"
    assert not Path("/proc", note.read_text()).exists()
