"""What the package runs on: Python, NumPy, linear algebra and its threads, folders, a browser."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..train.machine import cpus

__all__ = ["BROWSERS", "Blas", "cpus", "find_blas", "find_browser", "folders", "unwritable"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Where each library looks for its number of threads, first things first.
VARIABLES = {
    "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    "blis": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
    "accelerate": ("VECLIB_MAXIMUM_THREADS",),
}


@dataclass(frozen=True)
class Blas:
    """The library behind NumPy's matrix products.

    Attributes
    ----------
    name, version : str
    threads : int
    source : str
        Where the number of threads comes from.
    """

    name: str
    version: str
    threads: int
    source: str

    def __str__(self) -> str:
        count = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        return f"{self.name} {self.version}, {count} ({self.source})"


def find_blas(load: Callable[[], list[dict[str, Any]]] | None = None) -> Blas:
    """Return NumPy's BLAS: as threadpoolctl finds it loaded, else as NumPy was built.

    Parameters
    ----------
    load : callable, optional
        threadpoolctl's ``threadpool_info``, where it is installed.
    """
    if load is None and importlib.util.find_spec("threadpoolctl") is not None:
        load = importlib.import_module("threadpoolctl").threadpool_info
    loaded = [one for one in (load() if load else []) if one["user_api"] == "blas"]
    # SciPy may have loaded another one; NumPy's lies beside NumPy.
    loaded.sort(key=lambda one: "numpy" not in str(one.get("filepath", "")))
    if loaded:
        one = loaded[0]
        return Blas(
            one["internal_api"], str(one["version"]), one["num_threads"], "asked by threadpoolctl"
        )
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    name = str(blas.get("name", "unknown"))
    known = [names for key, names in VARIABLES.items() if key in name.lower()]
    variables = known[0] if known else ("OMP_NUM_THREADS",)
    for variable in variables:
        text = os.environ.get(variable, "")
        if text.isdigit() and int(text) > 0:
            return Blas(name, str(blas.get("version", "")), int(text), variable)
    source = f"as many as CPUs; {variables[0]} would change it"
    return Blas(name, str(blas.get("version", "")), cpus(), source)


def folders() -> dict[str, str]:
    """Return why the current and the temporary folder cannot be written to, or empty texts."""
    found = {}
    for name, find in (("current", Path.cwd), ("temporary", lambda: Path(tempfile.gettempdir()))):
        try:
            folder = find()
        except OSError as error:  # it was deleted, say
            found[f"the {name} folder"] = error.strerror or str(error)
        else:
            found[str(folder)] = unwritable(folder)
    return found


def unwritable(folder: Path) -> str:
    """Try to write into a folder; return why it cannot be done, or nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def find_browser() -> str | None:
    """Return the Chromium that tests of pages would use: an installed one, or Playwright's own."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is not None or importlib.util.find_spec("playwright") is None:
        return program
    with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop, which Playwright refuses
        return thread.submit(_playwrights_own).result()


def _playwrights_own() -> str | None:
    playwright = importlib.import_module("playwright.sync_api")
    try:
        with playwright.sync_playwright() as started:
            path = Path(started.chromium.executable_path)
    except (OSError, playwright.Error):  # it does not start, so it has no browser for us
        return None
    return str(path) if path.exists() else None
