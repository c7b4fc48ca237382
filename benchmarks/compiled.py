"""The compiled benchmarks by name; each is one module.

It has a function `workloads`, or, where there are no candidates to be timed, `tables`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from harness import Report, Table

MODULES = {
    "demo": "peers_demo",
    "digits": "peers_digits",
    "adam": "peers_adam",
    "residual": "peers_residual",
    "expression": "peers_expression",
    "rosenbrock": "peers_rosenbrock",
    "chain": "peers_chain",
    "build": "build_times",
}

PACKAGES = ("numpy", "micrograd", "autograd", "torch", "jax", "casadi", "pytensor", "numba")


def tables(names: Iterable[str] = MODULES) -> list[Table | Report]:
    """Run workloads by name."""
    import candidates  # here, since it ties the process to one core

    found: list[Table | Report] = []
    for name in names:
        module = importlib.import_module(MODULES[name])
        made = (
            module.tables()
            if hasattr(module, "tables")
            else map(candidates.table, module.workloads())
        )
        for table in made:
            found.append(table)
            print(table.text(), end="\n\n", flush=True)
    return found
