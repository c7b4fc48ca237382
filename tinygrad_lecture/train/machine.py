"""What processes side by side share: the CPUs, and how many threads each starts on them."""

from __future__ import annotations

import os

__all__ = ["THREADS", "cpus"]

# Where the libraries of linear algebra look for their number of threads.
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def cpus() -> int:
    """Return the number of CPUs that this process may use, where the system tells.

    Examples
    --------
    >>> from tinygrad_lecture.train.machine import cpus
    >>> cpus() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
