"""``python -m tinygrad_lecture`` is the command ``tinygrad-lecture``."""

from __future__ import annotations

import sys

from tinygrad_lecture.cli import main

if __name__ == "__main__":
    sys.exit(main())
