"""Run the benchmarks and print their tables.

``python benchmarks/run.py [scalars] [arrays] [scaling] [compiled]`` runs those parts, or all.
``compiled:demo`` is one workload of the compiled part: demo, digits, adam, residual, expression,
rosenbrock, chain, build.  The peers come with ``pip install -e '.[bench]'``; in the compiled part
one that is missing is skipped.  Run it on a quiet machine, with one thread (OMP_NUM_THREADS=1).
``--out FILE`` saves the tables, as JSON for a name that ends in .json, as Markdown for .md, else
as printed; it may be given more than once.  Exit code 1 says that a required ratio was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import compiled
from harness import Report, Table, machine

PARTS = ("scalars", "arrays", "scaling", "compiled")


def saved(path: Path, head: str, tables: list[Table | Report], texts: list[str]) -> str:
    """Return the results in the format that a file's name asks for."""
    if path.suffix == ".json":
        found = [table.data() for table in tables]
        results = {"machine": head, "tables": found, "texts": texts}
        return json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if path.suffix == ".md":
        blocks = [f"```\n{text}\n```" for text in texts]
        return "\n\n".join(["# Benchmarks", head, *(t.markdown() for t in tables), *blocks]) + "\n"
    return "\n\n".join([head, *(t.text() for t in tables), *texts]) + "\n"


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="*", help=f"{', '.join(PARTS)}, compiled:NAME; default: all")
    parser.add_argument("--out", type=Path, action="append", default=[], help="a file to write")
    args = parser.parse_args()
    workloads = {f"compiled:{name}": name for name in compiled.MODULES}
    unknown = set(args.what) - {*PARTS, *workloads}
    if unknown:
        known = ", ".join((*PARTS, *workloads))
        parser.error(f"{', '.join(sorted(unknown))}: choose from {known}")
    wanted = args.what or PARTS
    head = machine(*compiled.PACKAGES)
    print(head, end="\n\n", flush=True)
    good, tables, texts = True, [], []
    if "scalars" in wanted:
        import scalar_peers  # here, so that each part needs its own peers alone

        tables += scalar_peers.tables()
    if "arrays" in wanted:
        import array_peers

        tables += array_peers.tables()
    for table in tables:
        print(table.text(), end="\n\n", flush=True)
    if "scaling" in wanted:
        import scaling

        text, good = scaling.report()
        texts.append(text)
        print(text, end="\n\n", flush=True)
    names = [workloads[w] for w in wanted if w in workloads]
    if "compiled" in wanted or names:
        tables += compiled.tables(compiled.MODULES if "compiled" in wanted else names)
    for path in args.out:
        path.write_text(saved(path, head, tables, texts), encoding="utf-8")
    return 0 if good and all(table.kept() for table in tables) else 1


if __name__ == "__main__":
    sys.exit(main())
