"""Print the README's test command, word for word: its first ``sh`` block that contains pytest."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> int:
    """Print the command; exit with a message if the README has none."""
    readme = Path(__file__).parent.parent / "README.md"
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    commands = [block for block in blocks if "pytest" in block]
    if not commands:
        print(f"{readme.name}: no sh block contains pytest", file=sys.stderr)
        return 1
    print(commands[0], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
