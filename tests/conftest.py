"""Settings that all tests share."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # There are as many workers as CPUs: more threads than that would wait for each other.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in a job that a shell runs in the background, and in all programs that it starts,
    # some of which tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["browsing"]  # fixtures: a headless browser

# No deadline: how long one example takes says more about the machine than about the code.
settings.register_profile("local", deadline=None)
# In CI the same examples each time, so that a failure there can be repeated anywhere.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
