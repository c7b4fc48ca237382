"""Run the benchmarks and print their tables.

``python benchmarks/run.py [scalars] [arrays] [scaling]`` runs those parts, or all.  The peers come
with ``pip install -e '.[bench]'``.  Run it on a quiet machine, with one thread
(OMP_NUM_THREADS=1).  ``--out FILE`` saves the text as well; exit code 1 says that a required
ratio was missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import machine


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="*", help="scalars, arrays, scaling; all by default")
    parser.add_argument("--out", type=Path, help="a file for the text")
    args = parser.parse_args()
    known = ("scalars", "arrays", "scaling")
    unknown = set(args.what) - set(known)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    wanted = args.what or known
    texts, good = [machine("numpy", "micrograd", "autograd", "torch")], True
    tables = []
    if "scalars" in wanted:
        import scalar_peers  # here, so that each part needs its own peers alone

        tables += scalar_peers.tables()
    if "arrays" in wanted:
        import array_peers

        tables += array_peers.tables()
    for table in tables:
        texts.append(table.text())
        good &= table.kept()
    if "scaling" in wanted:
        import scaling

        text, kept = scaling.report()
        texts.append(text)
        good &= kept
    report = "\n\n".join(texts)
    print(report)
    if args.out:
        args.out.write_text(report + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
