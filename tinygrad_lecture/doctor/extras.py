"""Which extras are there: what the package asks for, beside what is installed."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.metadata
import io
import re
import tomllib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..errors import UsageError

__all__ = ["Extra", "Package", "Requirement", "State", "extras", "find_package", "requirements"]

State: TypeAlias = Literal["there", "missing", "too old", "broken"]
NAME = "tinygrad_lecture"
CHECKOUT = Path(__file__).resolve().parents[2] / "pyproject.toml"
BASE = ""  # the name of what is always needed
ALL = "all"
PARTS = re.compile(r"\s*(?P<name>[\w.-]+)\s*(\[(?P<extras>[^]]*)\])?\s*(?P<version>[^;]*)")
MARKER = re.compile(r"extra\s*==\s*['\"](?P<extra>[\w.-]+)['\"]")


@dataclass(frozen=True)
class Requirement:
    """A package that is asked for, with its lowest version or an empty text."""

    name: str
    minimum: str

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """Read a requirement.

        Examples
        --------
        >>> from tinygrad_lecture.doctor.extras import Requirement
        >>> Requirement.parse('Graphviz_pure>=0.2.2; extra == "viz"')
        Requirement(name='graphviz-pure', minimum='0.2.2')
        """
        found = PARTS.match(text)
        assert found is not None  # the name matches anything
        version = found["version"].strip()
        return cls(normal(found["name"]), version.removeprefix(">=").strip())

    def allows(self, version: str) -> bool:
        """Tell whether a version is new enough; of pre-releases, only the release counts."""
        return not self.minimum or _release(version) >= _release(self.minimum)


@dataclass(frozen=True)
class Package:
    """A package that an extra asks for.

    Attributes
    ----------
    name : str
    minimum : str
        The lowest version that will do.
    version : str or None
        The one that is installed.
    state : {"there", "missing", "too old", "broken"}
    reason : str
        Why it is broken.
    """

    name: str
    minimum: str
    version: str | None
    state: State
    reason: str = ""

    def __str__(self) -> str:
        told = {
            "there": f"{self.name} {self.version}",
            "missing": f"{self.name} is missing",
            "too old": f"{self.name} {self.version} is too old: {self.minimum} or newer is needed",
            "broken": f"{self.name} {self.version} is broken: {self.reason}",
        }
        return told[self.state]


@dataclass(frozen=True)
class Extra:
    """An extra: a group of packages that pip installs on demand.

    Attributes
    ----------
    name : str
    packages : tuple of Package
    usual : bool
        Whether the extra "all" has it; others are for the development of the package, or large.
    """

    name: str
    packages: tuple[Package, ...]
    usual: bool

    @property
    def state(self) -> State:
        """The worst state of its packages."""
        order: list[State] = ["broken", "too old", "missing"]
        there = {package.state for package in self.packages}
        return next((state for state in order if state in there), "there")


def normal(name: str) -> str:
    """Return the name of a package as all spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without zeros at the end: 3.10.0rc1 gives (3, 10)."""
    found = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def requirements(checkout: Path = CHECKOUT) -> dict[str, list[Requirement]]:
    """Return what each extra asks for; under the empty name what is always needed.

    They are read from the metadata of the installed package, in a checkout from pyproject.toml.

    Raises
    ------
    UsageError
        If the package is a bare copy, with neither.
    """
    project = _project(checkout)
    if project is not None:
        named = {BASE: project["dependencies"], **project["optional-dependencies"]}
        return {extra: list(_expanded(texts, named)) for extra, texts in named.items()}
    try:
        about = importlib.metadata.metadata(NAME)
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            f"{NAME} is neither installed nor a checkout, so what it needs is not known: "
            f"pip install {NAME}"
        ) from None
    found: dict[str, list[Requirement]] = {BASE: []}
    for extra in about.get_all("Provides-Extra") or []:
        found[extra] = []
    for text in about.get_all("Requires-Dist") or []:
        marker = MARKER.search(text)
        found[marker["extra"] if marker else BASE].append(Requirement.parse(text))
    return found


def _project(checkout: Path) -> dict[str, Any] | None:
    """Return what pyproject.toml says; None if it is another project's, or there is none."""
    if not checkout.is_file():
        return None
    try:
        project = tomllib.loads(checkout.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return None
    ours = isinstance(project, dict) and normal(str(project.get("name"))) == normal(NAME)
    return project if ours else None


def _expanded(texts: Iterable[str], named: dict[str, list[str]]) -> Iterator[Requirement]:
    """Give requirements, those of other extras of this package in place of their names."""
    for text in texts:
        found = PARTS.match(text)
        if found is not None and found["extras"] and normal(found["name"]) == normal(NAME):
            for extra in found["extras"].split(","):
                yield from _expanded(named[extra.strip()], named)
        else:
            yield Requirement.parse(text)


def extras() -> list[Extra]:
    """Return all extras but "all", with the state of their packages."""
    asked = requirements()
    usual = set(asked.get(ALL, []))
    found = []
    for name, needed in asked.items():
        if name in (BASE, ALL):
            continue
        part = set(needed) <= usual
        packages = tuple(find_package(r, tried=part) for r in dict.fromkeys(needed))
        found.append(Extra(name, packages, part))
    return sorted(found, key=lambda extra: not extra.usual)


def find_package(needed: Requirement, *, tried: bool) -> Package:
    """Look a package up, and if it is there, perhaps try to import it."""
    try:
        version = importlib.metadata.version(needed.name)
    except importlib.metadata.PackageNotFoundError:
        return Package(needed.name, needed.minimum, None, "missing")
    state: State = "there" if needed.allows(version) else "too old"
    reason = _problem(needed.name) if tried and state == "there" else ""
    return Package(needed.name, needed.minimum, version, "broken" if reason else state, reason)


def _problem(name: str) -> str:
    """Import what a package provides under the name most like its own; return what went wrong."""
    files = importlib.metadata.files(name) or []
    tops = [file.parts[0] for file in files if file.parts[1:] in ((), ("__init__.py",))]
    modules = {top.removesuffix(".py") for top in tops if not top.startswith("_")}
    provided = sorted(filter(str.isidentifier, modules))
    module = difflib.get_close_matches(name.replace("-", "_"), provided, n=1, cutoff=0.0)
    if not module:  # it consists of programs
        return ""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            importlib.import_module(module[0])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        told = "".join(f": {line}" for line in str(error).strip().splitlines()[:1])
        return f"import {module[0]} raises {type(error).__name__}{told}"
    return ""
