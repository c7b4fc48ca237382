"""The findings together, and the command; also where NumPy is all there is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lecture as tg
from tinygrad_lecture import cli
from tinygrad_lecture.doctor import Blas, Diagnosis, Extra, Package, Picture, machine
from tinygrad_lecture.doctor import pictures as pictures_room
from tinygrad_lecture.doctor.pictures import describe_dot, pictures
from tinygrad_lecture.errors import UsageError

ROOT = Path(tg.__file__).parents[1]
GONE = Package("matplotlib", "3.9", None, "missing")
THERE = Package("graphviz", "0.20", "0.21", "there")
OLD = Package("graphviz", "0.20", "0.19", "too old")
BROKEN = Package("scipy", "1.11", "1.12", "broken", "import scipy raises ImportError: no BLAS")


def diagnosis(*extras: Extra, picture: Picture | None = None) -> Diagnosis:
    return Diagnosis(
        (Package("numpy", "2.0", "2.4", "there"),), extras, "dot", (picture,) if picture else (),
        Blas("openblas", "0.3", 2, "test"), {"/here": "", "/there": "Permission denied"}, None,
    )  # fmt: skip


class TestDiagnosis:
    def test_what_is_missing_is_no_fault(self) -> None:
        found = diagnosis(Extra("plots", (GONE,), True), Extra("viz", (THERE,), True))

        assert found
        assert found.install == ['pip install "tinygrad_lecture[plots]"']
        assert "  ○ plots       matplotlib is missing" in str(found).splitlines()
        assert "  ✓ viz         graphviz 0.21" in str(found).splitlines()

    def test_what_is_too_old_is_upgraded(self) -> None:
        found = diagnosis(Extra("plots", (GONE,), True), Extra("viz", (OLD,), True))

        assert not found
        assert found.broken == ["viz: graphviz 0.19 is too old: 0.20 or newer is needed"]
        assert found.install == ['pip install --upgrade "tinygrad_lecture[plots,viz]"']

    def test_what_is_broken_is_installed_again(self) -> None:
        found = diagnosis(Extra("lbfgs", (BROKEN,), True))

        assert found.broken == [
            "lbfgs: scipy 1.12 is broken: import scipy raises ImportError: no BLAS"
        ]
        assert found.install == ["pip install --force-reinstall scipy"]

    def test_what_users_do_not_need_is_not_proposed(self) -> None:
        found = diagnosis(Extra("bench", (GONE, THERE), False))

        assert found
        assert found.install == []
        assert "  ○ bench       1 of 2 packages" in str(found).splitlines()
        assert '                pip install "tinygrad_lecture[bench]"' in str(found).splitlines()
        assert "                missing: matplotlib" in str(found).splitlines()
        assert str(found).endswith("all usual extras are there")

    def test_a_picture_that_fails_is_broken_and_one_that_misses_something_is_not(self) -> None:
        failed = diagnosis(picture=Picture("graph.svg", False, False, "a crash"))
        assert failed.broken == ["graph.svg cannot be drawn: a crash"]
        assert diagnosis(picture=Picture("graph.svg", False, True, "pip install x"))
        assert diagnosis(picture=Picture("graph.svg", True))

    def test_folders(self) -> None:
        lines = str(diagnosis()).splitlines()
        assert "  ✓ /here: can be written to" in lines
        assert "  ✗ /there: Permission denied" in lines

    def test_old_numpy_is_broken(self) -> None:
        old = replace(diagnosis(), base=(Package("numpy", "2.0", "1.26", "too old"),))
        assert old.broken == ["numpy 1.26 is too old: 2.0 or newer is needed"]


class TestPictures:
    def test_each_is_tried(self) -> None:
        found = {p.name: p for p in pictures()}

        assert list(found) == ["graph.svg", "graph.png", "graph.pdf", "plot.svg", "plot.png"]
        for picture in found.values():
            assert picture.drawn or picture.missing, picture

    def test_without_packages_the_install_line_is_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pictures_room, "find_dot", lambda: None)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

        assert {p.reason for p in pictures()} == {
            'pip install "tinygrad_lecture[viz]"', 'pip install "tinygrad_lecture[plots]"',
            "needs Graphviz's own dot",
        }  # fmt: skip
        assert all(p.missing for p in pictures())
        assert describe_dot().startswith("neither Graphviz's dot on the PATH nor graphviz-pure")

    @pytest.mark.parametrize(
        ("error", "reason"),
        [(UsageError("no fonts"), "no fonts"), (OSError("gone\nfar"), "OSError: gone")],
    )
    def test_failures(self, error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any) -> bytes:
            raise error

        monkeypatch.setattr(pictures_room, "find_dot", lambda: "/bin/dot")
        monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
        monkeypatch.setattr(pictures_room, "render", fail)
        assert pictures()[0] == Picture("graph.svg", False, False, reason)

    def test_something_else_than_a_picture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pictures_room, "find_dot", lambda: "/bin/dot")
        monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
        monkeypatch.setattr(pictures_room, "render", lambda *_: b"Error: no")
        assert pictures()[1].reason == "it begins with b'Error: no'"

    @pytest.mark.parametrize(
        ("program", "text"),
        [
            ("/usr/bin/dot", "Graphviz's dot (/usr/bin/dot)"),
            ("/v/graphviz-pure", "graphviz-pure ("),
        ],
    )
    def test_the_program(self, program: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pictures_room, "find_dot", lambda: program)
        assert describe_dot().startswith(text)


class TestMachine:
    def test_threadpoolctl_is_believed(self) -> None:
        loaded: list[dict[str, Any]] = [
            {"user_api": "openmp", "internal_api": "openmp", "version": None, "num_threads": 9},
            {"user_api": "blas", "internal_api": "mkl", "version": "1", "num_threads": 8,
             "filepath": "/x/scipy.libs/mkl.so"},
            {"user_api": "blas", "internal_api": "openblas", "version": "0.3", "num_threads": 3,
             "filepath": "/x/numpy.libs/openblas.so"},
        ]  # fmt: skip
        found = machine.find_blas(lambda: loaded)
        assert str(found) == "openblas 0.3, 3 threads (asked by threadpoolctl)"

    @pytest.mark.parametrize(
        ("name", "variables", "threads", "source"),
        [
            ("scipy-openblas", {"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3, "OPENBLAS_NUM_THREADS"),
            ("mkl", {"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 5, "OMP_NUM_THREADS"),
            ("accelerate", {"VECLIB_MAXIMUM_THREADS": "1"}, 1, "VECLIB_MAXIMUM_THREADS"),
            ("unknown", {"OMP_NUM_THREADS": "4"}, 4, "OMP_NUM_THREADS"),
            ("openblas", {"OMP_NUM_THREADS": "many"}, 6, "as many as CPUs; OPENBLAS_NUM_THREADS would change it"),
        ],
    )  # fmt: skip
    def test_without_it_the_environment_tells(
        self, name: str, variables: dict[str, str], threads: int, source: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        built = {"Build Dependencies": {"blas": {"name": name, "version": "1.2"}}}
        monkeypatch.setattr(np, "show_config", lambda mode: built)
        monkeypatch.setattr(machine, "cpus", lambda: 6)
        for variable in {v for names in machine.VARIABLES.values() for v in names}:
            monkeypatch.delenv(variable, raising=False)
        for variable, text in variables.items():
            monkeypatch.setenv(variable, text)

        assert machine.find_blas(list) == Blas(name, "1.2", threads, source)

    def test_the_real_one(self) -> None:
        assert machine.find_blas().threads >= 1
        assert machine.cpus() >= 1

    @pytest.mark.skipif(sys.platform == "win32", reason="there it cannot be deleted")
    def test_a_folder_that_was_deleted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert machine.folders()["the current folder"] == "No such file or directory"

    def test_a_browser_is_looked_for_in_a_notebook_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An event loop is running there."""
        pytest.importorskip("playwright")
        monkeypatch.setattr(machine, "BROWSERS", ())

        async def look() -> str | None:
            return machine.find_browser()

        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(lambda: asyncio.run(look())).result()
        assert found == machine.find_browser()

    def test_a_playwright_that_does_not_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        api = pytest.importorskip("playwright.sync_api")

        def fail() -> Any:
            raise api.Error("no driver")

        monkeypatch.setattr(machine, "BROWSERS", ())
        monkeypatch.setattr(api, "sync_playwright", fail)
        assert machine.find_browser() is None

    def test_cpus_are_those_of_this_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Batch systems give a job some of them."""
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 6}, raising=False)
        assert machine.cpus() == 3
        for command, name in (("grade", "jobs"), ("search", "workers")):
            known = next(
                action for action in cli.parser()._actions if isinstance(action.choices, dict)
            )
            assert known.choices[command].get_default(name) == 3  # type: ignore[index]

    def test_folders(self, tmp_path: Path) -> None:
        assert machine.unwritable(tmp_path) == ""
        assert machine.unwritable(tmp_path / "none") == "No such file or directory"
        assert list(tmp_path.iterdir()) == []


class TestCommand:
    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        code = cli.main(["doctor"])
        out = capsys.readouterr().out

        assert code == (1 if "broken:" in out else 0)
        assert out.startswith(f"tinygrad_lecture {tg.__version__} in ")
        for word in ("extras", "pictures", "linear algebra", "folders", "browser", "plots", "viz"):
            assert word in out

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        cli.main(["doctor", "--json"])
        document = json.loads(capsys.readouterr().out)

        assert document["verdict"] in ("well", "broken")
        assert document["base"][0]["name"] == "numpy"
        assert {"plots", "viz", "search"} <= {e["name"] for e in document["extras"] if e["usual"]}
        assert document["blas"]["threads"] >= 1

    def test_broken_is_1(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = diagnosis(Extra("lbfgs", (BROKEN,), True))
        monkeypatch.setattr("tinygrad_lecture.cli.doctor.diagnose", lambda: found)
        assert cli.main(["doctor"]) == 1
        assert "broken:\n  lbfgs: scipy 1.12 is broken" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform == "win32" or not (ROOT / "pyproject.toml").exists(),
    reason="makes links, and needs a folder with this package alone",
)
def test_numpy_alone(tmp_path: Path) -> None:
    """An environment with a link to NumPy, and nothing else."""
    venv.create(tmp_path / "env")
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    for item in Path(np.__file__).parents[1].glob("numpy*"):
        (site / item.name).symlink_to(item)
    done = subprocess.run(
        [str(tmp_path / "env" / "bin" / "python"), "-m", "tinygrad_lecture", "doctor", "--json"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": os.defpath}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    usual = [extra for extra in found["extras"] if extra["usual"]]
    assert {extra["state"] for extra in usual} == {"missing"}
    names = ",".join(extra["name"] for extra in usual)
    assert found["install"] == [f'pip install "tinygrad_lecture[{names}]"']
    assert not any(picture["drawn"] for picture in found["pictures"])
    assert found["blas"]["threads"] >= 1
