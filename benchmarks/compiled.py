"""The compiled benchmarks by name; each is one module with a function `workloads`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from harness import Table

MODULES = {
    "demo": "peers_demo",
    "digits": "peers_digits",
    "adam": "peers_adam",
    "residual": "peers_residual",
    "expression": "peers_expression",
    "rosenbrock": "peers_rosenbrock",
    "chain": "peers_chain",
}

PACKAGES = ("numpy", "micrograd", "autograd", "torch", "jax", "casadi", "pytensor", "numba")


def tables(names: Iterable[str] = MODULES) -> list[Table]:
    """Run workloads by name."""
    import candidates  # here, since it ties the process to one core

    found = []
    for name in names:
        for workload in importlib.import_module(MODULES[name]).workloads():
            found.append(candidates.table(workload))
            print(found[-1].text(), end="\n\n", flush=True)
    return found
