"""Build the site of guides, course and reference: ``python .ci/site/build.py OUT``.

It needs the extra ``docs``.  The sources are this folder, README.md, CHANGELOG.md, the notebooks
and the docstrings; what is generated goes to a temporary folder, and the pages to OUT.  With
``--strict`` a warning of Sphinx, a link or an anchor that leads nowhere, or something that a page
would fetch from a network, is an error.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

import course
import links
import reference
import tables

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TREE = """

```{toctree}
:hidden:
:caption: Guides
:glob:

guides/*
```

```{toctree}
:hidden:
:caption: The course
:glob:

notebooks/README
notebooks/[0-9]*
```

```{toctree}
:hidden:
:caption: Reference

api/index
ops
conventions
commands
CHANGELOG
```
"""
"""What the README becomes the front page by."""


def prepare(src: Path) -> None:
    """Put all sources into one folder, at the places that they have in the checkout."""
    for folder in ("guides", "_static"):
        shutil.copytree(HERE / folder, src / folder)
    files = {"index.md": front().encode()}
    files |= course.pages(ROOT / "notebooks")
    files |= {p: text.encode() for p, text in (reference.pages() | tables.pages()).items()}
    for name in ("CHANGELOG.md", "notebooks/README.md"):
        files[name] = course.linked((ROOT / name).read_text("utf-8")).encode()
    for path, data in files.items():
        (src / path).parent.mkdir(parents=True, exist_ok=True)
        (src / path).write_bytes(data)


def front() -> str:
    """Return the README as the first page, with the table of contents."""
    text = (ROOT / "README.md").read_text("utf-8")
    return course.linked(text).replace("(.ci/site/", "(") + TREE


def beside(src: Path, folder: Path) -> None:
    """Copy the files of the project that the README links to, and that are no pages of the site."""
    text = (ROOT / "README.md").read_text("utf-8")
    for name in re.findall(r"""(?:\]\(|(?:src|srcset|href)=")([\w./-]+)""", text):
        page = name.startswith(".ci/site/") or (src / name).with_suffix(".md").exists()
        if (ROOT / name).is_file() and not page:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def build(out: Path, strict: bool) -> list[str]:
    """Build the site and return what is wrong with it, which Sphinx has printed as well."""
    with tempfile.TemporaryDirectory() as folder:
        src, trees = Path(folder, "src"), Path(folder, "trees")
        prepare(src)
        beside(src, src)  # for links in Markdown
        options = ["-W", "--keep-going"] if strict else []
        command = ["-b", "html", "-q", "-j", "auto", "-c", HERE, "-d", trees, *options, src, out]
        if build_main(list(map(str, command))):
            return ["Sphinx found what it tells above"]
        beside(Path(folder, "none"), out)  # for pictures in HTML
        return links.problems(out)


def main(argv: list[str] | None = None) -> int:
    """Build, check, and return 0 or 1."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pages")
    parser.add_argument("--strict", action="store_true", help="warnings and dead links are errors")
    args = parser.parse_args(argv)
    found = build(args.out, args.strict)
    print(*found, sep="\n", file=sys.stderr)
    if not found:
        print(f"{args.out}: {sum(1 for _ in args.out.rglob('*.html'))} pages")
    return 1 if found and args.strict else 0


if __name__ == "__main__":
    sys.exit(main())
