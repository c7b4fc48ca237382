"""Write the index of slides, functions, notebooks and claims into notebooks/README.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tinygrad_lecture.experiments import index

FILE = Path(__file__).parent.parent / "notebooks" / "README.md"
PLACE = re.compile("(?<=<!-- index -->\n).*(?=<!-- /index -->)", re.DOTALL)


def main() -> int:
    """Replace what stands between the marks; exit with a message if they are missing."""
    text, count = PLACE.subn(lambda _: index(), FILE.read_text("utf-8"))
    if count != 1:
        print(f"{FILE}: no place between <!-- index --> and <!-- /index -->", file=sys.stderr)
        return 1
    FILE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
