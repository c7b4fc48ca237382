"""Settings that all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["browsing"]  # fixtures: a headless browser

# No deadline: how long one example takes says more about the machine than about the code.
settings.register_profile("local", deadline=None)
# In CI the same examples each time, so that a failure there can be repeated anywhere.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
