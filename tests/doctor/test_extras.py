"""What the package asks for, beside what is installed: from metadata, never from a list of our own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tinygrad_lecture.doctor import Extra, Package
from tinygrad_lecture.doctor import extras as room
from tinygrad_lecture.doctor.extras import Requirement, extras, find_package, requirements
from tinygrad_lecture.errors import UsageError

PYPROJECT = """
[project]
name = "Tinygrad-Lecture"
dependencies = ["numpy>=2.0"]

[project.optional-dependencies]
plots = ["Pretty_Plots>=3.9"]
rest = ["gone>=1.0", "tinygrad_lecture[plots]"]
test = ["pytest>=8.3", "tinygrad_lecture[plots, rest]"]
all = ["tinygrad-lecture[plots,rest]"]
"""
METADATA = """\
Metadata-Version: 2.4
Name: tinygrad_lecture
Version: 0.1.0
Requires-Dist: numpy>=2.0
Provides-Extra: plots
Requires-Dist: pretty-plots>=3.9; extra == 'plots'
Provides-Extra: rest
Requires-Dist: gone>=1.0; extra == "rest"
Requires-Dist: pretty_plots>=3.9; extra == "rest"
Provides-Extra: test
Requires-Dist: pytest>=8.3; extra == 'test'
Requires-Dist: pretty-plots>=3.9; extra == 'test'
Requires-Dist: gone>=1.0; extra == 'test'
Requires-Dist: pretty-plots>=3.9; extra == 'test'
Provides-Extra: all
Requires-Dist: pretty-plots>=3.9; extra == 'all'
Requires-Dist: gone>=1.0; extra == 'all'
Requires-Dist: pretty-plots>=3.9; extra == 'all'
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package into a folder of the path, as pip would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, version: str, module: str = "", source: str = "") -> None:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        record = []
        if module:
            (site / f"{module}.py").write_text(source)
            record.append(f"{module}.py,,")
        (info / "RECORD").write_text("\n".join([*record, f"{info.name}/METADATA,,"]))
        importlib.invalidate_caches()

    return put


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    file = tmp_path / "pyproject.toml"
    file.write_text(PYPROJECT)
    return file


def test_a_checkout_and_the_metadata_say_the_same(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "tinygrad_lecture-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    monkeypatch.syspath_prepend(str(info.parent))

    read, installed = requirements(checkout), requirements(tmp_path / "none.toml")

    assert list(installed) == ["", "plots", "rest", "test", "all"]
    assert read.keys() == installed.keys()
    for extra, needed in read.items():
        assert set(needed) == set(installed[extra]), extra
    assert installed["rest"] == [Requirement("gone", "1.0"), Requirement("pretty-plots", "3.9")]


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "course"\ndependencies = []\n[project.optional-dependencies]\nx = []',
        "[tool.ruff]\nline-length = 100", "project = 1", "no TOML",
    ],
)  # fmt: skip
def test_the_pyproject_of_another_project_is_not_ours(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package may lie in a folder of another project's."""
    info = tmp_path / "site" / "tinygrad_lecture-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    monkeypatch.syspath_prepend(str(info.parent))
    other = tmp_path / "pyproject.toml"
    other.write_text(text)

    assert requirements(other) == requirements(tmp_path / "none.toml")


def test_a_bare_copy_does_not_know_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "NAME", "no_such_package")
    with pytest.raises(UsageError, match="neither installed nor a checkout"):
        requirements(tmp_path / "none.toml")


def test_all_requirements_of_ours_are_understood() -> None:
    """A lowest version and nothing else; another kind would be read wrongly."""
    for needed in requirements().values():
        for requirement in needed:
            assert requirement.minimum.replace(".", "").replace("dev", "").isdigit(), requirement


@pytest.mark.parametrize(
    ("minimum", "version", "fine"),
    [
        ("3.9", "3.10.1", True), ("3.9", "3.9.0", True), ("3.9", "3.8.99", False),
        ("3.9.0", "3.9", True), ("2024.8", "2026.8.0", True), ("1.8.dev1", "1.8.dev25", True),
        ("1.8.dev1", "1.7", False), ("", "0", True), ("2.0", "2.0.0rc1", True),
        ("1.0", "unknown", False),
    ],
)  # fmt: skip
def test_versions(minimum: str, version: str, fine: bool) -> None:
    assert Requirement("x", minimum).allows(version) is fine


def test_a_package_that_is_there(install: Install) -> None:
    install("pretty-plots", "3.10.0", "pretty", "")
    found = find_package(Requirement("pretty-plots", "3.9"), tried=True)

    assert found == Package("pretty-plots", "3.9", "3.10.0", "there")
    assert str(found) == "pretty-plots 3.10.0"


def test_a_package_that_is_missing() -> None:
    found = find_package(Requirement("no-such-package", "1"), tried=True)
    assert (found.state, str(found)) == ("missing", "no-such-package is missing")


def test_a_package_that_is_too_old_is_not_even_tried(install: Install) -> None:
    install("pretty-plots", "3.8", "pretty", "raise RuntimeError")
    found = find_package(Requirement("pretty-plots", "3.9"), tried=True)

    assert found.state == "too old"
    assert str(found) == "pretty-plots 3.8 is too old: 3.9 or newer is needed"


def test_a_package_that_is_broken(install: Install) -> None:
    source = "print('noise')\nraise ImportError('libpretty.so: no such file\\nand more')"
    install("pretty-plots", "3.9", "pretty_broken", source)
    found = find_package(Requirement("pretty-plots", "3.9"), tried=True)

    assert found.state == "broken"
    told = "import pretty_broken raises ImportError: libpretty.so: no such file"
    assert str(found) == f"pretty-plots 3.9 is broken: {told}"
    assert find_package(Requirement("pretty-plots", "3.9"), tried=False).state == "there"


def test_a_package_of_programs_alone(install: Install) -> None:
    install("only-programs", "1.0")
    assert find_package(Requirement("only-programs", ""), tried=True).state == "there"


def test_extras(install: Install, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("pretty-plots", "4.0", "pretty_plots")
    monkeypatch.setattr(room, "requirements", lambda: requirements(checkout))

    found = {extra.name: extra for extra in extras()}

    assert list(found) == ["plots", "rest", "test"]
    assert {name: e.state for name, e in found.items()} == {
        "plots": "there", "rest": "missing", "test": "missing",
    }  # fmt: skip
    assert [e.usual for e in found.values()] == [True, True, False]
    assert [p.name for p in found["test"].packages] == ["pytest", "pretty-plots", "gone"]


def test_the_worst_state_counts() -> None:
    def package(state: room.State) -> Package:
        return Package("x", "1", "0", state)

    def extra(*states: room.State) -> Extra:
        return Extra("x", tuple(map(package, states)), True)

    assert extra("there", "missing").state == "missing"
    assert extra("missing", "too old", "there").state == "too old"
    assert extra("missing", "too old", "broken").state == "broken"
    assert extra("there").state == "there"
