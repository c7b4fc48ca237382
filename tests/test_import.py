"""Importing the package costs NumPy and nothing heavier."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import numpy
before = {name.partition(".")[0] for name in sys.modules}
import tinygrad_lecture
after = {name.partition(".")[0] for name in sys.modules} - before
print(sorted(after - set(sys.stdlib_module_names)))
print(sorted(name for name in sys.modules if name.startswith("tinygrad_lecture.")
             and not name.startswith("tinygrad_lecture.engine")))
"""


def test_import_brings_numpy_and_the_engine_alone() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)

    assert run.stdout.splitlines() == ["['tinygrad_lecture']", "[]"]
